//! Prints the README's table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use frng_benches::stage::Stage;
use frng_benches::tool::Tool;
use frng_benches::{machine, plot, table, workload};
use lexopt::prelude::*;

const HELP: &str = "\
Usage: frng-bench [--rounds N] [--only TEXT] [--without TOOL]... [--svg FILE [--of PAGE]]

Measures native, frng's engines and every installed peer (fakeroot, pseudo, proot) side by side and prints the medians
of N rounds (default 5) as a Markdown table; with --only the rows with TEXT in their title, without tools that have TOOL in
their name. With --svg they are plotted, too, as multiples of the native run; with --of nothing is measured, and the table in
the Markdown page PAGE is plotted. Everything runs as an unprivileged user, also when started by root.
frng is taken from this program's own directory. The scratch directory is made in TMPDIR: in a tmpfs, TMPDIR=/dev/shm say,
cp and rm do not measure the disk.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("frng-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut rounds = 5;
    let mut only = String::new();
    let mut without = Vec::new();
    let mut svg: Option<PathBuf> = None;
    let mut page: Option<PathBuf> = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("rounds") => {
                let value = parser.value().and_then(|value| value.parse());
                rounds = value.map_err(|error| error.to_string())?;
            }
            Long("only") => {
                let value = parser.value().and_then(|value| value.string());
                only = value.map_err(|error| error.to_string())?;
            }
            Long("without") => {
                let value = parser.value().and_then(|value| value.string());
                without.push(value.map_err(|error| error.to_string())?);
            }
            Long("svg") => svg = Some(parser.value().map_err(|error| error.to_string())?.into()),
            Long("of") => page = Some(parser.value().map_err(|error| error.to_string())?.into()),
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if let Some(page) = page {
        let text = fs::read_to_string(&page).map_err(|error| format!("cannot read {}: {error}", page.display()))?;
        return draw(&text, &svg.ok_or("--of needs --svg: where to plot to")?);
    }
    let own = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let mut stage = Stage::new(own.parent().unwrap_or(&own))?;
    for tool in Tool::ALL.iter().filter(|tool| !stage.tools().contains(tool)) {
        eprintln!("frng-bench: {} is not here", tool.name());
    }
    stage.leave_out(&without);
    let mut progress = |what: &str| eprintln!("{what}");
    let workloads: Vec<_> = workload::ALL.iter().filter(|row| row.title().contains(&only)).copied().collect();
    let table = table::measure(&stage, &workloads, rounds, &mut progress);
    println!("{}; medians of {rounds} rounds.\n\n{table}", machine::describe(&stage));
    svg.map_or(Ok(()), |file| draw(&table, &file))
}

fn draw(text: &str, file: &Path) -> Result<(), String> {
    fs::write(file, plot::svg(text)?).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
