//! `frng`, also installed as `fakeroot-ng`: runs a command that believes it is root.
//!
//! In order: parse the options, find or start the daemon, become its tracee, install the filter, exec. All that the
//! command inherits (signals, umask, directory, environment, limits, descriptors) is left as the caller has set it.
//! That is why the program has a `main` of C's: Rust's would ignore SIGPIPE and open descriptors that were closed.

pub mod abis;
mod command;
mod doctor;
mod fakeroot;
mod kernel;
mod leave;
mod messages;
mod off;
mod options;
mod root;

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::panic;
use std::path::{Path, PathBuf};

use frng_core::arch::{DONE_NUMBER, HOW_DEEP, IS_LET_GO, WHO_FOOLS};
use frng_core::daemon;
use frng_core::filter;
use frng_core::memory::Place;
use frng_core::proc_text;
use frng_core::tracer::Engine;

use options::{Action, EngineChoice, Run};

/// What messages begin with.
const NAME: &str = "frng";

/// Exit status when frng itself fails.
const FAILED: c_int = 125;

/// The program, given its command line. Returns the exit status if nothing was executed.
///
/// # Safety
/// `argv` must have `argc` strings, as `main` of C gets them.
pub unsafe fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let words = (1..count).map(|index| {
        // SAFETY: as promised by the caller.
        let word = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(word.to_bytes()).to_os_string()
    });
    let words: Vec<OsString> = words.collect();
    // SAFETY: as promised by the caller.
    let name = if argc > 0 { unsafe { CStr::from_ptr(*argv) }.to_bytes() } else { b"" };
    let stage = match name {
        root::STAGE => enter_root,
        _ if fakeroot::is_called(name) => start_as_fakeroot,
        _ => start,
    };
    // A panic has told why; it must not get out into C.
    panic::catch_unwind(|| stage(words)).unwrap_or(FAILED)
}

fn start_as_fakeroot(words: Vec<OsString>) -> c_int {
    let result = fill_descriptors().and_then(|()| fakeroot::start(words.clone())).and_then(|next| match next {
        fakeroot::Next::Run(run) => execute(*run, &words),
        fakeroot::Next::Done(status) => Ok(status),
    });
    result.unwrap_or_else(|why| {
        complain(fakeroot::NAME, &why);
        fakeroot::FAILED
    })
}

fn start(words: Vec<OsString>) -> c_int {
    let result = fill_descriptors().and_then(|()| options::parse(words.clone())).and_then(|action| match action {
        Action::ShortHelp => print(messages::SHORT_HELP),
        Action::LongHelp => print(&messages::long_help()),
        Action::Version => print(messages::VERSION),
        Action::Doctor => {
            let (report, status) = doctor::examine();
            print(&report).map(|_| status)
        }
        Action::Run(run) if run.off => off::execute(run.command),
        Action::Run(run) => execute(*run, &words),
    });
    match result {
        Ok(status) => status,
        Err(why) => {
            complain(NAME, &why);
            FAILED
        }
    }
}

fn fill_descriptors() -> Result<(), String> {
    daemon::fill_standard_descriptors().map_err(|error| format!("cannot open /dev/null: {error}"))
}

/// The second stage of `--root`.
fn enter_root(words: Vec<OsString>) -> c_int {
    let run = options::parse(words).map(|action| match action {
        Action::Run(run) => *run,
        _ => Run::default(),
    });
    let entered = run.and_then(|run| match run {
        Run { root: Some(root), binds, command, .. } => root::enter(&root, &binds, Path::new("/"), command),
        Run { accounts: Some(tree), command, .. } => root::enter_with_accounts(&tree, command),
        _ => Err("called by a name that it gives itself only with --root and --accounts".to_owned()),
    });
    match entered {
        Ok((status, why)) => {
            complain(NAME, &why);
            status
        }
        Err(why) => {
            complain(NAME, &why);
            FAILED
        }
    }
}

/// One line for the user. If nobody can read it the exit status has to do.
fn complain(name: &str, line: &str) {
    let _ = writeln!(io::stderr(), "{name}: {line}");
}

fn print(text: &str) -> Result<c_int, String> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    Ok(0)
}

