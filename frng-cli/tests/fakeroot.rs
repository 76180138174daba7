//! frng called as `fakeroot`, side by side with the real one where that is installed.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Done, Scratch, eventually, finish};

const REAL: &str = "/usr/bin/fakeroot";

/// A tree as packages and images have it.
const MAKE: &str = "
    set -e; umask 022
    mkdir t t/tmp t/spool
    mknod t/null c 1 3; mknod t/loop b 7 300; mknod t/fifo p; chmod 666 t/null
    echo a > t/plain; echo b > t/tool; ln t/tool t/link; ln -s plain t/symlink
    chown 7:8 t/plain; chown 4294967294:65534 t/tool; chmod 6755 t/tool
    chown -h 9:10 t/symlink; chown 0:12 t/spool; chmod 2775 t/spool; chmod 1777 t/tmp";

/// All of it, by names.
const SHOW: &str = "find t -exec stat -c '%n %F %a %u %g %t:%T %h' {} + | sort";

/// frng by the name of fakeroot, in a directory of its own: by name alone the real one is found.
fn ours(scratch: &Scratch) -> String {
    let link = scratch.path("fakeroot");
    if !link.exists() {
        symlink("../bin/frng", &link).unwrap();
    }
    link.display().to_string()
}

/// The real one, unless it is frng.
fn real() -> Option<&'static str> {
    let told = Command::new(REAL).arg("-v").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    (text.starts_with("fakeroot version") && !text.contains("frng")).then_some(REAL)
}

/// Runs a script by ours and, in another directory, by the real one, with options; both must end alike. Returns the output.
#[track_caller]
fn both(options: &[&str], script: &str) -> String {
    let scratch = Scratch::new();
    let run = |program: &str, directory: &str| {
        fs::create_dir(scratch.path(directory)).unwrap();
        scratch.give(&scratch.path(directory));
        let words = [&[program], options, &["sh", "-c", script]].concat();
        let mut command = scratch.command(&words);
        command.current_dir(scratch.path(directory));
        finish(command)
    };
    let done = run(&ours(&scratch), "ours");
    match real() {
        Some(real) => {
            let real = run(real, "real");
            assert_eq!((&done.out, done.status), (&real.out, real.status), "{done:?}\n{real:?}");
        }
        None => eprintln!("not compared: needs fakeroot"),
    }
    done.good()
}

/// Asserts that fakeroot itself has failed, with one line.
#[track_caller]
fn refused(done: Done, why: &str) {
    assert_eq!((done.status, done.out.as_str(), done.err.lines().count()), (1, "", 1), "{done:?}");
    assert!(done.err.starts_with("fakeroot: ") && done.err.contains(why), "{done:?}");
}

#[test]
fn archives_are_made_and_unpacked_alike() {
    let script = format!(
        "{MAKE}; {SHOW}; tar --sort=name --mtime=@0 -cf t.tar t; rm -r t; tar --numeric-owner -tvf t.tar; \
         mkdir u; tar -C u -xpf t.tar; cd u; {SHOW}"
    );
    let out = both(&[], &script);
    assert!(out.lines().any(|line| line.starts_with("crw-rw-rw- 0/0 ") && line.contains(" 1,3 1970")), "{out}");
    assert_eq!(out.matches("t/loop block special file 644 0 0 7:12c 1\n").count(), 2, "{out}");
    assert_eq!(out.matches("t/plain regular file 644 7 8 0:0 1\n").count(), 2, "{out}");
}

#[test]
fn copies_keep_what_they_are_to_keep() {
    let out = both(&[], &format!("{MAKE}; {SHOW}; mkdir c; cp -a t c; cd c; {SHOW}"));
    assert_eq!(out.matches("t/tool regular file 6755 4294967294 65534 0:0 2\n").count(), 2, "{out}");
    let out = both(&[], "echo a > a; install -o 5 -g 6 -m 4711 a b; install -d -o 7 d; stat -c '%n %a %u %g' b d");
    assert_eq!(out, "b 4711 5 6\nd 755 7 0\n");
}

#[test]
fn nodes_and_removed_ones_are_told_alike() {
    let script = "
        mknod a c 5 1; mknod b b 8 17; mknod c p; chown 3:4 b; stat -c '%n %F %a %u %g %t:%T' a b c
        mv b d; stat -c '%F %u %t:%T' d; rm a; echo x > a; stat -c '%F %u %g' a
        rm c d; mkdir d; stat -c '%F %u' d";
    let out = both(&[], script);
    assert!(out.ends_with("block special file 3 8:11\nregular file 0 0\ndirectory 0\n"), "{out}");
}

