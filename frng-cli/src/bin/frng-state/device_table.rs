//! Device tables, as makedevs of Buildroot and busybox and genext2fs (`-D`) read them: by whom and with which mode a name is,
//! and which nodes there are.
//!
//! ```text
//! # name     type mode uid gid major minor start inc count
//! /dev/tty    c   666  0   5   4     0     0     1   8
//! ```

use frng_core::lie::Lie;
use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, make_dev, split_dev};

use super::accounts::Accounts;
use super::claims::Claim;
use super::tree::join;

/// A comment with the names of the columns.
pub const HEAD: &str = "#<name>\t<type>\t<mode>\t<uid>\t<gid>\t<major>\t<minor>\t<start>\t<inc>\t<count>\n";

/// Numbers in a table are at most this, as in makedevs.
const LARGEST: u32 = 0xf_ffff;

/// What a table claims, and how many lines about extended attributes it has, which are left out. Series of nodes are numbered as
/// makedevs does it.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read(text: &[u8], accounts: &Accounts) -> Result<(Vec<Claim>, usize), String> {
    let mut claims = Vec::new();
    let mut xattrs = 0;
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let words: Vec<&[u8]> = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).collect();
        match words.first() {
            None => {}
            Some(word) if word.starts_with(b"#") => {}
            Some(word) if word.starts_with(b"|") => xattrs += 1,
            Some(_) => {
                let told = |why| format!("line {}: {why}", index + 1);
                claims.extend(claims_of(index + 1, &words, accounts).map_err(told)?);
            }
        }
    }
    Ok((claims, xattrs))
}

fn claims_of(line: usize, words: &[&[u8]], accounts: &Accounts) -> Result<Vec<Claim>, String> {
    let texts: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let [name, kind, mode, user, group, numbers @ ..] = &texts[..] else {
        return Err("expected name, type, mode, owner and group, of a device table".into());
    };
    let mut path = Vec::new();
    for part in words[0].split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
        if part == b".." {
            return Err(format!("a name with .. in it: {name}"));
        }
        path = join(&path, part);
    }
    let permissions = match &**mode {
        // Stays as it is.
        "-1" => None,
        mode => Some(
            u32::from_str_radix(mode, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| format!("not a mode in octal: {mode}"))?,
        ),
    };
    let mut values = [0_u32; 5];
    if numbers.len() > values.len() {
        return Err("more than belongs in a line".into());
    }
    for (value, text) in values.iter_mut().zip(numbers) {
        let number = if text == "-" { Some(0) } else { text.parse().ok().filter(|number| *number <= LARGEST) };
        *value = number.ok_or_else(|| format!("not a number up to {LARGEST}: {text}"))?;
    }
    let [major, minor, start, increment, count] = values;
    let claim = Claim {
        line,
        path,
        permissions,
        uid: Some(accounts.user(user)?),
        gid: Some(accounts.group(group)?),
        ..Claim::default()
    };
    Ok(match &**kind {
        "f" => vec![Claim { kind: Some(S_IFREG), ..claim }],
        "F" => vec![Claim { kind: Some(S_IFREG), is_optional: true, ..claim }],
        "d" => vec![Claim { kind: Some(S_IFDIR), ..claim }],
        "r" => vec![Claim { is_recursive: true, ..claim }],
        "p" => series(&claim, S_IFIFO, (0, 0), start, 0, count),
        "c" => series(&claim, S_IFCHR, (major, minor), start, increment, count),
        "b" => series(&claim, S_IFBLK, (major, minor), start, increment, count),
        _ => return Err(format!("unknown type {kind}: it must be f, F, d, r, c, b or p")),
    })
}

/// `count` nodes, numbered from `start`; one without a number if there are not two.
fn series(claim: &Claim, kind: u32, (major, minor): (u32, u32), start: u32, increment: u32, count: u32) -> Vec<Claim> {
    let node = |index: u32| {
        let mut path = claim.path.clone();
        if count > 1 {
            path.extend_from_slice((start + index).to_string().as_bytes());
        }
        let rdev = make_dev(major, minor.wrapping_add(index.wrapping_mul(increment)));
        Claim { kind: Some(kind), path, rdev: if kind == S_IFIFO { 0 } else { rdev }, ..claim.clone() }
    };
    (0..count.max(1)).map(node).collect()
}

