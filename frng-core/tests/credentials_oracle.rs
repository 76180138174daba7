//! Compares the rules for credentials with the kernel's own: random calls are made for real and in the model, and
//! after each one everything has to be equal. Needs to be root, and says so where it is not.

#![cfg(feature = "std")]

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use frng_core::creds::{Caps, Creds, Ids};
use frng_core::errno::Errno;
use frng_core::policy::capabilities::rules as capability_rules;
use frng_core::policy::exec::file_caps::FileCaps;
use frng_core::policy::exec::rules::{File, exec};
use frng_core::policy::identity::rules as id_rules;

/// Processes that make random calls, each ending in an exec.
const PROCESSES: u64 = 300;
/// Calls each of them makes.
const STEPS: usize = 30;
/// Ids that are used: few, so that they meet again.
const IDS: [u32; 5] = [0, 0, 1, 1000, 54321];
/// How the program of [`report_after_exec`] is told what to find, and the descriptor to tell about it.
const EXPECTED: &str = "FRNG_ORACLE_EXPECTED";
const REPORT_TO: &str = "FRNG_ORACLE_REPORT_TO";

/// A generator of numbers that are the same in each run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn id(&mut self) -> Option<u32> {
        if self.one_in(4) { None } else { Some(self.pick(&IDS)) }
    }
}

/// What the kernel is like.
#[derive(Clone, Copy)]
struct Kernel {
    version: (u32, u32),
    last_cap: u32,
    suid_dumpable: u32,
}

impl Kernel {
    fn new() -> Kernel {
        let read = |path: &str| fs::read_to_string(path).expect(path).trim().to_owned();
        let release = read("/proc/sys/kernel/osrelease");
        let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
        Kernel {
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            last_cap: read("/proc/sys/kernel/cap_last_cap").parse().expect("cap_last_cap"),
            suid_dumpable: read("/proc/sys/fs/suid_dumpable").parse().expect("suid_dumpable"),
        }
    }
}

fn call(number: libc::c_long, args: [u64; 5]) -> Result<u64, Errno> {
    let [a, b, c, d, e] = args;
    // SAFETY: all calls of this file change or tell credentials; pointers among the arguments are to live buffers.
    match unsafe { libc::syscall(number, a, b, c, d, e) } {
        -1 => Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))),
        value => Ok(value as u64),
    }
}

fn prctl(operation: i32, args: [u64; 4]) -> Result<u64, Errno> {
    let [a, b, c, d] = args;
    call(libc::SYS_prctl, [operation as u64, a, b, c, d])
}

/// Credentials and dumpable flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    creds: Creds,
    dumpable: u32,
}

impl State {
    /// What the kernel says.
    fn real(kernel: &Kernel) -> State {
        let ids = |tell: libc::c_long, set_fs: libc::c_long| {
            let mut ids = [0u32; 3];
            let [real, effective, saved] = &mut ids;
            let pointers = [&raw mut *real as u64, &raw mut *effective as u64, &raw mut *saved as u64, 0, 0];
            call(tell, pointers).expect("getresuid");
            let fs = call(set_fs, [u64::MAX, 0, 0, 0, 0]).expect("setfsuid") as u32;
            Ids { real: ids[0], effective: ids[1], saved: ids[2], fs }
        };
        let header = [0x2008_0522u32, 0];
        let mut data = [0u32; 6];
        call(libc::SYS_capget, [header.as_ptr() as u64, data.as_mut_ptr() as u64, 0, 0, 0]).expect("capget");
        let wide = |index: usize| u64::from(data[index]) | u64::from(data[index + 3]) << 32;
        let collect = |has: &dyn Fn(u64) -> Result<u64, Errno>| {
            (0..=u64::from(kernel.last_cap)).map(|cap| has(cap).expect("prctl") << cap).sum()
        };
        let ask = |operation| prctl(operation, [0; 4]).expect("prctl") as u32;
        State {
            creds: Creds {
                uid: ids(libc::SYS_getresuid, libc::SYS_setfsuid),
                gid: ids(libc::SYS_getresgid, libc::SYS_setfsgid),
                caps: Caps {
                    effective: wide(0),
                    permitted: wide(1),
                    inheritable: wide(2),
                    bounding: collect(&|cap| prctl(libc::PR_CAPBSET_READ, [cap, 0, 0, 0])),
                    ambient: collect(&|cap| {
                        prctl(libc::PR_CAP_AMBIENT, [libc::PR_CAP_AMBIENT_IS_SET as u64, cap, 0, 0])
                    }),
                },
                securebits: ask(libc::PR_GET_SECUREBITS),
                no_new_privs: ask(libc::PR_GET_NO_NEW_PRIVS) == 1,
                seccomp: 0,
                seccomp_filters: 0,
            },
            dumpable: ask(libc::PR_GET_DUMPABLE),
        }
    }

