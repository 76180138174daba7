//! What must be left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::attributes::Attributes;
use super::journal::{Deed, Journal, Line, read};

/// What may be lost.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Nothing: the daemon was killed.
    Nothing,
    /// What was done after this time, which says how the machine lost its power.
    After(u64),
}

/// All that is known of one name.
#[derive(Default)]
struct History {
    /// What was shown, and from when on.
    shown: Vec<(u64, Option<Attributes>)>,
    /// Announced, and not known to have returned.
    pending: Option<(u64, Deed)>,
}

/// Compares what is shown in the current directory with the journals there. Returns how many names were compared and how many of them
/// had a call under way.
///
/// # Errors
/// One line for each name that is shown otherwise than it may be.
pub fn check(loss: Loss) -> Result<(usize, usize), String> {
    let failed = |error: io::Error| error.to_string();
    let (mut compared, mut pending, mut wrong) = (0, 0, Vec::new());
    for entry in fs::read_dir(".").map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal.")) {
            continue;
        }
        let lines = read(&path).map_err(failed)?;
        let owners = owners(&lines);
        let mut unsettled = Vec::new();
        for (name, history) in histories(&lines) {
            compared += 1;
            if history.pending.is_some() {
                pending += 1;
                unsettled.push(name.clone());
            }
            let shown = Attributes::of(Path::new(&name));
            if !history.allows(shown.as_ref(), loss, &owners) {
                let text = |shown: Option<&Attributes>| shown.map_or("nothing".into(), Attributes::to_string);
                let last = history.shown.last().and_then(|(_, shown)| shown.as_ref());
                wrong.push(format!(
                    "{name}: told {}, now {}; under way {:?}",
                    text(last),
                    text(shown.as_ref()),
                    history.pending
                ));
            }
        }
        // From now on it counts what has become of them.
        let names: Vec<&str> = unsettled.iter().map(String::as_str).collect();
        Journal::append(&path).and_then(|mut journal| journal.done(&names)).map_err(failed)?;
    }
    if wrong.is_empty() { Ok((compared, pending)) } else { Err(wrong.join("\n")) }
}

fn histories(lines: &[Line]) -> BTreeMap<String, History> {
    let mut all: BTreeMap<String, History> = BTreeMap::new();
    for line in lines {
        match line {
            Line::Intent { time, name, deed } => {
                all.entry(name.clone()).or_default().pending = Some((*time, *deed));
            }
            Line::Done { time, name, shown } => {
                let history = all.entry(name.clone()).or_default();
                history.pending = None;
                history.shown.push((*time, shown.clone()));
            }
        }
    }
    all
}

/// The owners that were told of each inode number, and when, under whatever name.
type Owners = BTreeMap<u64, Vec<(u64, (u32, u32))>>;

fn owners(lines: &[Line]) -> Owners {
    let mut owners = Owners::new();
    for line in lines {
        if let Line::Done { time, shown: Some(shown), .. } = line {
            owners.entry(shown.ino).or_default().push((*time, (shown.uid, shown.gid)));
        }
    }
    owners
}

impl History {
    fn last(&self) -> Option<&Attributes> {
        self.shown.last().and_then(|(_, shown)| shown.as_ref())
    }

    fn allows(&self, now: Option<&Attributes>, loss: Loss, owners: &Owners) -> bool {
        let in_flight = self.pending.is_some_and(|(_, deed)| is_outcome(deed, self.last(), now));
        if now == self.last() || in_flight {
            return true;
        }
        match loss {
            Loss::Nothing => false,
            Loss::After(time) => self.is_stale(now, time, owners),
        }
    }

    /// Whether this may be shown of a file that something was done to after a time. The file system has lost nothing and the modes there are
    /// its own; so what can be said is: no owner is told that the inode has not had since then, or at the time, unless it is root, as
    /// for all files that nothing is known of.
    fn is_stale(&self, now: Option<&Attributes>, time: u64, owners: &Owners) -> bool {
        let pending = self.pending.filter(|(at, _)| *at >= time);
        if pending.is_none() && self.shown.iter().all(|(at, _)| *at < time) {
            return false;
        }
        let Some(now) = now else {
            return pending.is_some_and(|(_, deed)| matches!(deed, Deed::Make | Deed::Remove | Deed::Move));
        };
        let told = owners.get(&now.ino).map_or(&[][..], Vec::as_slice);
        let before = told.iter().rev().find(|(at, _)| *at < time);
        let since = told.iter().filter(|(at, _)| *at >= time);
        let intended =
            pending.and_then(|(_, deed)| if let Deed::Own(uid, gid) = deed { Some((uid, gid)) } else { None });
        let mut allowed = since.chain(before).map(|(_, owner)| *owner).chain(intended).chain([(0, 0)]);
        allowed.any(|owner| owner == (now.uid, now.gid))
    }
}

/// Whether a call that was killed may have left this. It may have been made or not, and nothing else.
fn is_outcome(deed: Deed, before: Option<&Attributes>, now: Option<&Attributes>) -> bool {
    match (deed, before, now) {
        // The kernel may have made it, and the lie is not there yet: nobody was told of it.
        (Deed::Make, None, _) | (Deed::Remove, Some(_), None) | (Deed::Move, ..) => true,
        (Deed::Own(uid, gid), Some(before), Some(now)) => {
            // chown(2) takes set-ID bits of files that are executable.
            [before.mode, before.mode & !0o6000, before.mode & !0o4000].into_iter().any(|mode| {
                *now == Attributes { uid, gid, mode, ..before.clone() } || *now == Attributes { mode, ..before.clone() }
            })
        }
        (Deed::Mode(mode), Some(before), Some(now)) => {
            *now == Attributes { mode: before.mode & libc::S_IFMT | mode, ..before.clone() }
        }
        (Deed::Mark, Some(before), Some(now)) => *now == Attributes { mark: now.mark.clone(), ..before.clone() },
        _ => false,
    }
}