#[test]
fn extended_attributes_are_kept_alike() {
    if Command::new("setfattr").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("skipped: needs setfattr");
    }
    let script = "
        echo a > a; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 a
        setfattr -n user.note -v hello a; setfattr -n trusted.x -v 1 a
        cp --preserve=all a b; getfattr -d -m - -e hex a b
        setfattr -x trusted.x a; getfattr -d -m trusted a; chown 1 b; stat -c %u b";
    let out = both(&[], script);
    assert!(out.contains("trusted.x=0x31") && out.contains("user.note=0x68656c6c6f"), "{out}");
}

#[test]
fn unknown_files_look_like_roots_or_with_u_as_they_are() {
    let script =
        "id -u; touch n; chown 7 n; stat -c '%n %u %g' /etc/passwd n .; touch m; chown 0:0 .; stat -c '%u %g' . ";
    let out = both(&[], script);
    assert_eq!(out, "0\n/etc/passwd 0 0\nn 7 0\n. 0 0\n0 0\n");
    assert_eq!(
        both(&["-u"], "stat -c '%n %u' /etc/passwd ."),
        both(&["--unknown-is-real"], "stat -c '%n %u' /etc/passwd .")
    );
    // Where somebody else has a file it shows.
    let others = "/proc/1/limits";
    let (uid, scratch) = (fs::metadata(others).unwrap().uid(), Scratch::new());
    assert_eq!(scratch.run(&[&ours(&scratch), "-u", "stat", "-c", "%u", others]).good(), format!("{uid}\n"));
    let own = fs::metadata(scratch.work()).unwrap().uid();
    assert_eq!(scratch.run(&[&ours(&scratch), "-u", "stat", "-c", "%u", "."]).good(), format!("{own}\n"));
}

#[test]
fn the_command_ends_as_it_does_and_has_the_variables() {
    let scratch = Scratch::new();
    scratch.file("plain", "true\n");
    let programs: Vec<String> = [Some(ours(&scratch)), real().map(String::from)].into_iter().flatten().collect();
    for program in &programs {
        let status = |words: &[&str]| scratch.run(&[&[program.as_str()], words].concat()).status;
        assert_eq!(status(&["sh", "-c", "exit 42"]), 42);
        assert_eq!(status(&["sh", "-c", "kill -TERM $$"]), 128 + libc::SIGTERM);
        assert_eq!(status(&["--", "no-such-command"]), 127);
        assert_eq!(status(&["./plain"]), 126);
        for wrong in [&["-x", "true"][..], &["-s"], &["--nothing"], &["--f", "x"], &["-h"], &["--help"]] {
            let done = scratch.run(&[&[program.as_str()], wrong].concat());
            assert_eq!((done.status, done.out.as_str()), (1, ""), "{program} {wrong:?}: {done:?}");
            assert!(!done.err.is_empty());
        }
        let version = scratch.run(&[program, "-uv", "no-such-command"]).good();
        assert!(version.starts_with("fakeroot version 1."), "{version}");
        let script = "test \"$FAKEROOTKEY\" -gt 0 && echo $FAKED_MODE $FAKEROOT_FD_BASE";
        let mode =
            |options: &[&str]| scratch.run(&[&[program.as_str()], options, &["sh", "-c", script]].concat()).good();
        assert_eq!(mode(&[]), "unknown-is-root\n");
        assert_eq!(mode(&["-ub", "9"]), "unknown-is-real 9\n");
        let mut shell = scratch.command(&[program]);
        shell.env("SHELL", "/usr/bin/id");
        assert!(finish(shell).good().starts_with("uid=0(root) gid=0(root)"));
        let mut inside = scratch.command(&[program, "true"]);
        inside.env("FAKEROOTKEY", "17");
        let done = finish(inside);
        assert!(done.status == 1 && done.err.contains("FAKEROOTKEY") && done.err.contains("17"), "{done:?}");
    }
    let words = [&ours(&scratch), "-l", "/no/lib.so", "-f", "/no/faked", "id", "-u"];
    assert_eq!(scratch.run(&words).good(), "0\n");
}

