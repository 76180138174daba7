//! `frng-state` with a tree: manifests and device tables, names in tables, and the programs that read and write those.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use common::{Done, Scratch};

const MAKE: &str = "
    set -e; umask 022
    mkdir t t/dev t/bin t/tmp t/etc
    mknod t/dev/null c 1 3; mknod t/dev/loop b 7 300; mknod t/dev/fifo p; chmod 666 t/dev/null
    echo a > 't/a b'; echo b > t/bin/su; ln t/bin/su t/bin/sudo; ln -s 'a b' t/link
    chown 7:8 't/a b'; chown 0:12 t/bin/su; chmod 4755 t/bin/su
    chown -h 9:10 t/link; chmod 1777 t/tmp; chown 5:5 t/tmp";

const SHOW: &str = "find . ! -type d -exec stat -c '%n %F %a %u %g %t:%T %h %N' {} + | sort; \
    find . -type d -exec stat -c '%n %a %u %g' {} + | sort";

fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: needs {program}");
    }
    there
}

fn show(scratch: &Scratch, state: &str, tree: &str) -> String {
    scratch.run(&["frng", "-p", state, "sh", "-c", &format!("cd {tree}; {SHOW}")]).good()
}

/// Asserts that frng-state has failed with one line that says all of `why`.
#[track_caller]
fn refused(done: Done, why: &[&str]) {
    assert_eq!((done.status, done.out.as_str(), done.err.lines().count()), (125, "", 1), "{done:?}");
    assert!(done.err.starts_with("frng-state: ") && why.iter().all(|part| done.err.contains(part)), "{done:?}");
}

