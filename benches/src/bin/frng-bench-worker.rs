//! Makes one call many times and prints how many nanoseconds all of them took. Through libc, because some fake
//! roots fool only what goes through it.
//!
//! Usage: `frng-bench-worker CALL TIMES`

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

/// A file of the worker's own, in its working directory.
const FILE: &CStr = c"worker-file";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(name), Some(Ok(times)), None) = (words.next(), words.next().map(|word| word.parse()), words.next())
    else {
        eprintln!("usage: frng-bench-worker CALL TIMES");
        return ExitCode::from(2);
    };
    if let Err(error) = std::fs::write("worker-file", "") {
        eprintln!("frng-bench-worker: cannot make a file: {error}");
        return ExitCode::FAILURE;
    }
    let Some(call) = call(&name) else {
        eprintln!("frng-bench-worker: no such call: {name}");
        return ExitCode::from(2);
    };
    match measure(call, times) {
        Ok(nanoseconds) => {
            println!("{nanoseconds}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("frng-bench-worker: {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Nanoseconds for this many calls, or why one has failed. The first, with which some fake roots connect to their server
/// or replace the code that issues it, is not among them.
fn measure(call: fn() -> libc::c_int, times: u64) -> std::io::Result<u128> {
    call();
    let begin = Instant::now();
    for _ in 0..times {
        if call() < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(begin.elapsed().as_nanos())
}

/// What makes the call once; negative if it fails.
fn call(name: &str) -> Option<fn() -> libc::c_int> {
    Some(match name {
        "getuid" => || {
            // SAFETY: a plain call.
            unsafe { libc::getuid() };
            0
        },
        "stat" => || {
            let mut stat = MaybeUninit::<libc::stat>::uninit();
            // SAFETY: the path is terminated, the buffer has its size.
            unsafe { libc::stat(FILE.as_ptr(), stat.as_mut_ptr()) }
        },
        "stat-lie" => {
            // SAFETY: the path is terminated. Who is not root cannot, and is not lied to.
            unsafe { libc::chown(FILE.as_ptr(), 7, 8) };
            call("stat")?
        }
        "fstat" => || {
            let mut stat = MaybeUninit::<libc::stat>::uninit();
            // SAFETY: the buffer has its size.
            unsafe { libc::fstat(libc::STDOUT_FILENO, stat.as_mut_ptr()) }
        },
        "statx" => || {
            let mut stat = MaybeUninit::<libc::statx>::uninit();
            // SAFETY: as above.
            unsafe { libc::statx(libc::AT_FDCWD, FILE.as_ptr(), 0, libc::STATX_BASIC_STATS, stat.as_mut_ptr()) }
        },
        // SAFETY: the path is terminated.
        "chmod" => || unsafe { libc::chmod(FILE.as_ptr(), 0o4755) },
        "chown" => || {
            // SAFETY: plain calls; the path is terminated. Who is not root may name itself only.
            unsafe {
                match libc::getuid() {
                    0 => libc::chown(FILE.as_ptr(), 7, 8),
                    uid => libc::chown(FILE.as_ptr(), uid, libc::getgid()),
                }
            }
        },
        // SAFETY: the path is terminated, the descriptor our own.
        "open" => || unsafe { libc::close(libc::open(FILE.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC)) },
        "write" => || {
            static OPENED: OnceLock<libc::c_int> = OnceLock::new();
            // SAFETY: the path is terminated, the byte is there.
            unsafe {
                let fd = *OPENED.get_or_init(|| libc::open(FILE.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC));
                libc::pwrite(fd, c"x".as_ptr().cast(), 1, 0) as libc::c_int
            }
        },
        "spawn" => spawn,
        _ => return None,
    })
}

/// Starts `true` and waits for its end.
fn spawn() -> libc::c_int {
    let program = c"/bin/true";
    let words = [program.as_ptr().cast_mut(), std::ptr::null_mut()];
    let mut child = 0;
    let mut status = 0;
    // SAFETY: all strings are terminated, all lists end with a null pointer, the results are live.
    unsafe {
        let environment = environ.cast_const();
        let result = libc::posix_spawn(
            &raw mut child,
            program.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            words.as_ptr(),
            environment,
        );
        if result != 0 || libc::waitpid(child, &raw mut status, 0) != child || status != 0 {
            return -1;
        }
    }
    0
}

unsafe extern "C" {
    /// The environment, which some fake roots need to go on.
    static mut environ: *mut *mut libc::c_char;
}
