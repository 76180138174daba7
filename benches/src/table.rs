//! The table of the README.

use std::fmt::Write;
use std::time::Duration;

use crate::stage::Stage;
use crate::tool::Tool;
use crate::workload::Workload;

/// How long one measurement of calls should take.
const CALLS_FOR: Duration = Duration::from_millis(100);

/// Measures workloads with every tool that is here, in `rounds` rounds in which the tools take turns, and returns the
/// medians as a Markdown table. `progress` is told what goes on, and what fails.
pub fn measure(stage: &Stage, workloads: &[Workload], rounds: usize, progress: &mut dyn FnMut(&str)) -> String {
    let tools = stage.tools();
    let mut table = String::from("| |");
    for tool in tools {
        let _ = write!(table, " {} |", tool.name());
    }
    let _ = write!(table, "\n|---|{}\n", "--:|".repeat(tools.len()));
    for workload in workloads {
        progress(workload.title());
        let mut samples: Vec<Vec<Duration>> = vec![Vec::new(); tools.len()];
        let counts: Vec<_> = tools.iter().map(|tool| count(stage, workload, *tool)).collect();
        for _ in 0..rounds {
            for ((tool, count), samples) in tools.iter().zip(&counts).zip(&mut samples) {
                let Ok(count) = count else { continue };
                match workload.run(stage, *tool, *count) {
                    Ok(took) => samples.push(took.div_f64(*count as f64)),
                    Err(error) => progress(&error),
                }
            }
        }
        for error in counts.iter().filter_map(|count| count.as_ref().err()) {
            progress(error);
        }
        let _ = write!(table, "| {} |", workload.title());
        for samples in &mut samples {
            let _ = write!(table, " {} |", median(samples).map_or_else(|| "fails".to_owned(), show));
        }
        table.push('\n');
    }
    table
}

/// How many times a workload is done in one measurement; doing it once before also warms up.
fn count(stage: &Stage, workload: &Workload, tool: Tool) -> Result<u64, String> {
    match workload {
        Workload::Command { .. } => workload.run(stage, tool, 1).map(|_| 1),
        Workload::Call { .. } => {
            let tries = 50;
            let one = workload.run(stage, tool, tries)?.div_f64(tries as f64);
            let fit = CALLS_FOR.as_nanos() / one.as_nanos().max(1);
            Ok(u64::try_from(fit).unwrap_or(u64::MAX).clamp(tries, 1_000_000))
        }
    }
}

fn median(samples: &mut [Duration]) -> Option<Duration> {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied()
}

/// With three digits, in the unit that fits.
fn show(duration: Duration) -> String {
    let nanoseconds = duration.as_secs_f64() * 1e9;
    let (value, unit) = match nanoseconds {
        0.0..100.0 => (nanoseconds, "ns"),
        0.0..1e6 => (nanoseconds / 1e3, "µs"),
        0.0..1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    let digits = match value {
        0.0..10.0 => 2,
        0.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let shown = |nanoseconds| show(Duration::from_nanos(nanoseconds));
        assert_eq!(shown(95), "95.0 ns");
        assert_eq!(shown(12_340), "12.3 µs");
        assert_eq!(shown(1_234_000), "1.23 ms");
        assert_eq!(shown(2_500_000_000), "2.50 s");
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        let mut samples = [3, 1, 2].map(Duration::from_secs);
        assert_eq!(median(&mut samples), Some(Duration::from_secs(2)));
        assert_eq!(median(&mut []), None);
    }
}
