//! Programs for other CPUs in another root: `--qemu`, and emulators found by their names.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;

/// A static program that tells how it was called, what it is called and what it finds: an emulator that emulates nothing.
const EMULATOR: &str = r#"
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
int main(int count, char **words) {
  char name[16];
  struct stat file;
  for (int i = 1; i < count; i++) printf("%s|", words[i]);
  prctl(PR_GET_NAME, name);
  printf("%s|%d\n", name, stat("/inside", &file));
  return 7;
}
"#;

/// Compiles it; `None`, said, where there is no C compiler or libc for it.
fn emulator(at: &Path, flag: &str) -> Option<PathBuf> {
    let (source, program) = (at.join("emulator.c"), at.join(format!("emulator{flag}")));
    fs::write(&source, EMULATOR).unwrap();
    match Command::new("gcc").arg(flag).arg("-o").arg(&program).arg(&source).status() {
        Ok(status) if status.success() => Some(program),
        _ => {
            eprintln!("skipped: no C compiler for static programs");
            None
        }
    }
}

/// A root with a program for a CPU that nobody has: a Motorola 68000.
fn root(at: &Path) -> PathBuf {
    let root = at.join("root");
    fs::create_dir(&root).unwrap();
    let mut head = [0; 64];
    head[..6].copy_from_slice(b"\x7fELF\x01\x02");
    head[18..20].copy_from_slice(&4u16.to_be_bytes());
    fs::write(root.join("prog"), head).unwrap();
    fs::write(root.join("script"), "#!/prog one word\n").unwrap();
    fs::write(root.join("inside"), "").unwrap();
    symlink("/prog", root.join("link")).unwrap();
    for name in ["prog", "script"] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

#[test]
fn a_foreign_program_is_run_by_the_emulator_that_is_named() {
    let scratch = Scratch::new();
    let Some(emulator) = emulator(&scratch.work(), "-static") else { return };
    let root = root(&scratch.work());
    let told = |command: &[&str]| {
        let mut words = vec!["frng", "--qemu", emulator.to_str().unwrap(), "--root", root.to_str().unwrap()];
        words.extend_from_slice(command);
        let done = scratch.run(&words);
        assert_eq!(done.status, 7, "{done:?}");
        done.out
    };
    assert_eq!(told(&["/prog", "a", "b c"]), "-0|/prog|/prog|a|b c|prog|0\n");
    assert_eq!(told(&["/link"]), "-0|/link|/link|link|0\n");
    assert_eq!(told(&["/script", "a"]), "-0|/prog|/prog|one word|/script|a|script|0\n");
}

#[test]
fn an_emulator_is_found_by_its_name() {
    let scratch = Scratch::new();
    let Some(emulator) = emulator(&scratch.work(), "-static") else { return };
    let root = root(&scratch.work());
    let bin = scratch.path("emulators");
    fs::create_dir(&bin).unwrap();
    fs::rename(emulator, bin.join("qemu-m68k-static")).unwrap();
    let with_path = |path: &str| {
        let mut command = scratch.command(&["frng", "-l", "log", "--root", root.to_str().unwrap(), "/prog"]);
        command.env("PATH", path);
        finish(command)
    };
    // Without the directories where this machine may have its own.
    assert_eq!(with_path(&format!("/nowhere:{}", bin.display())).status, 7);
    // It is not tried as a script.
    let without = with_path("/nowhere");
    assert_eq!(without.status, 126, "{without:?}");
    assert_eq!(without.err, "frng: cannot execute /prog: Exec format error: it is a program for m68k\n");
    let line =
        "/prog is not executed (ENOEXEC): it is a program for m68k, and there is no static emulator qemu-m68k-static";
    let said = || fs::read_to_string(scratch.path("log")).is_ok_and(|log| log.contains(line));
    eventually(said);
}

#[test]
fn what_cannot_be_an_emulator_is_refused_in_a_line() {
    let scratch = Scratch::new();
    let refused = |name: &str, why: &str| {
        scratch.run(&["frng", "--qemu", name, "true"]).failed(&["cannot use the emulator", name, why]);
    };
    refused("/nowhere", "No such file");
    refused("/etc/passwd", "it is not executable");
    if let Some(dynamic) = emulator(&scratch.work(), "-pie") {
        refused(dynamic.to_str().unwrap(), "it is not static");
    }
}
