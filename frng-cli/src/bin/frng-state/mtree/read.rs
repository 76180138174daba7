//! Reading a manifest.

use std::collections::HashMap;

use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, make_dev};

use super::names::decode;
use crate::accounts::Accounts;
use crate::claims::Claim;
use crate::tree::join;

/// What a manifest claims. Its checksums, sizes and times are not looked at.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read(text: &[u8], accounts: &Accounts) -> Result<Vec<Claim>, String> {
    let mut reader = Reader { accounts, defaults: HashMap::new(), directory: Vec::new(), claims: Vec::new() };
    let mut pending = Vec::new();
    let mut first = 1;
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if pending.is_empty() {
            first = index + 1;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A backslash at the end of a line continues it, unless it is the second half of an escaped one.
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 1 {
            pending.extend_from_slice(&line[..line.len() - 1]);
            pending.push(b' ');
            continue;
        }
        pending.extend_from_slice(line);
        reader.line(first, &pending).map_err(|why| format!("line {first}: {why}"))?;
        pending.clear();
    }
    if !pending.is_empty() {
        return Err(format!("line {first}: the file was cut off: it ends in a continued line"));
    }
    Ok(reader.claims)
}

type Keywords = HashMap<String, Vec<u8>>;

struct Reader<'a> {
    accounts: &'a Accounts,
    /// Of `/set`.
    defaults: Keywords,
    /// Where names without a slash are.
    directory: Vec<Vec<u8>>,
    claims: Vec<Claim>,
}

impl Reader<'_> {
    fn line(&mut self, number: usize, line: &[u8]) -> Result<(), String> {
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|word| !word.starts_with(b"#")) else { return Ok(()) };
        match first {
            b"/set" => self.defaults.extend(words.map(keyword)),
            b"/unset" => words.for_each(|word| {
                if word == b"all" {
                    self.defaults.clear();
                }
                self.defaults.remove(&*String::from_utf8_lossy(word));
            }),
            b".." => {
                self.directory.pop().ok_or("there is no directory to leave by ..")?;
            }
            _ if first.starts_with(b"/") => return Err(format!("unknown command {}", first.escape_ascii())),
            _ => self.name(number, first, words.map(keyword))?,
        }
        Ok(())
    }

    fn name(
        &mut self,
        number: usize,
        first: &[u8],
        own: impl Iterator<Item = (String, Vec<u8>)>,
    ) -> Result<(), String> {
        let name = decode(first).ok_or_else(|| format!("not a name: {}", first.escape_ascii()))?;
        let mut keywords = self.defaults.clone();
        keywords.extend(own);
        let is_whole = name.contains(&b'/');
        let mut parts: Vec<Vec<u8>> = if is_whole { Vec::new() } else { self.directory.clone() };
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err("a name with .. in it".into()),
                _ => parts.push(part.to_vec()),
            }
        }
        let mut claim = self.claim(&keywords)?;
        claim.line = number;
        let real_parts = parts.iter().filter(|part| *part != b".");
        claim.path = real_parts.fold(Vec::new(), |path, part| join(&path, part));
        if !is_whole && claim.kind == Some(S_IFDIR) {
            // A `.` is entered, too, and left by a `..` of its own.
            if name == b"." {
                parts.push(name);
            }
            self.directory = parts;
        }
        self.claims.push(claim);
        Ok(())
    }

    fn claim(&self, keywords: &Keywords) -> Result<Claim, String> {
        let text = |key: &str| keywords.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
        let kind = text("type").map(|kind| match &*kind {
            "file" => Ok(S_IFREG),
            "dir" => Ok(S_IFDIR),
            "link" => Ok(S_IFLNK),
            "char" => Ok(S_IFCHR),
            "block" => Ok(S_IFBLK),
            "fifo" => Ok(S_IFIFO),
            "socket" => Ok(S_IFSOCK),
            _ => Err(format!("unknown type {kind}")),
        });
        let kind = kind.transpose()?;
        let mode = |text: String| {
            let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
            mode.ok_or_else(|| format!("not a mode in octal: {text}"))
        };
        let id =
            |key: &str| text(key).map(|text| text.parse().map_err(|_| format!("not an id: {key}={text}"))).transpose();
        let (uid, gid) = (id("uid")?, id("gid")?);
        // Numbers say what is meant better than names do.
        let user = || text("uname").map(|name| self.accounts.user(&name)).transpose();
        let group = || text("gname").map(|name| self.accounts.group(&name)).transpose();
        let rdev = match (kind, text("device").or_else(|| text("rdev"))) {
            (Some(S_IFCHR | S_IFBLK), Some(device)) => device_number(&device)?,
            (Some(S_IFCHR | S_IFBLK), None) => return Err("a device without device=".into()),
            _ => 0,
        };
        let link = keywords.get("link").map(|link| decode(link).ok_or("not a name: link=")).transpose()?;
        Ok(Claim {
            kind,
            permissions: text("mode").map(mode).transpose()?,
            uid: if uid.is_none() { user()? } else { uid },
            gid: if gid.is_none() { group()? } else { gid },
            rdev,
            link,
            is_optional: keywords.contains_key("optional"),
            ..Claim::default()
        })
    }
}