/// The line of a name; `None` if a table cannot hold it.
pub fn line(path: &[u8], lie: &Lie) -> Option<String> {
    let kind = match lie.mode & S_IFMT {
        S_IFREG => 'f',
        S_IFDIR => 'd',
        S_IFCHR => 'c',
        S_IFBLK => 'b',
        S_IFIFO => 'p',
        // S_IFLNK and S_IFSOCK.
        _ => return None,
    };
    let name = std::str::from_utf8(path).ok().filter(|name| !name.contains(char::is_whitespace))?;
    let (major, minor) = split_dev(lie.rdev);
    if major > LARGEST || minor > LARGEST {
        return None;
    }
    let device = if lie.is_device() { format!("{major}\t{minor}") } else { "-\t-".into() };
    Some(format!("/{name}\t{kind}\t{:o}\t{}\t{}\t{device}\t-\t-\t-\n", lie.mode & 0o7777, lie.uid, lie.gid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;
    use frng_core::stat::S_IFLNK;

    fn read_text(text: &str) -> Result<(Vec<Claim>, usize), String> {
        let directory = tempfile::tempdir().unwrap();
        read(text.as_bytes(), &Accounts::of(&Tree::open(directory.path()).unwrap()))
    }

    fn nodes(line: &str) -> Vec<(String, (u32, u32))> {
        let (claims, _) = read_text(line).unwrap();
        claims.iter().map(|claim| (String::from_utf8(claim.path.clone()).unwrap(), split_dev(claim.rdev))).collect()
    }

    #[test]
    fn series_are_numbered_as_makedevs_does() {
        let one = |name: &str, minor| vec![(name.to_owned(), (5, minor))];
        assert_eq!(nodes("/dev/console c 666 0 0 5 1 - - -\n"), one("dev/console", 1));
        assert_eq!(nodes("/dev/console c 666 0 0 5 1 0 0 1\n"), one("dev/console", 1));
        assert_eq!(nodes("/dev/console c 666 0 0 5 1\n"), one("dev/console", 1));
        let uio = nodes("/dev/uio b 640 0 0 252 1 6 2 3\n");
        let names = ["dev/uio6", "dev/uio7", "dev/uio8"].map(str::to_owned);
        assert_eq!(uio, names.into_iter().zip([(252, 1), (252, 3), (252, 5)]).collect::<Vec<_>>());
    }

    #[test]
    fn the_other_types_and_comments_are_understood() {
        let text = "# comment\n\n/bin/su f 4755 0 0 - - - - -\n/opt F 644 1 2\n/ r -1 3 4 - - - - -\n |xattr cap_net_raw+ep\n\
            /run/pipe p 600 0 0 - - - - -\n/x d 1777 0 0\n";
        let (claims, xattrs) = read_text(text).unwrap();
        assert_eq!(xattrs, 1);
        let kinds: Vec<_> = claims.iter().map(|claim| claim.kind).collect();
        assert_eq!(kinds, [Some(S_IFREG), Some(S_IFREG), None, Some(S_IFIFO), Some(S_IFDIR)]);
        assert!(claims[1].is_optional && claims[2].is_recursive && claims[2].permissions.is_none());
        assert_eq!((claims[2].path.len(), claims[2].uid, claims[2].gid), (0, Some(3), Some(4)));
        assert_eq!((claims[0].line, claims[4].line), (3, 8));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, why) in [
            ("/a f\n", "line 1: expected name"),
            ("# x\n/a q 644 0 0\n", "line 2: unknown type q"),
            ("/a f 99 0 0\n", "line 1: not a mode"),
            ("/a c 644 0 0 x\n", "line 1: not a number"),
            ("/a c 644 0 0 1048576 1\n", "line 1: not a number"),
            ("/a c 644 0 0 1 1 1 1 1 1\n", "line 1: more than"),
            ("/../a f 644 0 0\n", "line 1: a name with .."),
            ("/a f 644 who 0\n", "line 1: user who is not in"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.starts_with(why), "{text}: {told}");
        }
    }

    #[test]
    fn lines_are_read_back() {
        let lie = Lie { uid: 7, gid: 8, mode: S_IFBLK | 0o660, rdev: make_dev(8, 70000) };
        let (claims, _) = read_text(&format!("{HEAD}{}", line(b"dev/sd", &lie).unwrap())).unwrap();
        let claim = &claims[0];
        assert_eq!((claim.kind, claim.rdev, claim.uid), (Some(S_IFBLK), lie.rdev, Some(7)));
        assert_eq!((claim.permissions, &*claim.path), (Some(0o660), &b"dev/sd"[..]));
        assert_eq!(line(b"a b", &lie), None);
        assert_eq!(line(b"a", &Lie { mode: S_IFLNK | 0o777, ..lie }), None);
    }
}