    /// The same change in the model.
    fn commit(&mut self, new: Result<Creds, Errno>, kernel: &Kernel) -> Result<u64, Errno> {
        let new = new?;
        if id_rules::makes_undumpable(&self.creds, &new) {
            self.dumpable = kernel.suid_dumpable;
        }
        self.creds = new;
        Ok(0)
    }
}

/// A call.
#[derive(Clone, Copy, Debug)]
enum Step {
    Setuid(Option<u32>),
    Setgid(Option<u32>),
    Setreuid(Option<u32>, Option<u32>),
    Setregid(Option<u32>, Option<u32>),
    Setresuid([Option<u32>; 3]),
    Setresgid([Option<u32>; 3]),
    Setfsuid(Option<u32>),
    Setfsgid(Option<u32>),
    Capset { effective: u64, permitted: u64, inheritable: u64 },
    KeepCaps(u64),
    Securebits(u64),
    DropBounding(u64),
    Ambient([u64; 4]),
    NoNewPrivs,
    Dumpable(u64),
}

impl Step {
    /// A step that has some chance to succeed.
    fn random(random: &mut Random, state: &State, kernel: &Kernel) -> Step {
        let caps = state.creds.caps;
        let cap = random.below(u64::from(kernel.last_cap) + 3);
        match random.below(24) {
            0 => Step::Setuid(random.id()),
            1 => Step::Setgid(random.id()),
            2 | 3 => Step::Setreuid(random.id(), random.id()),
            4 => Step::Setregid(random.id(), random.id()),
            5..=7 => Step::Setresuid([random.id(), random.id(), random.id()]),
            8 => Step::Setresgid([random.id(), random.id(), random.id()]),
            9 | 10 => Step::Setfsuid(random.id()),
            11 => Step::Setfsgid(random.id()),
            12..=15 => {
                // Mostly within what is allowed, and keeping the capabilities that make further steps interesting.
                let kept = 1 << 6 | 1 << 7 | 1 << 8;
                let stray = if random.one_in(4) { 1 << cap } else { 0 };
                let permitted = caps.permitted & (random.next() | kept) | if random.one_in(6) { stray } else { 0 };
                let effective = permitted & (random.next() | kept) | if random.one_in(6) { stray } else { 0 };
                let inheritable = (permitted | caps.inheritable) & random.next() | stray;
                Step::Capset { effective, permitted, inheritable }
            }
            16 => Step::KeepCaps(random.below(3)),
            17 => {
                let bits = if kernel.version >= (6, 14) { 12 } else { 8 };
                let flipped = [1 << random.below(bits), 1 << random.below(bits), 1 << random.below(34), 0];
                let flipped = random.pick(&flipped);
                Step::Securebits(u64::from(state.creds.securebits) ^ flipped)
            }
            18 => Step::DropBounding(cap),
            19..=21 => {
                let held = caps.permitted & caps.inheritable;
                let cap = if held != 0 && !random.one_in(3) { u64::from(held.trailing_zeros()) } else { cap };
                let stray = if random.one_in(9) { 1 } else { 0 };
                let operation = random.pick(&[2, 2, 2, 2, 2, 3, 1, 4, 0]);
                Step::Ambient([operation, if operation == 4 { stray } else { cap }, 0, stray])
            }
            22 if random.one_in(4) => Step::NoNewPrivs,
            _ => Step::Dumpable(random.below(4)),
        }
    }

