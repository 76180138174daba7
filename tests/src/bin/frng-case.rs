//! Runs one conformance case in the current directory and prints what the program saw.

use std::process::ExitCode;

use frng_tests::{cases, mazes, roles, stage};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            for case in cases::all() {
                println!("{}", case.name());
            }
            ExitCode::SUCCESS
        }
        ["run", name] => match cases::all().find(|case| case.name() == name) {
            Some(case) => {
                stage::open_the_curtain();
                (case.play)();
                ExitCode::SUCCESS
            }
            None => usage(&format!("no case is named {name}")),
        },
        // The same in a root of its own, which it makes here.
        ["inside", name] => {
            stage::open_the_curtain();
            cases::root_exec::play_inside(name);
            ExitCode::FAILURE
        }
        // So many trees, and paths looked up in each.
        ["mazes", first, trees, paths] => match (first.parse::<u64>(), trees.parse::<u64>(), paths.parse()) {
            (Ok(first), Ok(trees), Ok(paths)) => {
                stage::open_the_curtain();
                for seed in first..first + trees {
                    if let Ok(name) = std::ffi::CString::new(seed.to_string()) {
                        mazes::play(seed, &name, paths);
                    }
                }
                ExitCode::SUCCESS
            }
            _ => usage("usage: frng-case mazes FIRST-SEED TREES PATHS"),
        },
        ["role", role, ..] => roles::play(role, &words[2..]),
        _ => usage("usage: frng-case list | run NAME"),
    }
}

fn usage(message: &str) -> ExitCode {
    eprintln!("frng-case: {message}");
    ExitCode::from(2)
}