#[test]
fn each_goes_on_with_what_the_other_has_saved() {
    let Some(real) = real() else { return eprintln!("skipped: needs fakeroot") };
    let scratch = Scratch::new();
    let ours = ours(&scratch);
    for (maker, reader) in [(ours.as_str(), real), (real, &ours), (&ours, &ours)] {
        let shown = scratch.run(&[maker, "-s", "saved", "sh", "-c", &format!("{MAKE}; {SHOW}")]).good();
        assert!(shown.contains("t/null character special file 666 0 0 1:3 1\n"), "{shown}");
        assert_eq!(scratch.run(&[reader, "-isaved", "sh", "-c", SHOW]).good(), shown, "{maker} {reader}");
        // -i alone does not save, the same file for both is safe.
        scratch.run(&[reader, "-i", "saved", "chown", "98", "t/plain"]).good();
        // chown(2) takes set-ID bits away, which the real one does not know.
        let script = "chown 99 t/tool; chmod 6755 t/tool";
        scratch.run(&[reader, "-i", "saved", "-s", "saved", "sh", "-c", script]).good();
        let changed = shown.replace(" 4294967294 65534 ", " 99 65534 ");
        assert_eq!(scratch.run(&[maker, "-i", "saved", "sh", "-c", SHOW]).good(), changed, "{maker} {reader}");
        fs::remove_dir_all(scratch.path("t")).unwrap();
        fs::remove_file(scratch.path("saved")).unwrap();
    }
    assert_eq!(fs::read_dir(scratch.work()).unwrap().count(), 1, "but the program nothing is left");
}

#[test]
fn a_saved_file_has_the_permissions_of_the_umask_or_those_it_had() {
    let scratch = Scratch::new();
    let ours = ours(&scratch);
    let script = format!(
        "umask 027; {ours} -s saved true; stat -c '%a %s' saved; chmod 604 saved; {ours} -s saved true; stat -c %a saved"
    );
    assert_eq!(scratch.run(&["sh", "-c", &script]).good(), "640 0\n604\n");
}

#[test]
fn what_cannot_be_loaded_or_saved_is_told_before_the_command_runs() {
    let scratch = Scratch::new();
    let ours = ours(&scratch);
    let done = scratch.run(&[&ours, "-i", "missing", "echo", "ran"]);
    assert_eq!((done.status, done.out.as_str()), (0, "ran\n"));
    assert_eq!(done.err, "fakeroot: database file `missing' does not exist.\n");
    scratch.file("bad", "garbage\n");
    refused(scratch.run(&[&ours, "-i", "bad", "touch", "ran"]), "cannot load bad: line 1, column 1: expected dev=");
    refused(scratch.run(&[&ours, "-s", "missing/saved", "touch", "ran"]), "cannot save to missing/saved: No such file");
    refused(scratch.run(&[&ours, "-s", ".", "touch", "ran"]), "cannot save to .: Is a directory");
    refused(scratch.run(&[&ours, "-s", "/proc/saved", "touch", "ran"]), "cannot save to /proc/saved: ");
    assert!(!scratch.path("ran").exists());
    // What goes wrong later is told, and kept.
    let script = "touch a; chown 5 a; rm -r d; exit 3";
    fs::create_dir(scratch.path("d")).unwrap();
    scratch.give(&scratch.path("d"));
    let done = scratch.run(&[&ours, "-s", "d/saved", "sh", "-c", script]);
    assert_eq!((done.status, done.err.lines().count()), (3, 1), "{done:?}");
    let place = done.err.split("it is in ").nth(1).unwrap().split(';').next().unwrap();
    assert!(fs::read_to_string(place).unwrap().contains("uid=5,"));
    assert!(Path::new(place).starts_with(scratch.work()), "{place}");
}

#[test]
fn a_fakeroot_in_a_fakeroot_runs_its_command_there() {
    let scratch = Scratch::new();
    let ours = ours(&scratch);
    let script = format!(
        "touch a; chown 5 a; {ours} -- sh -c 'stat -c %u a; chown 6 a; test \"$FAKEROOTKEY\" -gt 0'; echo $?; stat -c %u a; \
         env -i PATH=\"$PATH\" {ours} stat -c %u a; {ours} no-such-command 2>/dev/null; echo $?; {ours} -s saved true"
    );
    for outer in [&[ours.as_str()][..], &["frng"], &["frng", "--engine", "ptrace"]] {
        let done = scratch.run(&[outer, &["sh", "-c", &script]].concat());
        assert_eq!((done.out.as_str(), done.status), ("5\n0\n6\n6\n127\n", 1), "{done:?}");
        let told = "fakeroot: cannot load or save lies in a fakeroot: give -i and -s to the outer one\n";
        assert_eq!(done.err, told);
    }
}

