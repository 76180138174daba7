//! proc_pid_status(5) with what is faked: `fs/proc/array.c: proc_pid_status`.

use core::fmt::{self, Write};

use crate::creds::Creds;

/// What is faked of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// Its credentials.
    pub creds: &'a Creds,
    /// Its supplementary groups.
    pub groups: &'a [u32],
    /// umask(2).
    pub umask: u32,
    /// Who traces it, as far as it may know; 0: nobody.
    pub tracer: i32,
    /// It is stopped for that tracer.
    pub is_trapped: bool,
    /// The signals that its program blocks, if the kernel's mask is another one just now.
    pub blocked: Option<u64>,
    /// It is stopped by a signal, whatever else stops it.
    pub is_stopped: bool,
}

/// Writes the kernel's `text` to `to`, each line as the thread shall see it.
///
/// # Errors
/// Those of `to`.
pub fn rewrite(text: &str, story: &Story, to: &mut impl Write) -> fmt::Result {
    for line in text.lines() {
        match line.split_once(':') {
            Some((name, value)) if !story.line(name, value.trim(), to)? => writeln!(to, "{line}")?,
            Some(_) => {}
            None => writeln!(to, "{line}")?,
        }
    }
    Ok(())
}

impl Story<'_> {
    /// Writes a line; whether it is one that is told otherwise than the kernel does.
    fn line(&self, name: &str, value: &str, to: &mut impl Write) -> Result<bool, fmt::Error> {
        let Story { creds, .. } = self;
        match name {
            // A stop of ours, at the call that has asked or at another.
            "State" if value.starts_with('t') && !self.is_trapped => {
                writeln!(to, "State:\t{}", if self.is_stopped { "T (stopped)" } else { "R (running)" })?;
            }
            "Umask" => writeln!(to, "Umask:\t{:04o}", self.umask)?,
            "TracerPid" => writeln!(to, "TracerPid:\t{}", self.tracer)?,
            "Uid" | "Gid" => {
                let ids = if name == "Uid" { creds.uid } else { creds.gid };
                writeln!(to, "{name}:\t{}\t{}\t{}\t{}", ids.real, ids.effective, ids.saved, ids.fs)?;
            }
            "Groups" => {
                write!(to, "Groups:\t")?;
                for (index, group) in self.groups.iter().enumerate() {
                    write!(to, "{}{group}", if index == 0 { "" } else { " " })?;
                }
                writeln!(to, " ")?;
            }
            "SigBlk" => match self.blocked {
                Some(blocked) => writeln!(to, "SigBlk:\t{blocked:016x}")?,
                None => return Ok(false),
            },
            "CapInh" => writeln!(to, "{name}:\t{:016x}", creds.caps.inheritable)?,
            "CapPrm" => writeln!(to, "{name}:\t{:016x}", creds.caps.permitted)?,
            "CapEff" => writeln!(to, "{name}:\t{:016x}", creds.caps.effective)?,
            "CapBnd" => writeln!(to, "{name}:\t{:016x}", creds.caps.bounding)?,
            "CapAmb" => writeln!(to, "{name}:\t{:016x}", creds.caps.ambient)?,
            "NoNewPrivs" => writeln!(to, "{name}:\t{}", u32::from(creds.no_new_privs))?,
            "Seccomp" => writeln!(to, "{name}:\t{}", creds.seccomp)?,
            "Seccomp_filters" => writeln!(to, "{name}:\t{}", creds.seccomp_filters)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::creds::Ids;

    #[test]
    fn lines_that_tell_of_ids_are_told_and_the_others_stay() {
        let mut creds = Creds::root(40);
        creds.gid = Ids { real: 1, effective: 2, saved: 3, fs: 4 };
        let story = Story {
            creds: &creds,
            groups: &[0, 7],
            umask: 0o22,
            tracer: 0,
            is_trapped: false,
            blocked: None,
            is_stopped: false,
        };
        let text = "Name:\tuid: 5\nUmask:\t0000\nState:\tt (tracing stop)\nTracerPid:\t77\nUid:\t5\t5\t5\t5\n\
                    Gid:\t5\t5\t5\t5\nGroups:\t \nSigBlk:\t00ff\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
                    Seccomp_filters:\t1\n";
        let mut told = String::new();
        rewrite(text, &story, &mut told).unwrap();
        let expected = "Name:\tuid: 5\nUmask:\t0022\nState:\tR (running)\nTracerPid:\t0\nUid:\t0\t0\t0\t0\n\
                        Gid:\t1\t2\t3\t4\nGroups:\t0 7 \nSigBlk:\t00ff\nCapEff:\t000001ffffffffff\nNoNewPrivs:\t0\n\
                        Seccomp:\t0\nSeccomp_filters:\t0\n";
        assert_eq!(told, expected);
    }
}
