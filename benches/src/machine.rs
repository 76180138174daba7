//! What was measured on.

use std::ffi::OsStr;
use std::fs;

use crate::stage::Stage;
use crate::tool::Tool;

/// Kernel, processors and the versions of the peers, in one line.
pub fn describe(stage: &Stage) -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = cpus
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| Some(line.split_once(':')?.1.trim()))
        .collect();
    let mut parts = vec![format!("Linux {}", release.trim())];
    if let Some(model) = models.first() {
        parts.push(format!("{} × {model}", models.len()));
    }
    parts.extend(stage.tools().iter().filter_map(|tool| version(stage, *tool)));
    parts.join(", ")
}

/// Name and version of a peer.
fn version(stage: &Stage, tool: Tool) -> Option<String> {
    let (written, _) = stage.run(Tool::Native, &tool.version()?.map(OsStr::new)).ok()?;
    let version = written.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    Some(format!("{} {version}", tool.name()))
}