#[test]
fn the_file_is_complete_when_the_command_has_ended_and_again_with_the_last_process() {
    let scratch = Scratch::new();
    let ours = ours(&scratch);
    let script = "touch a; chown 5 a; (until [ -e go ]; do sleep 0.1; done; chown 6 a) >/dev/null 2>&1 &";
    scratch.run(&[&ours, "-s", "saved", "sh", "-c", script]).good();
    let saved = || fs::read_to_string(scratch.path("saved")).unwrap();
    assert!(saved().contains("uid=5,"), "{}", saved());
    fs::write(scratch.path("go"), "").unwrap();
    scratch.wait_for_the_daemon_to_end();
    assert!(saved().contains("uid=6,"), "{}", saved());
}

#[test]
fn a_fifo_gets_the_lies_when_somebody_reads_it() {
    let scratch = Scratch::new();
    let ours = ours(&scratch);
    scratch.run(&["mkfifo", "fifo"]).good();
    scratch.run(&[&ours, "-s", "fifo", "sh", "-c", "touch a; chown 5 a"]).good();
    let text = scratch.run(&["cat", "fifo"]).good();
    assert!(text.contains(",uid=5,gid=0,") && text.lines().count() == 1, "{text}");
    eventually(|| scratch.daemon().is_none());
}

#[test]
fn packages_have_the_owners_and_nodes_that_the_real_one_gives_them() {
    if Command::new("dpkg-deb").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("skipped: needs dpkg-deb");
    }
    let script = "
        set -e; umask 022; mkdir -p p/DEBIAN p/usr/bin p/var/lib/x p/dev; echo '#!/bin/sh' > p/usr/bin/x
        printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' > p/DEBIAN/control
        chown 0:8 p/usr/bin/x; chmod 4755 p/usr/bin/x; chown 10:33 p/var/lib/x; chmod 2775 p/var/lib/x; mknod p/dev/x c 1 3
        export SOURCE_DATE_EPOCH=0; dpkg-deb -b p x.deb >/dev/null; dpkg-deb --fsys-tarfile x.deb | tar --numeric-owner -tv";
    let out = both(&[], script);
    assert!(
        out.contains("-rwsr-xr-x 0/8 ") && out.contains("drwxrwsr-x 10/33 ") && out.contains("crw-r--r-- 0/0 "),
        "{out}"
    );
}

/// A source package whose rules need root, and call fakeroot themselves.
const SOURCE: &str = r#"
    set -e; umask 022; mkdir -p x-1/debian; cd x-1/debian
    cat > control <<'END'
Source: x
Maintainer: x <x@example.org>
Section: misc
Priority: optional
Standards-Version: 4.6.0
Rules-Requires-Root: binary-targets

Package: x
Architecture: all
Description: x
END
    cat > changelog <<'END'
x (1) unstable; urgency=low

  * x

 -- x <x@example.org>  Mon, 01 Jan 2024 00:00:00 +0000
END
    cat > rules <<'END'
#!/usr/bin/make -f
clean build build-indep build-arch:
binary-arch:
binary binary-indep:
	test -n "$$FAKEROOTKEY" && test `id -u` = 0
	mkdir -p debian/x/DEBIAN debian/x/var/x
	install -o 5 -g 6 -m 4755 debian/rules debian/x/var/x/tool
	chown 33:34 debian/x/var/x
	mknod debian/x/var/node c 1 3
	dpkg-gencontrol -px -Pdebian/x
	dpkg-deb -b debian/x ..
END
    chmod 755 rules; cd ..; dpkg-buildpackage -rfakeroot -us -uc -b -d >../log 2>&1 || { cat ../log; exit 1; }
    dpkg-deb --fsys-tarfile ../x_1_all.deb | tar --numeric-owner -tv"#;

#[test]
fn dpkg_buildpackage_builds_the_package_that_it_builds_with_the_real_one() {
    if Command::new("dpkg-buildpackage").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("skipped: needs dpkg-buildpackage");
    }
    let build = |with_ours: bool| {
        let scratch = Scratch::new();
        let script = if with_ours {
            ours(&scratch);
            format!("PATH={}:$PATH; {SOURCE}", scratch.work().display())
        } else {
            SOURCE.to_owned()
        };
        let mut command = scratch.command(&["sh", "-c", &script]);
        command.env("HOME", scratch.work());
        finish(command).good()
    };
    let built = build(true);
    for line in ["drwxr-xr-x 33/34 ", "-rwsr-xr-x 5/6 ", "crw-r--r-- 0/0 "] {
        assert!(built.contains(line), "{line}: {built}");
    }
    match real() {
        Some(_) => assert_eq!(built, build(false)),
        None => eprintln!("not compared: needs fakeroot"),
    }
}