    fn for_real(self) -> Result<u64, Errno> {
        let word = |id: Option<u32>| u64::from(id.unwrap_or(u32::MAX));
        let set = |number, ids: [Option<u32>; 3]| {
            let [a, b, c] = ids.map(word);
            call(number, [a, b, c, 0, 0])
        };
        match self {
            Step::Setuid(id) => set(libc::SYS_setuid, [id, None, None]),
            Step::Setgid(id) => set(libc::SYS_setgid, [id, None, None]),
            Step::Setreuid(real, effective) => set(libc::SYS_setreuid, [real, effective, None]),
            Step::Setregid(real, effective) => set(libc::SYS_setregid, [real, effective, None]),
            Step::Setresuid(ids) => set(libc::SYS_setresuid, ids),
            Step::Setresgid(ids) => set(libc::SYS_setresgid, ids),
            Step::Setfsuid(id) => set(libc::SYS_setfsuid, [id, None, None]),
            Step::Setfsgid(id) => set(libc::SYS_setfsgid, [id, None, None]),
            Step::Capset { effective, permitted, inheritable } => {
                let header = [0x2008_0522u32, 0];
                let sets = [effective, permitted, inheritable];
                let data = [sets.map(|set| set as u32), sets.map(|set| (set >> 32) as u32)];
                call(libc::SYS_capset, [header.as_ptr() as u64, data.as_ptr() as u64, 0, 0, 0])
            }
            Step::KeepCaps(keep) => prctl(libc::PR_SET_KEEPCAPS, [keep, 0, 0, 0]),
            Step::Securebits(bits) => prctl(libc::PR_SET_SECUREBITS, [bits, 0, 0, 0]),
            Step::DropBounding(cap) => prctl(libc::PR_CAPBSET_DROP, [cap, 0, 0, 0]),
            Step::Ambient(args) => prctl(libc::PR_CAP_AMBIENT, args),
            Step::NoNewPrivs => prctl(libc::PR_SET_NO_NEW_PRIVS, [1, 0, 0, 0]),
            Step::Dumpable(value) => prctl(libc::PR_SET_DUMPABLE, [value, 0, 0, 0]),
        }
    }

    fn in_model(self, state: &mut State, kernel: &Kernel) -> Result<u64, Errno> {
        let old = state.creds;
        let last_cap = kernel.last_cap;
        let new = match self {
            Step::Setuid(id) => id_rules::setuid(&old, id),
            Step::Setgid(id) => id_rules::setgid(&old, id),
            Step::Setreuid(real, effective) => id_rules::setreuid(&old, real, effective),
            Step::Setregid(real, effective) => id_rules::setregid(&old, real, effective),
            Step::Setresuid(ids) => id_rules::setresuid(&old, ids),
            Step::Setresgid(ids) => id_rules::setresgid(&old, ids),
            Step::Setfsuid(id) => {
                state.commit(Ok(id_rules::setfsuid(&old, id)), kernel)?;
                return Ok(old.uid.fs.into());
            }
            Step::Setfsgid(id) => {
                state.commit(Ok(id_rules::setfsgid(&old, id)), kernel)?;
                return Ok(old.gid.fs.into());
            }
            Step::Capset { effective, permitted, inheritable } => {
                let valid = |set: u64| set & frng_core::creds::all_caps(last_cap);
                capability_rules::capset(&old, valid(effective), valid(permitted), valid(inheritable))
            }
            Step::KeepCaps(keep) => capability_rules::set_keep_caps(&old, keep),
            Step::Securebits(bits) => capability_rules::set_securebits(&old, bits),
            Step::DropBounding(cap) => capability_rules::drop_bounding(&old, cap, last_cap),
            Step::Ambient(args) => {
                let (new, value) = capability_rules::ambient(&old, args, last_cap)?;
                state.commit(Ok(new), kernel)?;
                return Ok(value);
            }
            Step::NoNewPrivs => Ok(Creds { no_new_privs: true, ..old }),
            Step::Dumpable(value) => {
                state.dumpable = u32::try_from(value).ok().filter(|value| *value <= 1).ok_or(Errno::EINVAL)?;
                return Ok(0);
            }
        };
        state.commit(new, kernel)
    }
}

/// A program with a random owner, mode and capabilities: a copy of this test, which runs [`report_after_exec`].
struct Program {
    path: PathBuf,
    file: File,
}

