//! `--no-sync` and `--accounts`.

mod common;

use std::fs;

use common::{Scratch, engines};

/// Syncing a pipe is EINVAL for whoever asks the kernel.
const SYNC_A_PIPE: &str =
    "dd if=/dev/null conv=fsync status=none | cat; dd if=/dev/null conv=fdatasync status=none | cat; sync; sync -f .";

#[test]
fn without_syncing_nobody_asks_the_kernel() {
    let scratch = Scratch::new();
    let done = scratch.run(&["frng", "sh", "-c", SYNC_A_PIPE]);
    assert_eq!(done.err.matches("Invalid argument").count(), 2, "{done:?}");
    for engine in engines() {
        let script = format!("{SYNC_A_PIPE}; touch f; chown 7:8 f; stat -c %u:%g f; id -u");
        let told = scratch.run(&["frng", "--engine", engine, "--no-sync", "sh", "-c", &script]).good();
        assert_eq!(told, "7:8\n0\n", "{engine}");
    }
}

#[test]
fn accounts_are_those_of_the_tree() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("t/etc")).unwrap();
    fs::write(scratch.path("t/etc/passwd"), "root:x:0:0::/:/bin/sh\nwebber:x:333:334::/:\n").unwrap();
    fs::write(scratch.path("t/etc/group"), "root:x:0:\nweb:x:334:\n").unwrap();
    let script = "touch f; chown webber:web f; stat -c %u:%g:%U:%G f; basename $PWD; id webber; touch /dev/null";
    let told = scratch.run(&["frng", "--accounts", "t", "sh", "-c", script]).good();
    assert_eq!(told, "333:334:webber:web\nwork\nuid=333(webber) gid=334(web) groups=334(web)\n");
    scratch.run(&["frng", "--accounts", "missing", "true"]).failed(&["missing", "there is no missing/etc/passwd"]);
    scratch.run(&["frng", "--accounts", "t", "--root", "t", "true"]).failed(&["--accounts", "--root"]);
}
