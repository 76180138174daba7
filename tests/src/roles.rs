//! What a copy of this program does when a case executes it: it tells who it is.

use std::ffi::CString;
use std::process::ExitCode;

use crate::{seen, stage};

/// Plays the role of that name.
pub fn play(role: &str, args: &[&str]) -> ExitCode {
    stage::open_the_curtain();
    match role {
        "ids" => ids(),
        "auxv" => auxv(),
        "caps" => crate::cases::capabilities::show_caps("program"),
        "keepcaps" => {
            let _ = call!(prctl(libc::PR_GET_KEEPCAPS, 0, 0, 0, 0));
        }
        "nnp" => {
            let _ = call!(prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        }
        "groups" => crate::cases::identity::show_groups("program"),
        "exec" => match args.first().map(|&path| CString::new(path)) {
            Some(Ok(path)) => stage::become_program(&path, &[&path, c"role", c"who"]),
            _ => println!("exec what?"),
        },
        // What a script's interpreter gets: the script's name where the role should be.
        "./s" | "who" => {
            ids();
            auxv();
            crate::cases::capabilities::show_caps("program");
        }
        "look" => seen::show(c"f"),
        "maker" => crate::cases::races::make_children(args),
        "make" => make(),
        other => {
            eprintln!("frng-case: no role is named {other}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The ids the kernel has for this thread.
pub fn ids() {
    crate::cases::identity::show_ids("program");
}

/// Makes one inode of several kinds each, and tells of those that are none of anybody's yet.
fn make() {
    use libc::{AT_FDCWD, O_CREAT, O_EXCL, O_WRONLY, S_IFBLK};
    let _ = crate::sys::ok_or_errno("open", quiet!(openat(AT_FDCWD, c"made", O_CREAT | O_EXCL | O_WRONLY, 0o606)));
    let _ = call!(fchownat(AT_FDCWD, c"made", 1234, 5678, 0));
    let _ = call!(mknodat(AT_FDCWD, c"node", S_IFBLK | 0o660, 0x801));
    let _ = call!(mkdirat(AT_FDCWD, c"made-directory", 0o750));
    if let Err(e) = std::os::unix::net::UnixListener::bind("socket") {
        println!("bind: {e}");
    }
}

/// The ids the kernel wrote beside the program's arguments.
fn auxv() {
    for (name, kind) in [
        ("AT_UID", libc::AT_UID),
        ("AT_EUID", libc::AT_EUID),
        ("AT_GID", libc::AT_GID),
        ("AT_EGID", libc::AT_EGID),
        ("AT_SECURE", libc::AT_SECURE),
    ] {
        // SAFETY: reads this process's own auxiliary vector.
        println!("{name} {}", unsafe { libc::getauxval(kind) });
    }
}