impl Program {
    fn change(&mut self, random: &mut Random, kernel: &Kernel) {
        let (uid, gid) = (random.pick(&IDS), random.pick(&IDS));
        let mode = 0o755 | random.pick(&[0, 0, 0o4000, 0o2000, 0o6000]);
        // Set-group-ID without execute permission for the group is something else.
        let mode = if random.one_in(8) { mode & !0o010 } else { mode };
        chown(&self.path, Some(uid), Some(gid)).expect("chown");
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode)).expect("chmod");

        let [permitted, inheritable] = [0; 2].map(|_: i32| random.next() & random.next() & random.next());
        let effective = random.below(2) as u32;
        let mut words = vec![permitted as u32, inheritable as u32];
        let magic = match random.below(9) {
            0 => 0x0100_0000,
            1 | 2 => 0x0200_0000,
            3 | 4 => 0x0300_0000,
            _ => 0,
        };
        if magic > 0x0100_0000 {
            words.extend([(permitted >> 32) as u32, (inheritable >> 32) as u32]);
        }
        if magic == 0x0300_0000 {
            words.push(random.pick(&[0, 0, 1000]));
        }
        words.insert(0, magic | effective);
        let value: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        let path = CString::new(self.path.as_os_str().as_bytes()).expect("path");
        let name = c"security.capability".as_ptr();
        // SAFETY: terminated strings, and a live buffer with its length.
        let set = unsafe {
            if magic == 0 {
                libc::removexattr(path.as_ptr(), name);
                true
            } else {
                libc::setxattr(path.as_ptr(), name, value.as_ptr().cast(), value.len(), 0) == 0
            }
        };
        // Version 1 cannot be written any more; it may be there on an old filesystem.
        let caps = if set && magic != 0 { FileCaps::parse(&value, kernel.last_cap) } else { None };
        if !set {
            // SAFETY: terminated strings.
            unsafe { libc::removexattr(path.as_ptr(), name) };
        }
        self.file = File { uid, gid, mode, caps };
    }
}

fn text(state: &State, secure: bool) -> String {
    let Creds { uid, gid, caps, securebits, no_new_privs, .. } = state.creds;
    format!("{uid:?}\n{gid:?}\n{caps:x?}\n{securebits:x} {no_new_privs} dumpable {} secure {secure}", state.dumpable)
}

/// A process' life: random calls, then an exec. Returns only if something is wrong, or there is nothing to execute.
fn live(random: &mut Random, kernel: &Kernel, program: &Program, report_to: i32) -> Result<(), String> {
    let groups: Vec<u32> = (0..random.below(3)).map(|_| random.pick(&IDS)).collect();
    call(libc::SYS_setgroups, [groups.len() as u64, groups.as_ptr() as u64, 0, 0, 0]).expect("setgroups");
    let mut state = State::real(kernel);
    let mut history = String::new();
    for _ in 0..STEPS {
        let step = Step::random(random, &state, kernel);
        let before = state;
        let real = step.for_real();
        let model = step.in_model(&mut state, kernel);
        let _ = writeln!(history, "{step:x?} -> {real:?}");
        let after = State::real(kernel);
        if real != model || after != state {
            return Err(format!(
                "{history}before {before:x?}\nkernel {real:?} {after:x?}\nmodel  {model:?} {state:x?}"
            ));
        }
    }
    let old = state.creds;
    if kernel.version < (6, 16) && (old.uid.real != old.uid.effective || old.gid.real != old.gid.effective) {
        return Ok(());
    }
    let file = &program.file;
    let change = exec(&old, file, &|gid| gid == old.gid.fs || groups.contains(&gid));
    let dumpable = if change.undumpable { kernel.suid_dumpable } else { 1 };
    let expected = text(&State { creds: change.creds, dumpable }, change.secure);
    let error = execute(&program.path, &expected, report_to);
    let refused = file.caps.is_some_and(|caps| {
        let given = (old.caps.bounding & caps.permitted) | (old.caps.inheritable & caps.inheritable);
        caps.effective && caps.permitted & !given != 0
    });
    match error {
        Errno::EPERM if refused => Ok(()),
        // Without execute permission for the group.
        Errno::EACCES if file.mode & 0o010 == 0 => Ok(()),
        error => Err(format!("{history}{old:x?}\nexec of {file:x?}: {error}")),
    }
}

