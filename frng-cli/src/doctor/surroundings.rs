//! What the kernel, its settings and whoever has started this process allow.

use std::fs;
use std::path::Path;

use frng_core::filter;
use nix::errno::Errno;

use super::Finding;
use super::probe::{self, Answer};
use crate::fakeroot::nested::{self, Outer};

/// Runs of container programs that forbid ptrace can be told to allow it.
const LET_TRACE: &str = "a sandbox or container forbids it: start that with ptrace allowed (docker and podman: --cap-add SYS_PTRACE, \
                         or --security-opt seccomp=unconfined)";

/// Who traces this process.
pub fn tracer() -> Finding {
    match nested::outer() {
        None => Finding::good("traced", "by nobody"),
        Some(Outer::Frng(pid)) => Finding::bad(
            "traced",
            format!("by process {pid}, a frng"),
            "the command is in a fake root already: it needs no other one",
        ),
        Some(Outer::Other(pid)) => {
            Finding::bad("traced", format!("by process {pid}"), "run it without the debugger, or debug inside of frng")
        }
    }
}

/// Whether ptrace(2) is let through.
pub fn ptrace() -> Finding {
    // No process has this id; so it is ESRCH where the kernel gets to look for it.
    let pid = libc::pid_t::MAX;
    // SAFETY: takes no memory.
    let answer = probe::ask(|| of_errno(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) } == 0));
    refused(answer, &[Errno::ESRCH]).map_or_else(
        || Finding::good("ptrace", "is allowed"),
        |why| Finding::bad("ptrace", format!("is refused: {why}"), LET_TRACE),
    )
}

/// Whether the calls that copy memory of a tracee are let through.
pub fn memory_of_others() -> Finding {
    let subject = "their memory";
    for (name, number) in
        [("process_vm_readv", libc::SYS_process_vm_readv), ("process_vm_writev", libc::SYS_process_vm_writev)]
    {
        // As wide as the kernel takes them: what an int leaves open would be part of them.
        let (pid, none) = (libc::c_long::from(libc::pid_t::MAX), 0 as libc::c_long);
        // SAFETY: no memory is given.
        let answer = probe::ask(|| of_errno(unsafe { libc::syscall(number, pid, none, none, none, none, none) } == 0));
        // Without anything to copy some kernels do not look for the process.
        if let Some(why) = refused(answer, &[Errno::ESRCH, Errno::UnknownErrno]) {
            return Finding::bad(subject, format!("{name} is refused: {why}"), LET_TRACE);
        }
    }
    Finding::good(subject, "may be read and written (process_vm_readv, process_vm_writev)")
}

/// How a call has failed, as an answer; 0 if it has not.
fn of_errno(is_good: bool) -> u8 {
    if is_good { 0 } else { u8::try_from(Errno::last_raw()).unwrap_or(u8::MAX) }
}

/// Why a call did not reach the kernel's own code, whose answers are `expected`.
fn refused(answer: Answer, expected: &[Errno]) -> Option<String> {
    match answer {
        Answer::Told(errno) => {
            let errno = Errno::from_raw(errno.into());
            (!expected.contains(&errno)).then(|| errno.desc().to_owned())
        }
        Answer::Killed(signal) => Some(format!("who calls it is killed by {}", probe::named(signal))),
        Answer::None => Some("no process can be made to ask".to_owned()),
    }
}

const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Yama's restriction of ptrace.
pub fn yama() -> Finding {
    of_scope(fs::read_to_string(PTRACE_SCOPE).unwrap_or_default().trim())
}

/// What a `ptrace_scope` means (Documentation/admin-guide/LSM/Yama.rst); it is empty where Yama is not.
fn of_scope(scope: &str) -> Finding {
    match scope {
        "" => Finding::good("Yama", "is not there: a process may trace others of the same user"),
        "0" => Finding::good("Yama", "ptrace_scope 0: does not restrict"),
        "1" => Finding::good("Yama", "ptrace_scope 1: each command lets frng trace it, which is enough"),
        "2" => Finding::bad(
            "Yama",
            "ptrace_scope 2: only who has CAP_SYS_PTRACE may trace",
            format!("have root write 1 to {PTRACE_SCOPE}"),
        ),
        other => Finding::bad(
            "Yama",
            format!("ptrace_scope {other}: nobody may trace"),
            "it cannot be changed before the next boot: set kernel.yama.ptrace_scope=1 in /etc/sysctl.d",
        ),
    }
}

/// Whether filters can be installed.
pub fn seccomp() -> Finding {
    let told = match probe::ask(|| u8::from(filter::available())) {
        Answer::Told(1) => return Finding::good("seccomp", "filters are allowed"),
        Answer::Killed(signal) => {
            return Finding::bad(
                "seccomp",
                format!("who calls it is killed by {}", probe::named(signal)),
                "have the sandbox allow seccomp(2), or refuse it with an error",
            );
        }
        _ => "filters are refused",
    };
    Finding::bad(
        "seccomp",
        told,
        "frng takes the engine ptrace, which is slower; the kernel needs CONFIG_SECCOMP_FILTER, a sandbox must allow seccomp(2)",
    )
}

/// The memory shared with the command.
pub fn memory() -> Finding {
    if let Answer::Killed(signal) = probe::ask(|| u8::from(crate::memory().and_then(|place| place.find()).is_ok())) {
        let why = format!("who makes it is killed by {}", probe::named(signal));
        return Finding::bad("shared memory", why, "have the sandbox allow memfd_create(2)");
    }
    match crate::memory().and_then(|place| place.find()) {
        Ok(where_it_is) => Finding::good("shared memory", where_it_is),
        Err(why) => match why.rsplit_once("; ") {
            Some((why, mend)) => Finding::bad("shared memory", why, mend),
            None => Finding::good("shared memory", why),
        },
    }
}

/// In which container this is, as far as can be told.
pub fn container() -> Option<Finding> {
    let named = std::env::var("container").ok().filter(|name| !name.is_empty());
    let name = if Path::new("/.dockerenv").exists() {
        "docker".to_owned()
    } else if Path::new("/run/.containerenv").exists() {
        "podman".to_owned()
    } else if Path::new("/var/run/secrets/kubernetes.io").exists() {
        "kubernetes".to_owned()
    } else {
        named?
    };
    Some(Finding::good("container", format!("this seems to be one of {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_yama_that_hinder_have_a_mend() {
        for (scope, hinders) in [("", false), ("0", false), ("1", false), ("2", true), ("3", true)] {
            let finding = of_scope(scope);
            assert_eq!(finding.mend.is_some(), hinders, "{scope}");
            assert!(finding.told.contains(scope));
        }
    }
}