/// Becomes the command. Returns the exit status if it cannot be executed.
fn execute(run: Run, words: &[OsString]) -> Result<c_int, String> {
    kernel::check()?;
    let left = leave::wanted(&run.leave)?;
    let engine = match run.engine {
        EngineChoice::Ptrace => Engine::Ptrace,
        EngineChoice::Seccomp if !filter::available() => {
            return Err("cannot use the engine seccomp: this kernel refuses its filters; use --engine ptrace".into());
        }
        EngineChoice::Inline if !filter::available() => {
            return Err("cannot use the engine inline: this kernel refuses its filters; use --engine ptrace".into());
        }
        EngineChoice::Inline if abis::AGENT.is_none() => {
            return Err("cannot use the engine inline: there is no agent for this CPU; use --engine seccomp".into());
        }
        EngineChoice::Inline => Engine::Inline,
        EngineChoice::Auto if !filter::available() => Engine::Ptrace,
        // The agent cannot write the log, nor find out where a file is.
        EngineChoice::Auto if abis::AGENT.is_some() && run.log.is_none() && left.is_empty() => Engine::Inline,
        EngineChoice::Seccomp | EngineChoice::Auto => Engine::Seccomp,
    };
    let outer = Outer::ask();
    if let Some(tracer) = traced_by().filter(|_| outer.is_none()) {
        return Err(is_traced(tracer));
    }
    if let Some(tree) = &run.accounts {
        // Told before anything is begun.
        root::Bind::of_accounts(tree)?;
    }
    let command = match (&run.root, &run.accounts) {
        (None, None) => command::Command::new(run.command),
        _ => root::second_stage(words),
    };
    if run.no_sync && !filter::available() {
        return Err("cannot leave out syncing: this kernel refuses seccomp filters; leave --no-sync away".into());
    }
    let reserved = daemon::reserve(&daemon::Options {
        abis: abis::ABIS,
        agent: abis::AGENT,
        state: run.state,
        exchange: run.fakeroot.as_deref().map(fakeroot::exchange).unwrap_or_default(),
        log: run.log,
        flush: run.flush,
        stats: run.stats,
        emulator: run.emulator.as_deref().map(emulator).transpose()?,
        stay: run.stay,
        memory: memory()?,
        depth: outer.as_ref().map_or(0, |outer| outer.depth),
    })?;
    if let Some(line) = reserved.told() {
        complain(if run.fakeroot.is_some() { fakeroot::NAME } else { NAME }, line);
    }
    let daemon = reserved.daemon();
    let joins = outer.as_ref().is_some_and(|outer| outer.daemon == daemon);
    let is_off = outer.as_ref().is_some_and(|outer| outer.is_off);
    let engine = match run.engine {
        // Its tracees have the filter and the agent of the outer one.
        _ if joins => engine,
        _ if outer.is_none() => engine,
        _ if is_off => return Err(off::is_outside(outer.map_or(0, |outer| outer.daemon))),
        EngineChoice::Auto | EngineChoice::Ptrace => Engine::Ptrace,
        EngineChoice::Seccomp | EngineChoice::Inline => {
            return Err("cannot use this engine: another frng fools this process already; use --engine ptrace".into());
        }
    };
    allow_tracing_by(daemon);
    if let Some(fakeroot) = &run.fakeroot {
        fakeroot::export(daemon as u32, fakeroot);
    }
    let attached = reserved.attach(engine, run.unknown)?;
    if engine.filters() && !joins {
        install_filter(attached.stop_at_every_open)
            .map_err(|error| format!("cannot install the seccomp filter: {error}; use --engine ptrace"))?;
    }
    if run.no_sync {
        allow_no_new_privileges()
            .and_then(|()| filter::install(&filter::pretend_synced(abis::ABIS)))
            .map_err(|error| format!("cannot install the filter for --no-sync: {error}; leave it away"))?;
    }
    left.iter().try_for_each(leave::alone)?;
    let (status, why) = command.exec();
    complain(if run.fakeroot.is_some() { fakeroot::NAME } else { NAME }, &why);
    Ok(status)
}

/// The emulator of `--qemu`, by its whole name: a name without a slash is looked for in PATH.
fn emulator(name: &Path) -> Result<PathBuf, String> {
    let failed = |why: String| {
        format!("cannot use the emulator {}: {why}; give the name of a static user-mode emulator", name.display())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = if name.as_os_str().as_bytes().contains(&b'/') {
        vec![std::path::absolute(name).map_err(|error| failed(error.to_string()))?]
    } else {
        std::env::split_paths(&path).map(|directory| directory.join(name)).collect()
    };
    let found = candidates.iter().find(|candidate| candidate.exists()).or(candidates.first());
    let found = found.ok_or_else(|| failed("it is not in PATH".to_owned()))?;
    daemon::check_emulator(found).map_err(failed)?;
    Ok(found.clone())
}

/// Where the memory shared with the command is made.
fn memory() -> Result<Place, String> {
    let value = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |directory: PathBuf| {
        std::path::absolute(&directory)
            .map_err(|error| format!("cannot find out what {} means: {error}", directory.display()))
    };
    match value("FAKEROOT_TMPDIR") {
        Some(chosen) => absolute(chosen).map(Place::chosen),
        None => absolute(value("TMPDIR").unwrap_or_else(|| "/tmp".into())).map(Place::memory_or),
    }
}

/// Lets a process that is no ancestor trace this one, where Yama restricts that (ptrace_scope 1).
fn allow_tracing_by(daemon: i32) {
    // SAFETY: takes no memory. Without Yama it is EINVAL, and not needed.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, daemon as libc::c_ulong, 0, 0, 0) };
}

fn is_traced(tracer: u32) -> String {
    format!("cannot be traced: process {tracer} does so already (a debugger, or another frng)")
}

/// Another frng that fools this process.
struct Outer {
    daemon: i32,
    /// How many there are, one within the other.
    depth: u32,
    /// It does not fool this process any more: `--off`.
    is_off: bool,
}

impl Outer {
    /// Asks by a call that only a daemon answers.
    fn ask() -> Option<Outer> {
        let daemon = i32::try_from(ask_daemon(WHO_FOOLS)?).ok()?;
        let depth = u32::try_from(ask_daemon(HOW_DEEP)?).ok()?;
        Some(Outer { daemon, depth, is_off: ask_daemon(IS_LET_GO) == Some(1) })
    }
}

/// A call that only a daemon answers; `None` if there is none, or one that does not know this question.
fn ask_daemon(question: u64) -> Option<libc::c_long> {
    // SAFETY: takes no memory; no kernel has this call.
    let answer = unsafe { libc::syscall(DONE_NUMBER as libc::c_long, question as libc::c_long) };
    (answer > 0).then_some(answer)
}

/// The process that traces this one.
fn traced_by() -> Option<u32> {
    let status = proc_text::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    line.trim().parse().ok().filter(|tracer| *tracer != 0)
}

fn install_filter(stop_at_every_open: bool) -> io::Result<()> {
    let program = filter::build(abis::ABIS, stop_at_every_open);
    allow_no_new_privileges()?;
    filter::install(&program)
}

/// Whoever has no privilege may install filters only if nothing that is executed gets any.
fn allow_no_new_privileges() -> io::Result<()> {
    // SAFETY: takes no memory.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
