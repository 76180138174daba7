//! Whatever is in a manifest or a device table: it is read or refused, and no claim leads out of the tree.

use crate::accounts::Accounts;
use crate::claims::Claim;
use crate::tree::Tree;
use crate::{device_table, mtree};

const TEXTS: &[&str] = &[
    "#mtree\n/set type=file uid=0 gid=0\n. type=dir mode=0755\n  dev type=dir mode=0755\n    null type=char device=native,1,3 mode=0666\n  ..\n..\n",
    "./dev type=dir mode=755 uid=0 gid=0\n./dev/null uid=0 gid=0 type=char device=0x103 mode=0666\n./a\\040b\\sc type=link link=x\n",
    "/dev d 755 0 0 - - - - -\n/dev/uio b 640 0 0 252 1 6 2 3\n/etc/x r 4755 7 adm\n|xattr cap_chown+ep\n/f F -1 0 0\n",
];

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    "..",
    "/",
    "../",
    "\\",
    "\\777",
    "-1",
    "4294967296",
    "=",
    "type=",
    "device=native,",
    "/set",
    "/unset",
    "\n",
    " ",
    "\u{fffd}",
    "uid=",
    "\\\n",
    "all",
];

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end.max(1)
    }
}

fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(text.len() + 1);
    let end = (at + random.below(8)).min(text.len());
    match random.below(4) {
        0 => drop(text.splice(at..end, [])),
        1 => drop(text.splice(at..end, WORDS[random.below(WORDS.len())].bytes())),
        2 => drop(text.splice(at..at, [random.below(256) as u8])),
        _ => {
            let copy = text[at..end].to_vec();
            let to = random.below(text.len() + 1);
            drop(text.splice(to..to, copy));
        }
    }
}

fn stays_within(claims: &[Claim]) {
    for claim in claims {
        let leads_out =
            claim.path.starts_with(b"/") || claim.path.split(|byte| *byte == b'/').any(|part| part == b"..");
        assert!(!leads_out, "{:?}", String::from_utf8_lossy(&claim.path));
    }
}

#[test]
fn no_claim_of_any_text_leads_out_of_the_tree() {
    let directory = tempfile::tempdir().unwrap();
    let accounts = Accounts::of(&Tree::open(directory.path()).unwrap());
    let (mut manifests, mut tables) = (0, 0);
    for seed in 1..4000 {
        let mut random = Random(seed * 0x9e37_79b9);
        let mut text = TEXTS[random.below(TEXTS.len())].as_bytes().to_vec();
        for _ in 0..=random.below(5) {
            mutate(&mut text, &mut random);
        }
        if let Ok(claims) = mtree::read::read(&text, &accounts) {
            stays_within(&claims);
            manifests += 1;
        }
        if let Ok((claims, _)) = device_table::read(&text, &accounts) {
            stays_within(&claims);
            tables += 1;
        }
    }
    assert!(manifests > 0 && tables > 0, "{manifests} manifests and {tables} tables were read");
}