#[test]
fn a_manifest_makes_a_plain_copy_of_a_tree_look_the_same() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", MAKE]).good();
    let shown = show(&scratch, "state", "t");
    let manifest = scratch.run(&["frng-state", "export", "-f", "mtree", "-t", "t", "state"]).good();
    assert!(manifest.contains("./dev/loop type=block mode=0644 uid=0 gid=0 device=native,7,300\n"), "{manifest}");
    assert!(manifest.contains("./link type=link mode=0777 uid=9 gid=10 link=a\\040b\n"), "{manifest}");
    fs::write(scratch.path("manifest"), &manifest).unwrap();
    // Without nodes, an empty directory and the symbolic link, and with other modes.
    let copy = "cp -a t u; rm u/dev/* u/link; rmdir u/tmp; chmod 600 u/bin/su; chmod 700 u/etc";
    scratch.run(&["sh", "-c", copy]).good();
    let told = scratch.run(&["frng-state", "import", "--tree", "u", "other", "manifest"]).good();
    assert!(told.starts_with("other: 12 lies imported, 11 in all"), "{told}");
    assert_eq!(show(&scratch, "other", "u"), shown);
    assert_eq!(fs::metadata(scratch.path("u/bin/su")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(scratch.run(&["frng-state", "export", "-f", "mtree", "-t", "u", "other"]).good(), manifest);
    // Once more, from stdin, into the same state.
    let script = "frng-state import -t u other < manifest && frng-state export -f mtree -t u other - | cmp manifest -";
    assert!(scratch.run(&["sh", "-c", script]).good().contains("11 in all"));
}

#[test]
fn manifests_of_other_programs_are_read_and_ours_are_read_by_them() {
    if !has("bsdtar") {
        return;
    }
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", MAKE]).good();
    let shown = show(&scratch, "state", "t");
    // What bsdtar sees under frng is what it writes.
    let script = "cd t; bsdtar -cf ../manifest --format=mtree --options='!all,type,mode,uid,gid,device,link' .";
    scratch.run(&["frng", "-p", "state", "sh", "-c", script]).good();
    scratch.run(&["frng-state", "import", "--tree", "t", "other", "manifest"]).good();
    assert_eq!(show(&scratch, "other", "t"), shown);
    scratch.run(&["frng-state", "export", "-f", "mtree", "--tree", "t", "state", "ours"]).good();
    let listed =
        scratch.run(&["sh", "-c", "cd t && bsdtar -tvnf ../ours | sed 's/  */ /g' | cut -d' ' -f1,3-5"]).good();
    assert!(listed.lines().any(|line| line.starts_with("-rwsr-xr-x 0 12 ")), "{listed}");
    assert!(listed.lines().any(|line| line == "crw-rw-rw- 0 0 1,3"), "{listed}");
}

#[test]
fn a_device_table_sets_what_it_names_and_makes_nodes() {
    let scratch = Scratch::new();
    scratch
        .run(&["sh", "-c", "mkdir -p t/bin t/home/u t/etc; echo > t/bin/busybox; ln -s bin t/sbin; echo > t/home/u/f"])
        .good();
    fs::write(scratch.path("t/etc/passwd"), "root:x:0:0\nu:x:1000:1000\n").unwrap();
    scratch.file(
        "table",
        "# as in Buildroot\n/dev d 755 0 0 - - - - -\n/dev/console c 622 0 5 5 1 - - -\n/dev/tty c 666 0 0 4 0 0 1 3\n\
         /sbin/busybox f 4755 0 0 - - - - -\n/home/u r -1 u 1000 - - - - -\n/none F 600 1 1 - - - - -\n\
         /run/p p 640 0 0 - - - - -\n",
    );
    let told = scratch.run(&["frng-state", "import", "-f", "device-table", "-t", "t", "state", "table"]).good();
    assert_eq!(told, "state: 9 lies imported, 9 in all\n");
    let shown = show(&scratch, "state", "t");
    for line in [
        "./bin/busybox regular file 4755 0 0 0:0 1",
        "./dev/console character special file 622 0 5 5:1 1",
        "./dev/tty2 character special file 666 0 0 4:2 1",
        "./run/p fifo 640 0 0 0:0 1",
        "./home/u 755 1000 1000",
        "./home/u/f regular file 644 1000 1000",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    // And back: what has a lie is in the table, and makes the same of another tree.
    scratch.run(&["frng-state", "export", "-f", "device-table", "-t", "t", "state", "exported"]).good();
    scratch.run(&["sh", "-c", "cp -a t u; rm -r u/dev u/run"]).good();
    scratch.run(&["frng-state", "import", "-f", "device-table", "-t", "u", "other", "exported"]).good();
    assert_eq!(show(&scratch, "other", "u"), shown);
}

#[test]
fn genext2fs_makes_an_image_of_our_table() {
    if !has("genext2fs") || !has("/sbin/debugfs") {
        return;
    }
    let scratch = Scratch::new();
    let script = format!("{MAKE}; rm -r t/link 't/a b' t/dev/fifo");
    scratch.run(&["frng", "-p", "state", "sh", "-c", &script]).good();
    scratch.run(&["frng-state", "export", "-f", "device-table", "-t", "t", "state", "table"]).good();
    // It takes nodes from the table, not what stands in for them.
    scratch.run(&["sh", "-c", "rm t/dev/*; genext2fs -b 1024 -U -d t -D table image"]);
    let stat = |path: &str| scratch.run(&["/sbin/debugfs", "-R", &format!("stat {path}"), "image"]).out;
    let su = stat("/bin/su");
    assert!(su.contains("Mode:  04755") && su.contains("Group:    12"), "{su}");
    let null = stat("/dev/null");
    assert!(null.contains("Type: character special") && null.contains("Mode:  0666"), "{null}");
    assert!(stat("/tmp").contains("Mode:  01777"));
}

#[test]
fn what_a_format_cannot_hold_is_told_in_one_line() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", &format!("{MAKE}; chown 5 .; touch other; chown 6 other")]).good();
    let done = scratch.run(&["frng-state", "export", "-f", "device-table", "-t", "t", "state", "table"]);
    let told = "the format cannot hold the owners of 2 symbolic links, sockets or names with blanks and 2 lies about what is not in \
        the tree; they are not exported\n";
    assert_eq!((done.status, done.err), (0, format!("frng-state: {told}")));
    scratch.run(&["frng", "-p", "state", "setfattr", "-n", "trusted.a", "-v", "b", "t/bin/su"]).good();
    let done = scratch.run(&["frng-state", "export", "-f", "mtree", "-t", "t", "state", "manifest"]);
    assert!(done.err.contains("cannot hold the extended attributes of 1 lies and 2 lies about what"), "{done:?}");
}

#[test]
fn what_cannot_come_true_is_refused_before_anything_is_made() {
    let scratch = Scratch::new();
    scratch.run(&["sh", "-c", "mkdir t t/d; echo > t/f; ln -s /etc t/out"]).good();
    let good = "./new type=dir mode=755\n";
    for (line, why) in [
        ("./missing type=file mode=644", "line 2: t/missing: it is not there"),
        ("./f type=dir mode=755", "line 2: t/f: it is there with another type"),
        ("./f type=char device=linux,1,3", "line 2: t/f: it is there with another type"),
        ("./l type=link uid=5", "line 2: t/l: it is not there, nor said where it leads"),
        ("./f mode=99", "line 2: not a mode in octal: 99"),
        ("./out/passwd type=file uid=5", "line 2: t/out/passwd: it is not there"),
    ] {
        scratch.file("manifest", format!("{good}{line}\n"));
        let done = scratch.run(&["frng-state", "import", "-f", "mtree", "-t", "t", "state", "manifest"]);
        refused(done, &["cannot import manifest", why]);
    }
    refused(scratch.run(&["frng-state", "import", "-f", "mtree", "state", "manifest"]), &["name it by --tree"]);
    refused(scratch.run(&["frng-state", "export", "-f", "mtree", "missing"]), &["missing"]);
    assert!(!scratch.path("t/new").exists() && !scratch.path("state").exists());
}

#[test]
fn tables_have_names_and_only_what_is_asked_for() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", MAKE]).good();
    let lines = |words: &[&str]| {
        let table = scratch.run(&[&["frng-state", "show"], words].concat()).good();
        table
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let su = "-rwsr-xr-x 0 12 - - bin/su bin/sudo";
    assert_eq!(lines(&["-t", "t", "--mode", "-4000", "state"]), [su]);
    assert_eq!(lines(&["-t", "t", "state", "t/bin/sudo"]), [su]);
    assert_eq!(lines(&["--owner", "7:8", "state"]), ["-rw-r--r-- 7 8 -"]);
    assert_eq!(lines(&["-t", "t", "--type", "c", "state"]), ["crw-rw-rw- 0 0 1:3 - dev/null"]);
    refused(scratch.run(&["frng-state", "show", "state", "t/etc"]), &["t/etc", "no lie is remembered"]);
    // What two states remember differently.
    fs::copy(scratch.path("state"), scratch.path("old")).unwrap();
    fs::set_permissions(scratch.path("old"), fs::Permissions::from_mode(0o644)).unwrap();
    let done = scratch.run(&["frng-state", "diff", "old", "state"]);
    assert_eq!((done.status, done.out.as_str()), (0, ""));
    scratch.run(&["frng", "-p", "state", "sh", "-c", "chown 11 t/bin/su; rm t/dev/null"]).good();
    let done = scratch.run(&["frng-state", "diff", "-t", "t", "old", "state"]);
    let rows: Vec<Vec<&str>> = done.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let mut brief: Vec<String> = rows[1..].iter().map(|row| [row[0], row[3], row[4]].join(" ")).collect();
    brief.sort();
    assert_eq!(
        (done.status, brief),
        (1, ["+ -rwxr-xr-x 11", "- -rwsr-xr-x 0", "- crw-rw-rw- 0"].map(String::from).to_vec())
    );
}