fn execute(path: &Path, expected: &str, report_to: i32) -> Errno {
    let path = CString::new(path.as_os_str().as_bytes()).expect("path");
    let arguments = [c"oracle", c"--exact", c"report_after_exec", c"--ignored", c"--test-threads=1"];
    let variables = [format!("{EXPECTED}={expected}"), format!("{REPORT_TO}={report_to}")];
    let variables = variables.map(|variable| CString::new(variable).expect("no null byte"));
    let mut argv: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    argv.push(std::ptr::null());
    let mut envp: Vec<_> = variables.iter().map(|variable| variable.as_ptr()).collect();
    envp.push(std::ptr::null());
    // SAFETY: terminated strings in arrays that end with a null pointer; descriptor 1 is this process' own.
    unsafe {
        let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        libc::dup2(nowhere, 1);
        libc::dup2(nowhere, 2);
        libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr());
    }
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn write_all(fd: i32, text: &str) {
    // SAFETY: a live buffer with its length.
    unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
}

#[test]
#[ignore = "not a test: the program that the oracle executes"]
fn report_after_exec() {
    let (Ok(expected), Ok(report_to)) = (std::env::var(EXPECTED), std::env::var(REPORT_TO)) else { return };
    let report_to = report_to.parse().expect("a descriptor");
    let kernel = Kernel::new();
    let state = State::real(&kernel);
    // SAFETY: reads this process' own auxv.
    let auxv = |kind| unsafe { libc::getauxval(kind) };
    let found = text(&state, auxv(libc::AT_SECURE) != 0);
    let Ids { real, effective, .. } = state.creds.uid;
    if found != expected {
        write_all(report_to, &format!("after exec, kernel\n{found}\nmodel\n{expected}\n"));
    } else if [auxv(libc::AT_UID), auxv(libc::AT_EUID)] != [real, effective].map(u64::from) {
        write_all(report_to, "the auxv tells other ids");
    } else {
        write_all(report_to, "executed");
    }
}

/// Whether set-user-ID programs can be executed here.
fn takes_set_user_id(directory: &Path) -> bool {
    let path = CString::new(directory.as_os_str().as_bytes()).expect("path");
    // SAFETY: a terminated string, and a buffer of which all bytes 0 are a valid value.
    let mut about: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let told = unsafe { libc::statvfs(path.as_ptr(), &mut about) };
    told == 0 && about.f_flag & (libc::ST_NOSUID | libc::ST_NOEXEC) == 0
}

#[test]
fn random_calls_do_the_same_as_in_the_kernel() {
    // SAFETY: tells an id.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: needs root as its oracle");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    if !takes_set_user_id(directory.path()) {
        println!("skipped: {} is mounted nosuid or noexec", directory.path().display());
        return;
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let path = directory.path().join("program");
    fs::copy(std::env::current_exe().expect("this program"), &path).expect("copy");
    let mut program = Program { path, file: File { uid: 0, gid: 0, mode: 0o755, caps: None } };
    let kernel = Kernel::new();
    let mut random = Random(0x005e_ed0f_f4a6);
    let mut executed = 0;
    for number in 0..PROCESSES {
        program.change(&mut random, &kernel);
        let report = in_child(|report_to| {
            if let Err(report) = live(&mut random, &kernel, &program, report_to) {
                write_all(report_to, &report);
            }
        });
        // The child's numbers are its own.
        random.next();
        if report == "executed" {
            executed += 1;
        } else {
            assert!(report.is_empty(), "process {number}, file {:x?}:\n{report}", program.file);
        }
    }
    println!("{PROCESSES} processes, {STEPS} calls each, {executed} of them executed a program");
    assert!(executed > PROCESSES / 2, "only {executed} programs were executed");
}

/// Runs this in a process of its own and returns what it has written.
fn in_child(live: impl FnOnce(i32)) -> String {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both are new and nobody else's.
    let [from, to] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    // SAFETY: the child allocates, which glibc and musl allow after fork; it ends without running anything of the
    // test harness.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(to.as_raw_fd())));
            if result.is_err() {
                write_all(to.as_raw_fd(), "panicked");
            }
            // SAFETY: ends this process.
            unsafe { libc::_exit(0) }
        }
        child => {
            drop(to);
            let mut report = String::new();
            // SAFETY: a descriptor that is given up here.
            let mut from = unsafe { fs::File::from_raw_fd(from.into_raw_fd()) };
            from.read_to_string(&mut report).expect("a report");
            // SAFETY: our own child.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            report
        }
    }
}
