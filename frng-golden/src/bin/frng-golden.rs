//! Prints what this machine's kernel does, as RON: `frng-golden HEADERS`, where each line of the file HEADERS is the name of a
//! call and its number. `cross/golden` makes that file, boots a machine and runs this there.

use std::process::ExitCode;

fn main() -> ExitCode {
    let text = std::env::args_os().nth(1).ok_or_else(|| "usage: frng-golden HEADERS".to_owned());
    let text = text.and_then(|path| std::fs::read_to_string(path).map_err(|error| error.to_string()));
    match text.and_then(|text| frng_golden::capture::all(&text)).and_then(|golden| golden.print()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("frng-golden: {message}");
            ExitCode::FAILURE
        }
    }
}
