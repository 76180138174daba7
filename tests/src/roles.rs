//! What a copy of this program does when a case executes it: it tells who it is.

use std::ffi::{CStr, CString};
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
        // The last ones are names of scripts, as above.
        "program" | "/s" | "s" | "/t" | "../s" => program(),
        "look" => seen::show(c"f"),
        "mapped" => crate::cases::mapped::play(args),
        "tell-of-itself" => crate::cases::mapped::tell_of_itself(args),
        "until-told" => crate::cases::mapped::stay(),
        "status" => crate::cases::procfs::tell_status(),
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

/// How this program was executed.
fn program() {
    let words: Vec<_> = std::env::args_os().collect();
    if words.len() > 20 {
        println!("{} arguments, the last {:?}", words.len(), words.last());
    } else {
        println!("arguments {words:?}");
    }
    let auxv = |kind| {
        // SAFETY: reads this process's own auxiliary vector.
        unsafe { libc::getauxval(kind) }
    };
    // SAFETY: the kernel has put a string there.
    let name = unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance(auxv(libc::AT_EXECFN) as usize)) };
    println!("AT_EXECFN {name:?}");
    let mut comm = [0u8; 16];
    must!(prctl(libc::PR_GET_NAME, &mut comm));
    println!("name {:?}", CStr::from_bytes_until_nul(&comm));
    println!("AT_BASE {}", if auxv(libc::AT_BASE) == 0 { "none" } else { "there" });
    println!("AT_PHNUM {}, AT_PHENT {}", auxv(libc::AT_PHNUM), auxv(libc::AT_PHENT));
    let here = program as *const () as usize;
    let near = |kind| (auxv(kind) as usize).abs_diff(here) < 1 << 26;
    println!("AT_PHDR and AT_ENTRY in the program {} {}", near(libc::AT_PHDR), near(libc::AT_ENTRY));
    for path in crate::cases::root_exec::loaded() {
        println!("loaded {path}");
    }
    match std::fs::read_link("/proc/self/exe") {
        Ok(path) => println!("executes {}", path.display()),
        Err(error) => println!("executes {error}"),
    }
    match std::env::current_exe() {
        Ok(path) => println!("itself {}", path.display()),
        Err(error) => println!("itself {error}"),
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
