//! `--off`: what is run by it sees what it would see without frng.

mod common;

use std::os::unix::fs::{MetadataExt, symlink};

use common::{Scratch, engines};

/// What tells root from another user: ids by calls, auxv and procfs, owners, and what is refused.
const LOOK: &str = "id; grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|NoNew|Umask)' /proc/self/status | grep -v NoNew
    LD_SHOW_AUXV=1 /bin/true | grep -E '_(E?[UG]ID|SECURE)'
    touch new; stat -c '%u:%g:%a:%F' new lied /; find . -name lied -printf '%U %G %m\\n'; ls -ln lied | cut -d' ' -f1-4
    chown 1:1 new; mknod null c 1 3; mkdir d; stat -c %u:%a d; chroot / true; umask 027; touch narrow; stat -c %a narrow
    sh -c 'sh -c \"id -u\" & wait; sleep 0.01 & wait $!; echo $?'; kill -0 1; echo $?; exit 3";

#[test]
fn what_is_run_with_frng_off_sees_the_truth() {
    let native = Scratch::new();
    native.file("lied", "");
    let expected = native.run(&["sh", "-c", LOOK]);
    assert_eq!(expected.status, 3);
    for engine in engines() {
        let scratch = Scratch::new();
        scratch.file("lied", "");
        let script = "chown 7:8 lied; frng --off sh -c \"$1\"; echo $? >told; stat -c %u:%g lied >>told; id -u >>told";
        let told = scratch.run(&["frng", "--engine", engine, "sh", "-c", script, "sh", LOOK]);
        assert_eq!((&told.out, &told.err), (&expected.out, &expected.err), "{engine}");
        assert_eq!(std::fs::read_to_string(scratch.path("told")).unwrap(), "3\n7:8\n0\n", "{engine}");
        scratch.wait_for_the_daemon_to_end();
    }
}

#[test]
fn without_frng_around_it_is_the_command() {
    let scratch = Scratch::new();
    let own = std::fs::metadata(scratch.work()).unwrap().uid();
    assert_eq!(scratch.run(&["frng", "--off", "id", "-u"]).good(), format!("{own}\n"));
    assert_eq!(scratch.run(&["frng", "--off", "sh", "-c", "exit 7"]).status, 7);
    let missing = scratch.run(&["frng", "--off", "no-such-command"]);
    assert_eq!((missing.status, missing.err.as_str()), (127, "frng: cannot execute no-such-command: not found\n"));
    scratch.run(&["frng", "--off", "-p", "state", "true"]).failed(&["--off", "no other"]);
}

#[test]
fn it_is_turned_on_again_by_its_state() {
    for engine in engines() {
        let scratch = Scratch::new();
        let script = "touch f; chown 7:8 f; mknod null c 1 3
            frng --off sh -c 'stat -c %u f | grep -qvx 7; frng -p lies sh -c \"stat -c %u:%g:%F f null; echo x >null; id -u\"; frng true'";
        let told = scratch.run(&["frng", "--engine", engine, "-p", "lies", "sh", "-c", script]);
        assert_eq!(told.out, "7:8:regular empty file\n0:0:character special file\n0\n", "{engine}: {told:?}");
        assert_eq!(told.status, 125, "{told:?}");
        assert!(told.err.contains("frng --off has turned it off"), "{told:?}");
        // The last one to end is one that is not fooled.
        let script = "touch g; chown 9:10 g; exec frng --off true";
        scratch.run(&["frng", "--engine", engine, "-p", "lies", "sh", "-c", script]).good();
        assert_eq!(scratch.run(&["frng", "-p", "lies", "stat", "-c", "%u:%g", "f", "g"]).good(), "7:8\n9:10\n");
        scratch.wait_for_the_daemon_to_end();
    }
}

#[test]
fn its_command_is_in_no_fakeroot() {
    let scratch = Scratch::new();
    scratch.file("f", "");
    symlink("../bin/frng", scratch.path("fakeroot")).unwrap();
    let script = "chown 7:8 f; test -n \"$FAKEROOTKEY\"; frng --off sh -c 'stat -c %u f; printenv FAKEROOTKEY'";
    let own = std::fs::metadata(scratch.work()).unwrap().uid();
    let told = scratch.run(&["./fakeroot", "sh", "-ec", script]);
    assert_eq!((told.status, told.out, told.err), (1, format!("{own}\n"), String::new()));
}
