//! What several threads and processes do at once. Such a case repeats what may go wrong and prints whether it did.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, fchown, symlink};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use libc::{AT_FDCWD, O_RDWR, POLLIN, S_IFCHR, SIGKILL};

use super::cases;
use crate::stage::{become_program, fork, in_child, open_rw};
use crate::sys::NULL;

cases![
    child_of_a_killed_maker_ends,
    child_of_a_killed_maker_has_its_ids,
    opens_after_mknod_meet_the_device,
    owners_survive_others_deleting,
    procfs_self_is_found_by_a_relative_path,
    empty_path_is_linked_by_a_child,
    chmod_shows_nothing_in_between,
];

/// A maker is killed while it forks in a loop: no child may keep the pipe open that all of them hold.
fn child_of_a_killed_maker_ends() {
    for round in 0..60 {
        let mut ends = [0i32; 2];
        must!(pipe2(&mut ends, 0));
        let maker = fork(|| {
            loop {
                if let Ok(child) = fork(|| ()) {
                    let _ = quiet!(wait4(child, NULL, 0, NULL));
                }
            }
        });
        let Ok(maker) = maker else { return };
        must!(close(ends[1]));
        thread::sleep(Duration::from_micros(round * 50));
        must!(kill(maker, SIGKILL));
        let mut poll = libc::pollfd { fd: ends[0], events: POLLIN, revents: 0 };
        // SAFETY: `poll` is one live structure.
        if unsafe { libc::poll(&raw mut poll, 1, 5000) } != 1 {
            println!("somebody still holds the pipe");
            return;
        }
        must!(close(ends[0]));
        must!(wait4(maker, NULL, 0, NULL));
    }
    println!("all ended");
}

/// Two makers of different ids are killed at once while they fork in a loop: no child may take one for the other.
fn child_of_a_killed_maker_has_its_ids() {
    crate::stage::copy_of_self(c"p");
    let mut wrong = 0;
    for round in 0..40 {
        let mut ends = [0i32; 2];
        must!(pipe2(&mut ends, 0));
        let makers = [7u32, 8].map(|uid| {
            fork(|| {
                must!(setresuid(uid, uid, uid));
                let words = [uid.to_string(), ends[1].to_string()].map(|word| CString::new(word).unwrap_or_default());
                become_program(c"./p", &[c"p", c"role", c"maker", &words[0], &words[1]]);
            })
        });
        must!(close(ends[1]));
        // Each says once that it is at work, and then each child that is wrong says so.
        let mut said = [0u8; 64];
        let mut at_work = 0;
        while at_work < 2 {
            match quiet!(read(ends[0], &mut said, 2 - at_work)) {
                Ok(0) | Err(_) => break,
                Ok(len) => at_work += len,
            }
        }
        thread::sleep(Duration::from_micros(round * 50));
        for maker in makers.into_iter().flatten() {
            must!(kill(maker, SIGKILL));
        }
        while let Ok(len @ 1..) = quiet!(read(ends[0], &mut said, said.len())) {
            wrong += len;
        }
        must!(close(ends[0]));
        for maker in makers.into_iter().flatten() {
            must!(wait4(maker, NULL, 0, NULL));
        }
    }
    println!("wrong ids: {wrong}");
}

/// Forks for ever; a child that is not of this user id writes to the pipe.
pub fn make_children(args: &[&str]) {
    let [uid, pipe] = args else { return };
    let (Ok(uid), Ok(pipe)) = (uid.parse::<usize>(), pipe.parse::<i32>()) else { return };
    must!(write(pipe, c"w", 1));
    loop {
        let child = fork(|| {
            if quiet!(getuid()) != Ok(uid) {
                must!(write(pipe, c"x", 1));
            }
        });
        if let Ok(child) = child {
            let _ = quiet!(wait4(child, NULL, 0, NULL));
        }
    }
}

