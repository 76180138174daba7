//! What procfs tells a process of what is mounted: proc_pid_mountinfo(5), proc_pid_mounts(5) and proc_pid_mountstats(5), as
//! `fs/proc_namespace.c` writes them. They name what is mounted below the root of the process, as it is seen from there,
//! and what only seems to be mounted.

use super::mounts::{Mount, Origin, Shown, joined};
use super::open;
use super::show::inside;
use crate::policy::Tracee;
use crate::policy::mounts::{NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, RDONLY, RELATIME};
use crate::proc_text;
use crate::stat::Statx;
use crate::tracer::remote::unescape;
use crate::tracer::thread::Thread;

/// A mount as a line of mountinfo tells it. Paths are not escaped here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    id: u64,
    parent: u64,
    /// `major:minor`
    device: Vec<u8>,
    /// Which part of the filesystem.
    root: Vec<u8>,
    point: Vec<u8>,
    /// Of the mount, as text.
    options: Vec<u8>,
    /// The optional fields, each with a space before it.
    fields: Vec<u8>,
    kind: Vec<u8>,
    source: Vec<u8>,
    /// Of the filesystem, as text.
    super_options: Vec<u8>,
}

impl Line {
    fn parse(line: &[u8]) -> Option<Line> {
        let mut words = line.split(|byte| *byte == b' ');
        let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse().ok();
        let (id, parent) = (number(words.next()?)?, number(words.next()?)?);
        let device = words.next()?.to_vec();
        let (root, point) = (unescape(words.next()?), unescape(words.next()?));
        let options = words.next()?.to_vec();
        let mut fields = Vec::new();
        loop {
            match words.next()? {
                b"-" => break,
                field => fields.extend([b" ", field].concat()),
            }
        }
        let (kind, source) = (words.next()?.to_vec(), unescape(words.next()?));
        let super_options = words.next()?.to_vec();
        Some(Line { id, parent, device, root, point, options, fields, kind, source, super_options })
    }

    fn mountinfo(&self) -> Vec<u8> {
        let (root, point, source) = (escaped(&self.root), escaped(&self.point), escaped_source(&self.source));
        let ids = format!("{} {}", self.id, self.parent).into_bytes();
        let words = [&ids[..], &self.device, &root, &point, &self.options].join(&b' ');
        let rest = [&b"-"[..], &self.kind, &source, &self.super_options].join(&b' ');
        [&words, &self.fields, &b" "[..], &rest, b"\n"].concat()
    }

    fn mounts(&self) -> Vec<u8> {
        let (point, source) = (escaped(&self.point), escaped_source(&self.source));
        [&source[..], &point, &self.kind, &self.all_options(), b"0", b"0\n"].join(&b' ')
    }

    fn mountstats(&self) -> Vec<u8> {
        let (point, source) = (escaped(&self.point), escaped_source(&self.source));
        let device = if source.is_empty() { b"no device".to_vec() } else { [&b"device "[..], &source].concat() };
        [&device, &b" mounted on "[..], &point, b" with fstype ", &self.kind, b"\n"].concat()
    }

    /// Those of the mount between those of all filesystems and those of its own (`show_vfsmnt`).
    fn all_options(&self) -> Vec<u8> {
        const OF_ALL: [&[u8]; 4] = [b"sync", b"dirsync", b"mand", b"lazytime"];
        let mut own = self.options.split(|byte| *byte == b',');
        let mut of_filesystem = self.super_options.split(|byte| *byte == b',');
        let is_read_only = [own.next(), of_filesystem.next()].contains(&Some(b"ro"));
        let (of_all, rest): (Vec<_>, Vec<_>) = of_filesystem.partition(|option| OF_ALL.contains(option));
        let first: &[u8] = if is_read_only { b"ro" } else { b"rw" };
        std::iter::once(first).chain(of_all).chain(own).chain(rest).collect::<Vec<_>>().join(&b',')
    }
}

