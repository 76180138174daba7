//! `--leave` and `FRNG_LEAVE`: below these directories files are what they really are.

mod common;

use std::fs;

use common::{Done, Scratch, engines, finish};

/// The engines that there are here; without one, frng's choice.
fn choices() -> Vec<Vec<&'static str>> {
    let named = engines().iter().map(|engine| vec!["--engine", *engine]);
    named.chain([Vec::new()]).collect()
}

/// What can be seen and done in a directory: names by path, relative, through a link, by descriptor; what is made there and what is
/// refused.
const DO: &str = "cd here; touch f; mkdir d; ln -s f l; ln -s d e; chown 7:8 f; chown -h 7:8 l; chown 7 d e/; mknod null c 1 3; mknod p p
    install -m 4711 f g; chmod 6711 d; chmod 640 f; stat -c '%n %u:%g %a %F' . f d d/ l e g p ./d/../f $PWD/f ../here ../here/f ../link/f
    for i in *; do test -w $i && echo $i is ours; done; stat -L -c %u:%g /dev/fd/0 <f; stat -c %u - <f
    find . ! -name '.*' -printf '%p %y %U %m\n' | sort; umask 027; touch u; mkdir v; stat -c '%a' u v; setfattr -n trusted.x -v y f
    touch -d 2001-01-01 f; stat -c %y f; mv f w; stat -c %u w; ln w h; stat -c %h:%u h; rm w h; cp -a g k; stat -c %a:%u k; tar c k | tar tvn | cut -c1-20";

fn prepare(scratch: &Scratch) {
    fs::create_dir(scratch.path("here")).unwrap();
    scratch.give(&scratch.path("here"));
    std::os::unix::fs::symlink("here", scratch.path("link")).unwrap();
}

/// Without the scratch directory's own name, which differs.
fn told(scratch: &Scratch, done: Done) -> (i32, String, String) {
    let own = scratch.work().display().to_string();
    (done.status, done.out.replace(&own, "WORK"), done.err.replace(&own, "WORK"))
}

#[test]
fn what_is_left_alone_is_as_without_frng() {
    let native = Scratch::new();
    prepare(&native);
    let expected = told(&native, native.run(&["sh", "-c", DO]));
    for engine in choices() {
        let scratch = Scratch::new();
        prepare(&scratch);
        let words = [&["frng", "-p", "state"][..], &engine, &["--leave", "link", "sh", "-c", DO]].concat();
        assert_eq!(told(&scratch, scratch.run(&words)), expected, "{engine:?}");
        let listed = scratch.run(&["frng-state", "show", "state"]).good();
        assert!(!listed.contains("here"), "{engine:?}: {listed}");
        // Not left any more.
        let again = scratch.run(&["frng", "-p", "state", "stat", "-c", "%u:%g", "here", "here/d", "here/g"]).good();
        assert_eq!(again, "0:0\n".repeat(3), "{engine:?}");
    }
}

#[test]
fn the_rest_is_fooled_as_ever() {
    for engine in choices() {
        let scratch = Scratch::new();
        prepare(&scratch);
        let own = fs::metadata(scratch.work()).map(|work| std::os::unix::fs::MetadataExt::uid(&work)).unwrap();
        // A name that only begins like it; a lie that comes along with a file, and is there again when that is elsewhere.
        let script = "mkdir here2; touch f here2/f; chown 7:8 f here2/f; stat -c %u:%g f here2/f; mv f here; stat -c %u here/f
            chown 9 here/f; mv here/f .; stat -c %u:%g f; id -u; mknod here2/null c 1 3; stat -c %F here2/null; ls -ld /proc/self >/dev/null";
        let words = [&["frng"][..], &engine, &["--leave", "here", "--leave", "not-there", "sh", "-c", script]].concat();
        let done = scratch.run(&words);
        let expected = format!("7:8\n7:8\n{own}\n7:8\n0\ncharacter special file\n");
        assert_eq!(done.out, expected, "{engine:?}: {done:?}");
        assert_eq!(done.err.lines().count(), 1, "{done:?}");
        assert!(done.err.contains("Operation not permitted"), "{done:?}");
    }
}

#[test]
fn a_directory_in_another_root_may_be_left() {
    let scratch = Scratch::new();
    prepare(&scratch);
    for directory in ["root", "root/left", "root/other"] {
        fs::create_dir(scratch.path(directory)).unwrap();
        scratch.give(&scratch.path(directory));
    }
    let own = fs::metadata(scratch.work()).map(|work| std::os::unix::fs::MetadataExt::uid(&work)).unwrap();
    // A static program would do; where there is none, the host's are shown inside.
    for directory in
        ["bin", "usr", "lib", "lib64", "etc"].iter().filter(|name| std::path::Path::new("/").join(name).is_dir())
    {
        fs::create_dir(scratch.path(format!("root/{directory}"))).unwrap();
    }
    let mut words = vec!["frng", "--leave", "root/left", "--root", "root"];
    for directory in
        ["/bin", "/usr", "/lib", "/lib64", "/etc"].into_iter().filter(|name| std::path::Path::new(name).is_dir())
    {
        words.extend(["-b", directory]);
    }
    let script = "cd left; touch f ../other/f; chown 7 ../other/f; chown 7 f; stat -c %u f /left/f /other/f; mv ../other/f g; stat -c %u /left/g";
    words.extend(["sh", "-c", script]);
    let done = scratch.run(&words);
    assert_eq!(done.out, format!("{own}\n{own}\n7\n{own}\n"), "{done:?}");
    assert!(done.err.contains("Operation not permitted"), "{done:?}");
}

#[test]
fn the_environment_names_directories_too() {
    let scratch = Scratch::new();
    prepare(&scratch);
    fs::create_dir(scratch.path("there")).unwrap();
    scratch.give(&scratch.path("there"));
    let own = fs::metadata(scratch.work()).map(|work| std::os::unix::fs::MetadataExt::uid(&work)).unwrap();
    std::os::unix::fs::symlink("../bin/frng", scratch.path("fakeroot")).unwrap();
    for program in ["frng", "./fakeroot"] {
        let mut command = scratch.command(&[program, "stat", "-c", "%u", ".", "here", "there"]);
        command.env("FRNG_LEAVE", "here::there");
        assert_eq!(finish(command).good(), format!("0\n{own}\n{own}\n"), "{program}");
    }
    scratch.run(&["frng", "--leave", "no/where", "true"]).failed(&["no/where", "must be there"]);
    // A frng within leaves alone what the outer one does.
    let words = [
        "frng", "-p", "s", "--leave", "here", "frng", "-p", "s", "--leave", "there", "stat", "-c", "%u", ".", "here",
        "there",
    ];
    assert_eq!(scratch.run(&words).good(), format!("0\n{own}\n{own}\n"));
}
