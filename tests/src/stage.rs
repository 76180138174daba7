//! Setting a scene: files, children, other users, threads.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink as make_symlink};
use std::path::Path;

use libc::{AT_FDCWD, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR};

use crate::sys::{self, NULL, Result, errno};

/// What every case can count on, whoever started it.
pub fn open_the_curtain() {
    let _ = quiet!(umask(0o022));
    std::panic::set_hook(Box::new(|info| println!("PANIC: {info}")));
}

/// `path` for the standard library.
pub fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// A regular file of four bytes, mode 0644.
pub fn file(path: &CStr) {
    file_with(path, b"text");
}

/// A regular file with these contents, mode 0644.
pub fn file_with(path: &CStr, contents: &[u8]) {
    settle(path, fs::write(as_path(path), contents));
}

/// A directory, mode 0755.
pub fn dir(path: &CStr) {
    settle(path, fs::create_dir(as_path(path)));
}

/// A symbolic link at `path`.
pub fn symlink(target: &CStr, path: &CStr) {
    settle(path, make_symlink(as_path(target), as_path(path)));
}

/// Gives `path` this mode.
pub fn mode(path: &CStr, mode: u32) {
    settle(path, fs::set_permissions(as_path(path), fs::Permissions::from_mode(mode)));
}

/// A copy of this very program, executable by all.
pub fn copy_of_self(path: &CStr) {
    settle(path, fs::copy("/proc/self/exe", as_path(path)));
    mode(path, 0o755);
}

fn settle<T>(path: &CStr, result: std::io::Result<T>) {
    if let Err(e) = result {
        println!("SETUP FAILED: {}: {e}", path.to_string_lossy());
    }
}

/// Opens for reading and writing, creating the file if need be.
pub fn open_rw(path: &CStr) -> i32 {
    must!(openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644)) as i32
}

/// Opens a directory, or anything else that can be opened for reading.
pub fn open_ro(path: &CStr) -> i32 {
    must!(openat(AT_FDCWD, path, O_RDONLY, 0)) as i32
}

/// Opens a directory.
pub fn open_dir(path: &CStr) -> i32 {
    must!(openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0)) as i32
}

/// `/proc/self/fd/N` for an open descriptor.
pub fn proc_path(fd: i32) -> CString {
    CString::new(format!("/proc/self/fd/{fd}")).expect("digits have no NUL")
}

/// Plays `scene` in a forked child, waits for it, and tells how it ended unless it ended well.
pub fn in_child(scene: impl FnOnce()) {
    match fork(scene) {
        Ok(pid) => tell_end(pid),
        Err(e) => println!("SETUP FAILED: fork: {}", errno::name(e)),
    }
}

/// Starts `scene` in a forked child.
pub fn fork(scene: impl FnOnce()) -> Result<i32> {
    let _ = std::io::stdout().flush();
    // SAFETY: cases fork before they start threads, so the child may do all its parent could.
    match sys::libc_result(unsafe { libc::fork() }.into())? {
        0 => {
            scene();
            let _ = std::io::stdout().flush();
            // SAFETY: leaves without the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid as i32),
    }
}

/// Waits for a child and tells how it ended unless it exited with 0.
pub fn tell_end(pid: i32) {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    if unsafe { libc::waitpid(pid, &mut status, 0) } != pid {
        println!("SETUP FAILED: waitpid: {}", errno::name(sys::last_errno()));
    } else if libc::WIFSIGNALED(status) {
        println!("child killed by signal {}", libc::WTERMSIG(status));
    } else if libc::WEXITSTATUS(status) != 0 {
        println!("child exited with {}", libc::WEXITSTATUS(status));
    }
}

/// Plays `scene` in a child that has become `uid` for good, with group `uid` and no other.
pub fn as_user(uid: u32, scene: impl FnOnce()) {
    in_child(|| {
        drop_to(uid);
        scene();
    });
}

/// Becomes `uid` for good, with group `uid` and no other.
pub fn drop_to(uid: u32) {
    must!(setgroups(0, NULL));
    must!(setresgid(uid, uid, uid));
    must!(setresuid(uid, uid, uid));
}

/// Plays `scene` in another thread and waits for it.
pub fn in_thread(scene: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(scene);
    });
}

/// Executes `path` with `args` (the first is argv[0]) in a child and waits for it.
pub fn run(path: &CStr, args: &[&CStr]) {
    in_child(|| become_program(path, args));
}

/// Replaces this process by `path`; comes back only when that fails, and tells why.
pub fn become_program(path: &CStr, args: &[&CStr]) {
    let argv = null_ended(args.iter().copied());
    let environment = environment();
    let envp = null_ended(environment.iter().map(CString::as_c_str));
    let _ = std::io::stdout().flush();
    let _ =
        sys::ok_or_errno(&format!("execve({})", path.to_string_lossy()), quiet!(execve(path, &argv[..], &envp[..])));
}

/// The environment, which carries the harness' mark to whatever is executed.
pub fn environment() -> Vec<CString> {
    std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect()
}

/// Pointers as execve takes them. They are good for as long as the strings are.
pub fn null_ended<'a>(strings: impl Iterator<Item = &'a CStr>) -> Vec<usize> {
    strings.map(|s| s.as_ptr() as usize).chain([NULL]).collect()
}

/// A child that has played its scene and waits for its end.
pub struct Child {
    /// Its id.
    pub pid: i32,
    end: i32,
}

impl Child {
    /// Plays `scene` in a forked child; returns when that is done.
    pub fn new(scene: impl FnOnce()) -> Child {
        let (mut ready, mut end) = ([0i32; 2], [0i32; 2]);
        must!(pipe2(&mut ready, 0));
        must!(pipe2(&mut end, 0));
        let pid = fork(|| {
            must!(close(end[1]));
            scene();
            must!(write(ready[1], c"x", 1));
            let mut byte = [0u8; 1];
            // A signal may interrupt it.
            while quiet!(read(end[0], &mut byte, 1)) == Err(libc::EINTR) {}
        });
        must!(close(ready[1]));
        let mut byte = [0u8; 1];
        must!(read(ready[0], &mut byte, 1));
        must!(close(ready[0]));
        Child { pid: pid.unwrap_or(0), end: end[1] }
    }

    /// A child that has become this user for good.
    pub fn of_user(uid: u32) -> Child {
        Child::new(|| drop_to(uid))
    }

    /// A file of it in procfs.
    pub fn in_procfs(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    /// Lets it end, and tells how it did unless it ended well.
    pub fn end(self) {
        // Other children may have this end of the pipe, too.
        let _ = quiet!(write(self.end, c"x", 1));
        must!(close(self.end));
        tell_end(self.pid);
    }
}