/// `fs/seq_file.c: seq_path`.
fn escaped(text: &[u8]) -> Vec<u8> {
    escaped_if(text, |byte| b" \t\n\\".contains(&byte))
}

/// `fs/proc_namespace.c: mangle`.
fn escaped_source(text: &[u8]) -> Vec<u8> {
    escaped_if(text, |byte| b" \t\n\\#".contains(&byte))
}

fn escaped_if(text: &[u8], is_escaped: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut told = Vec::with_capacity(text.len());
    for byte in text {
        if is_escaped(*byte) {
            told.extend(format!("\\{byte:03o}").bytes());
        } else {
            told.push(*byte);
        }
    }
    told
}

/// The flags of a mount as text (`show_mnt_opts`).
fn options(flags: u64) -> Vec<u8> {
    const NAMES: [(u64, &str); 7] = [
        (NOSUID, ",nosuid"),
        (NODEV, ",nodev"),
        (NOEXEC, ",noexec"),
        (NOATIME, ",noatime"),
        (NODIRATIME, ",nodiratime"),
        (RELATIME, ",relatime"),
        (NOSYMFOLLOW, ",nosymfollow"),
    ];
    let mut text = if flags & RDONLY != 0 { "ro" } else { "rw" }.to_string();
    text.extend(NAMES.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name));
    text.into_bytes()
}

/// Of several mounts that of a path: the last of those whose mount points are deepest.
fn mount_of<'l>(lines: &'l [Line], path: &[u8]) -> Option<&'l Line> {
    lines.iter().filter(|line| inside(&line.point, path).is_some()).max_by_key(|line| line.point.len())
}

impl Thread {
    /// What a file of this name in its directory in procfs tells of what is mounted. `None`: what the kernel says.
    pub(in crate::tracer) fn mounts_told(&self, name: &str) -> Option<Vec<u8>> {
        if !self.is_rooted() && !self.has_mounts() || self.has_foreign_view() {
            return None;
        }
        let tell = match name {
            "mounts" => Line::mounts,
            "mountinfo" => Line::mountinfo,
            "mountstats" => Line::mountstats,
            _ => return None,
        };
        let text = proc_text::read(format!("/proc/{}/mountinfo", self.tid)).ok()?;
        let real: Vec<Line> = text.split(|byte| *byte == b'\n').filter_map(Line::parse).collect();
        Some(self.lines(&real).iter().flat_map(tell).collect())
    }

    /// All mounts that it sees, by what is really mounted.
    fn lines(&self, real: &[Line]) -> Vec<Line> {
        let rooted = self.rooted.borrow().clone();
        let root = rooted.root.as_ref().and_then(|root| open::place(&*root.fd).ok()).unwrap_or_else(|| b"/".to_vec());
        // Of a mount below another one at the same place nothing is seen, and the kernel tells of it all the same.
        let below = |line: &Line| Some(Line { point: inside(&root, &line.point)?, ..line.clone() });
        let mut lines: Vec<Line> = real.iter().filter_map(below).collect();
        let hosts = mount_of(real, &root).map_or(0, |line| line.id);
        let mut id = real.iter().map(|line| line.id).max().unwrap_or_default() + 1;
        for mount in rooted.mounts.all() {
            let first = lines.len();
            let number = id + mount.number;
            self.push(&mount, real, number, &mut lines);
            for index in first..lines.len() {
                let parent = mount_of(&lines[..index], &lines[index].point).map_or(hosts, |line| line.id);
                lines[index].parent = parent;
            }
            // What is below it has numbers, too.
            id += (lines.len() - first).saturating_sub(1) as u64;
        }
        lines
    }

