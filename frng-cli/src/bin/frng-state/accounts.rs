//! Names of users and groups, as a tree knows them.

use std::fs;

use super::tree::Tree;

/// `etc/passwd` and `etc/group` of a tree.
pub struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    /// Reads them; what is missing has no names.
    pub fn of(tree: &Tree) -> Accounts {
        let read = |path: &[u8]| parse(&fs::read(tree.outside(path)).unwrap_or_default());
        Accounts { users: read(b"etc/passwd"), groups: read(b"etc/group") }
    }

    /// A user's id, by number or name.
    ///
    /// # Errors
    /// What is wrong, to be told with its place; so has the next one.
    pub fn user(&self, text: &str) -> Result<u32, String> {
        find(&self.users, text).ok_or_else(|| format!("user {text} is not in the etc/passwd of the tree"))
    }

    /// A group's id, by number or name.
    pub fn group(&self, text: &str) -> Result<u32, String> {
        find(&self.groups, text).ok_or_else(|| format!("group {text} is not in the etc/group of the tree"))
    }
}

fn parse(text: &[u8]) -> Vec<(String, u32)> {
    let text = String::from_utf8_lossy(text);
    let account = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(account).collect()
}

fn find(accounts: &[(String, u32)], text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| accounts.iter().find(|(name, _)| name == text).map(|(_, id)| *id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_number() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        fs::write(directory.path().join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34::/:\nbad\n")
            .unwrap();
        let accounts = Accounts::of(&Tree::open(directory.path()).unwrap());
        assert_eq!((accounts.user("www"), accounts.user("77"), accounts.group("8")), (Ok(33), Ok(77), Ok(8)));
        assert!(accounts.user("bad").is_err() && accounts.group("www").is_err());
    }
}
