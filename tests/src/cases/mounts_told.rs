//! What procfs tells of mounts, to processes in another root and to those outside.

use libc::{MS_BIND, MS_MOVE, MS_NODEV, MS_RDONLY, MS_REMOUNT};

use super::cases;
use super::mounts::{apart, enter, tree};
use crate::stage::dir;
use crate::sys::NULL;

cases![procfs_tells_of_mounts, procfs_tells_of_remounts];

/// What a file of /proc/self tells of the mounts below the working directory or, in another root, all. Numbers are told by
/// what they name, and what is outside not at all.
pub(super) fn told(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let top = std::env::current_dir().unwrap_or_default().into_os_string().into_string().unwrap_or_default();
    let top = if top == "/" { "" } else { &top };
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let word = |line: &Vec<&str>, index: usize| line.get(index).copied().unwrap_or_default().to_string();
    let shown = |point: &str| point.strip_prefix(top).filter(|rest| rest.starts_with('/')).map(str::to_string);
    let of_kind = |line: &Vec<&str>, at: usize| match word(line, at).as_str() {
        // How large it is differs.
        "tmpfs" => "tmpfs".to_string(),
        kind => kind.to_string(),
    };
    lines
        .iter()
        .filter_map(|line| match name {
            "mounts" => Some(format!(
                "{} {} from {} {}",
                shown(&word(line, 1))?,
                of_kind(line, 2),
                word(line, 0),
                first_options(&word(line, 3))
            )),
            "mountstats" => Some(format!("{} from {} {}", shown(&word(line, 4))?, word(line, 1), of_kind(line, 7))),
            _ => {
                let point = shown(&word(line, 4))?;
                let parent = lines.iter().find(|other| word(other, 0) == word(line, 1));
                let parent = parent.and_then(|other| shown(&word(other, 4))).unwrap_or("outside".into());
                let dash = line.iter().position(|word| *word == "-").unwrap_or_default();
                let part = word(line, 3).rsplit('/').next().unwrap_or_default().to_string();
                // From outside of the root nobody sees what is mounted only for those inside.
                let device = if top.is_empty() { is_on(&point, &word(line, 2)) } else { "" };
                Some(format!(
                    "{point} in {parent} its part {part} {} {} {} from {} {device}",
                    word(line, 5),
                    line[dash..].len(),
                    of_kind(line, dash + 1),
                    word(line, dash + 2),
                ))
            }
        })
        .collect()
}

/// Options that do not depend on the filesystem.
fn first_options(options: &str) -> String {
    let of_mounts = ["rw", "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"];
    options.split(',').filter(|option| of_mounts.contains(option)).collect::<Vec<_>>().join(",")
}

/// Whether stat tells the device of a mount that mountinfo does.
fn is_on(path: &str, device: &str) -> &'static str {
    use std::os::unix::fs::MetadataExt;
    let told = std::fs::metadata(path).map(|file| file.dev()).unwrap_or_default();
    if format!("{}:{}", libc::major(told), libc::minor(told)) == device { "as stat" } else { "unlike stat" }
}

fn procfs_tells_of_mounts() {
    tree();
    dir(c"r/t");
    dir(c"r/with space");
    dir(c"other");
    dir(c"apart");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        must!(mount(c"h/x", c"r/f", NULL, MS_BIND, NULL));
        must!(mount(c"some", c"r/t", c"tmpfs", MS_NODEV | libc::MS_NOSUID, c"size=1m"));
        must!(mount(c"apart", c"r/with space", NULL, MS_BIND, NULL));
        must!(mount(c"h", c"other", NULL, MS_BIND, NULL));
        for name in ["mounts", "mountinfo", "mountstats"] {
            println!("{name} {:#?}", told(name));
        }
        enter();
        for name in ["mounts", "mountinfo", "mountstats"] {
            println!("{name} {:#?}", told(name));
        }
        println!(
            "{}",
            std::fs::read_to_string("/proc/mounts").ok() == std::fs::read_to_string("/proc/thread-self/mounts").ok()
        );
        must!(mount(c"/e", c"/d/sub", NULL, MS_BIND, NULL));
        must!(mount(c"/d", c"/e", NULL, MS_MOVE, NULL));
        must!(umount2(c"/f", 0));
        println!("{:#?}", told("mounts"));
    });
}

fn procfs_tells_of_remounts() {
    tree();
    dir(c"r/t");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", libc::MS_NOSUID | libc::MS_NOEXEC | MS_NODEV, NULL));
        must!(mount(c"t", c"r/t", c"tmpfs", libc::MS_NOATIME, NULL));
        enter();
        println!("{:#?}", told("mounts"));
        must!(mount(NULL, c"/t", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
        println!("{:#?}", told("mounts"));
        must!(mount(NULL, c"/t", NULL, MS_REMOUNT | MS_BIND | MS_NODEV | libc::MS_STRICTATIME, NULL));
        println!("{:#?}", told("mountinfo"));
        must!(mount(NULL, c"/t", NULL, MS_REMOUNT | MS_RDONLY, NULL));
        println!("{:#?}", told("mounts"));
        must!(umount2(c"/t", 0));
        println!("{:#?}", told("mounts"));
    });
}
