//! Runs one conformance case in the current directory and prints what the program saw.

use std::path::Path;
use std::process::ExitCode;

use frng_tests::crashes::{self, Loss};
use frng_tests::{cases, mazes, roles, stage, walks};

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
        // So many random walks, one after another.
        ["walks", first, count] => match (first.parse::<u64>(), count.parse::<u64>()) {
            (Ok(first), Ok(count)) => {
                stage::open_the_curtain();
                for seed in first..first + count {
                    println!("walk {seed}");
                    walks::play(&walks::drawn(seed, None));
                }
                ExitCode::SUCCESS
            }
            _ => usage("usage: frng-case walks FIRST-SEED COUNT"),
        },
        // Some steps of one walk; how many it has; and the same as the source of a case.
        ["walk", seed, steps] => match (seed.parse(), indices(steps)) {
            (Ok(seed), Some(steps)) => {
                stage::open_the_curtain();
                walks::play(&walks::drawn(seed, Some(&steps)));
                ExitCode::SUCCESS
            }
            _ => usage("usage: frng-case walk SEED STEP,STEP,..."),
        },
        ["walk-length", seed] if seed.parse::<u64>().is_ok() => {
            println!("{}", walks::drawn(seed.parse().unwrap_or(0), None).len());
            ExitCode::SUCCESS
        }
        ["walk-source", seed, steps] => match (seed.parse(), indices(steps)) {
            (Ok(seed), Some(steps)) => {
                print!("{}", walks::source(&walks::drawn(seed, Some(&steps))));
                ExitCode::SUCCESS
            }
            _ => usage("usage: frng-case walk-source SEED STEP,STEP,..."),
        },
        // Writers without end in the current directory, and what must be left of them: all, or what was done before a time.
        ["crash-write", seed, processes] => match (seed.parse(), processes.parse()) {
            (Ok(seed), Ok(processes)) => report(crashes::write(seed, processes).map_err(|error| error.to_string())),
            _ => usage("usage: frng-case crash-write SEED PROCESSES"),
        },
        ["crash-check"] => report(crashes::check(Loss::Nothing).map(|counts| println!("{} {}", counts.0, counts.1))),
        ["crash-check", time] => match time.parse() {
            Ok(time) => report(crashes::check(Loss::After(time)).map(|counts| println!("{} {}", counts.0, counts.1))),
            _ => usage("usage: frng-case crash-check [NANOSECONDS]"),
        },
        ["crash-damage", file, kind, seed, ref old @ ..] => match seed.parse() {
            Ok(seed) => {
                let old = old.first().map(Path::new);
                report(crashes::damage(Path::new(file), kind, seed, old).map_err(|error| error.to_string()))
            }
            _ => usage("usage: frng-case crash-damage FILE KIND SEED [OLD-FILE]"),
        },
        ["now"] => {
            println!("{}", crashes::now());
            ExitCode::SUCCESS
        }
        ["role", role, ..] => roles::play(role, &words[2..]),
        _ => usage("usage: frng-case list | run NAME"),
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("frng-case: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Numbers with commas between them.
fn indices(text: &str) -> Option<Vec<usize>> {
    text.split(',').map(|index| index.parse().ok()).collect()
}

fn usage(message: &str) -> ExitCode {
    eprintln!("frng-case: {message}");
    ExitCode::from(2)
}
