//! Every workload with every tool that is here, by criterion. frng must have been built with the same profile:
//! `cargo build --release && cargo bench -p frng-benches`.

use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use frng_benches::stage::Stage;
use frng_benches::workload::{self, Workload};

fn main() {
    let worker = Path::new(env!("CARGO_BIN_EXE_frng-bench-worker"));
    let stage = match Stage::new(worker.parent().unwrap_or(worker)) {
        Ok(stage) => stage,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    let mut criterion = Criterion::default().configure_from_args();
    for workload in workload::ALL {
        let mut group = criterion.benchmark_group(workload.title().replace('`', ""));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        if matches!(workload, Workload::Command { .. }) {
            group.sampling_mode(criterion::SamplingMode::Flat);
        }
        for tool in stage.tools() {
            // What a tool cannot do at all is left out.
            if let Err(error) = workload.run(&stage, *tool, 1) {
                eprintln!("{}: {error}", tool.name());
                continue;
            }
            group.bench_function(tool.name(), |bencher| {
                bencher.iter_custom(|times| match workload.run(&stage, *tool, times) {
                    Ok(took) => took,
                    Err(error) => panic!("{}: {error}", tool.name()),
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