fn keyword(word: &[u8]) -> (String, Vec<u8>) {
    let equals = word.iter().position(|byte| *byte == b'=');
    let (key, value) = match equals {
        Some(equals) => (&word[..equals], &word[equals + 1..]),
        None => (word, &word[..0]),
    };
    (String::from_utf8_lossy(key).into_owned(), value.to_vec())
}

/// `linux,MAJOR,MINOR`, `native,MAJOR,MINOR` or a number as Linux has it.
fn device_number(text: &str) -> Result<u64, String> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let parts: Vec<&str> = text.split(',').collect();
    let device = match parts[..] {
        [single] => number(single),
        ["linux" | "native", major, minor] => number(major)
            .zip(number(minor))
            .and_then(|(major, minor)| Some(make_dev(major.try_into().ok()?, minor.try_into().ok()?))),
        _ => None,
    };
    device.ok_or_else(|| format!("not a device number of Linux: device={text}; it must be like linux,1,3"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn read_text(text: &str) -> Result<Vec<Claim>, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/group"), "adm:x:4:\n").unwrap();
        read(text.as_bytes(), &Accounts::of(&Tree::open(directory.path()).unwrap()))
    }

    #[test]
    fn nested_and_whole_names_mean_the_same() {
        let nested = "#mtree\n/set type=file uid=0 gid=0\n. type=dir mode=0755\n  dev type=dir mode=0755\n    \
            null type=char device=native,1,3 mode=0666\n  ..\n  etc type=dir mode=0755\n    a\\040b mode=4755 gname=adm uid=7 \\\n    \
            size=3\n  ..\n..\n";
        let whole = "./dev type=dir mode=755 uid=0 gid=0\n./dev/null uid=0 gid=0 type=char device=0x103 mode=0666\n\
            ./etc type=dir mode=755 uid=0 gid=0\n./etc/a\\sb type=file gid=0 uid=7 mode=04755\n";
        let mut claims = read_text(nested).unwrap();
        let root = claims.remove(0);
        assert_eq!((root.path, root.kind, root.permissions), (vec![], Some(S_IFDIR), Some(0o755)));
        let mut others = read_text(whole).unwrap();
        for claim in claims.iter_mut().chain(&mut others) {
            claim.line = 0;
        }
        assert_eq!(claims, others);
        assert_eq!(claims[3].path, b"etc/a b");
        let group = read_text("./f type=file gname=adm\n").unwrap();
        assert_eq!((group[0].gid, group[0].uid, group[0].permissions), (Some(4), None, None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, why) in [
            ("..\n", "line 1: there is no directory to leave"),
            ("#mtree\n./a type=door\n", "line 2: unknown type door"),
            ("./a mode=rw\n", "line 1: not a mode"),
            ("./a type=char\n", "line 1: a device without device="),
            ("./a type=char device=freebsd,1,2\n", "line 1: not a device number"),
            ("./a/../b type=dir\n", "line 1: a name with .."),
            ("./a uid=x\n", "line 1: not an id: uid=x"),
            ("./a uname=nobody\n", "line 1: user nobody is not in"),
            ("/sit\n", "line 1: unknown command /sit"),
            ("./a\\q\n", "line 1: not a name"),
            ("./a \\\n", "line 1: the file was cut off"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.starts_with(why), "{text}: {told}");
        }
    }
}