    /// Adds what seems to be mounted and, where that is so, what is mounted below it.
    fn push(&self, mount: &Mount, real: &[Line], id: u64, lines: &mut Vec<Line>) {
        let point = open::place(&*mount.point.fd).ok().and_then(|place| self.seen_place(&place));
        let (Some(point), Some((place, stat))) = (point, place_of(&mount.shown)) else { return };
        let Some(base) = mount_of(real, &place) else { return };
        let device = format!("{}:{}", stat.dev_major, stat.dev_minor).into_bytes();
        let own = mount.told.flags.map_or_else(|| base.options.clone(), options);
        let fields = Vec::new();
        let line = match &mount.told.origin {
            Origin::New { kind, source, options, is_read_only } => {
                let first: &[u8] = if *is_read_only { b"ro" } else { b"rw" };
                let all: Vec<&[u8]> = [first, options].into_iter().filter(|text| !text.is_empty()).collect();
                let (kind, source, super_options) = (kind.clone(), source.clone(), all.join(&b','));
                Line {
                    id,
                    parent: 0,
                    device,
                    root: b"/".to_vec(),
                    point,
                    options: own,
                    fields,
                    kind,
                    source,
                    super_options,
                }
            }
            Origin::Bind { .. } => {
                let rest = inside(&base.point, &place).unwrap_or_else(|| b"/".to_vec());
                let root = joined(&base.root, &rest);
                Line { id, device, root, point, options: own, fields, ..base.clone() }
            }
        };
        let point = line.point.clone();
        lines.push(line);
        if let Origin::Bind { is_recursive: true } = mount.told.origin {
            let below = real.iter().filter_map(|line| Some((line, inside(&place, &line.point)?)));
            for (number, (line, rest)) in (1..).zip(below.filter(|(_, rest)| rest != b"/")) {
                lines.push(Line { id: id + number, point: joined(&point, &rest), fields: Vec::new(), ..line.clone() });
            }
        }
    }
}

/// Where on the host is what is shown, and what it is.
fn place_of(shown: &Shown) -> Option<(Vec<u8>, Statx)> {
    match shown {
        Shown::Directory(directory) => Some((open::place(&*directory.fd).ok()?, open::known(&*directory.fd).ok()?)),
        Shown::File(found) => {
            let file = found.open(libc::O_NOFOLLOW).ok()?;
            Some((open::place(&file).ok()?, open::known(&file).ok()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        b"36 35 98:0 /mnt1 /mnt\\0402 ro,noatime shared:1 master:2 - ext3 /dev/root rw,sync,errors=continue";

    #[test]
    fn a_line_is_written_as_it_was_read() {
        let line = Line::parse(LINE).unwrap();
        assert_eq!(line.point, b"/mnt 2");
        assert_eq!(line.fields, b" shared:1 master:2");
        assert_eq!(line.mountinfo(), [LINE, b"\n"].concat());
        assert_eq!(Line::parse(b"36 35 98:0 / / rw"), None);
    }

    #[test]
    fn the_older_files_have_the_options_in_one() {
        let line = Line::parse(LINE).unwrap();
        assert_eq!(line.mounts(), b"/dev/root /mnt\\0402 ext3 ro,sync,noatime,errors=continue 0 0\n");
        assert_eq!(line.mountstats(), b"device /dev/root mounted on /mnt\\0402 with fstype ext3\n");
    }

    #[test]
    fn flags_are_told_as_the_kernel_does() {
        assert_eq!(options(RELATIME), b"rw,relatime");
        assert_eq!(options(RDONLY | NOSUID | NODEV | NOEXEC | NOATIME), b"ro,nosuid,nodev,noexec,noatime");
    }

    #[test]
    fn a_path_is_of_the_deepest_mount() {
        let line = |point: &[u8]| Line { point: point.to_vec(), ..Line::parse(LINE).unwrap() };
        let lines = [line(b"/"), line(b"/a"), line(b"/a/b"), line(b"/ab")];
        let of = |path: &[u8]| mount_of(&lines, path).map(|line| line.point.clone());
        assert_eq!(of(b"/a/b/c"), Some(b"/a/b".to_vec()));
        assert_eq!(of(b"/abc"), Some(b"/".to_vec()));
    }
}