/// Threads that are busy in other calls when the first faked device appears must meet it like everybody else.
fn opens_after_mknod_meet_the_device() {
    let (made, wrong) = (AtomicBool::new(false), AtomicUsize::new(0));
    must!(umask(0o777));
    thread::scope(|scope| {
        for number in 0..16 {
            let (made, wrong) = (&made, &wrong);
            scope.spawn(move || {
                let path = format!("/proc/self/cwd/x{number}");
                loop {
                    // The device may appear while this call is being handled; the open right behind it must know.
                    let _ = fs::create_dir(&path);
                    let after = made.load(Ordering::SeqCst);
                    if let Ok(fd) = quiet!(openat(AT_FDCWD, c"null", O_RDWR, 0)) {
                        let mut byte = [0u8; 1];
                        let _ = quiet!(pwrite64(fd, c"x", 1, 0));
                        if after && quiet!(pread64(fd, &mut byte, 1, 0)) == Ok(1) {
                            wrong.fetch_add(1, Ordering::SeqCst);
                        }
                        let _ = quiet!(close(fd));
                    }
                    let _ = fs::remove_dir(&path);
                    if after {
                        return;
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(30));
        must!(mknodat(AT_FDCWD, c"null", S_IFCHR | 0o666, 0x103));
        made.store(true, Ordering::SeqCst);
    });
    println!("opens that met something else: {}", wrong.load(Ordering::SeqCst));
}

/// A new file may get the number of one that is being deleted: what is done about the old one must not touch it.
///
/// Few makers and files: many busy tracees are served unevenly, and this is not about how long it takes.
fn owners_survive_others_deleting() {
    const KEPT: u32 = 600;
    let deleters = (0..4).filter_map(|number| {
        fork(|| {
            loop {
                owned(&format!("other{number}"), 1);
                let _ = fs::remove_file(format!("other{number}"));
            }
        })
        .ok()
    });
    let deleters: Vec<_> = deleters.collect();
    in_child(|| (0..KEPT).for_each(|number| owned(&format!("kept{number}"), 5)));
    for deleter in deleters {
        must!(kill(deleter, SIGKILL));
        must!(wait4(deleter, NULL, 0, NULL));
    }
    let is_kept = |name: String| matches!(fs::metadata(name), Ok(file) if file.uid() == 5);
    let lost = (0..KEPT).filter(|number| !is_kept(format!("kept{number}"))).count();
    println!("owners lost: {lost}");
}

/// Makes a file and gives it away while it is open.
fn owned(path: &str, owner: u32) {
    if let Ok(file) = fs::File::create_new(path) {
        let _ = fchown(file, Some(owner), Some(owner));
    }
}

/// `self` leads each process somewhere else, so nobody may look for another.
fn procfs_self_is_found_by_a_relative_path() {
    let task = format!("self/task/{}", std::process::id());
    println!("{}", fs::symlink_metadata(format!("/proc/{task}")).is_ok());
    let _ = symlink("/proc/self/task", "link");
    println!("{}", fs::symlink_metadata(format!("link/{}", std::process::id())).is_ok());
    must!(chdir(c"/proc"));
    println!("{}", fs::symlink_metadata(task).is_ok());
}

fn empty_path_is_linked_by_a_child() {
    crate::stage::file(c"f");
    let fd = open_rw(c"f");
    in_child(|| {
        let _ = call!(linkat(fd, c"", AT_FDCWD, c"g", libc::AT_EMPTY_PATH));
    });
    crate::seen::show(c"f");
}

/// Set-ID bits come together with the permissions: whoever looks sees both or neither, whenever that is.
fn chmod_shows_nothing_in_between() {
    const FILES: usize = 1000;
    let (made, looked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wait_for = |count: &AtomicUsize, file| {
        while count.load(Ordering::Acquire) <= file {
            std::hint::spin_loop();
        }
    };
    let mut between = None;
    thread::scope(|threads| {
        threads.spawn(|| {
            for file in 0..FILES {
                let path = CString::new(file.to_string()).unwrap_or_default();
                let fd = must!(openat(AT_FDCWD, path.as_c_str(), libc::O_CREAT, 0o600));
                must!(close(fd as i32));
                made.store(file + 1, Ordering::Release);
                wait_for(&looked, file);
                must!(chmod(path.as_c_str(), 0o4711));
            }
        });
        for file in 0..FILES {
            wait_for(&made, file);
            loop {
                match fs::metadata(file.to_string()).map(|shown| shown.mode() & 0o7777) {
                    Ok(0o4711) => break,
                    Ok(0o600) => looked.store(file + 1, Ordering::Release),
                    Ok(mode) => between = Some(mode),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    println!("in between: {:o}", between.unwrap_or(0));
}
