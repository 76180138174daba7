//! Case programs of the other ABIs whose programs this frng can run: built when the first test needs one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use frng_cli::abis::ABIS;

use crate::trials::installed;

/// How programs of an ABI are built.
struct Target {
    abi: &'static str,
    triple: &'static str,
    linker: &'static str,
}

const TARGETS: &[Target] = &[
    Target { abi: "i386", triple: "i686-unknown-linux-gnu", linker: "i686-linux-gnu-gcc" },
    Target { abi: "arm", triple: "armv7-unknown-linux-gnueabihf", linker: "arm-linux-gnueabihf-gcc" },
];

/// Names of the ABIs beside that of frng itself.
pub fn abis() -> impl Iterator<Item = &'static str> {
    ABIS.iter().skip(1).map(|abi| abi.name())
}

/// The name of frng's own ABI.
pub fn own_abi() -> &'static str {
    ABIS[0].name()
}

/// The case program of an ABI: `FRNG_TEST_CASE_I386` (or another name in capitals) if set, else `frng-case-i386` of
/// `FRNG_TEST_HOME`, else built now.
///
/// # Errors
/// Why there is none, for a test that is skipped.
pub fn case(abi: &str) -> Result<PathBuf, String> {
    let variable = format!("FRNG_TEST_CASE_{}", abi.to_uppercase());
    if let Some(path) = env::var_os(&variable) {
        return Ok(path.into());
    }
    if let Some(path) = installed(&format!("frng-case-{abi}")).filter(|path| path.is_file()) {
        return Ok(path);
    }
    let target = TARGETS.iter().find(|target| target.abi == abi);
    let target = target.ok_or_else(|| format!("no target is known for {abi}; {variable} can name a frng-case"))?;
    build(target).map_err(|why| format!("no frng-case for {abi} ({why}); {variable} can name one"))
}

fn build(target: &Target) -> Result<PathBuf, String> {
    let exe = env::current_exe().map_err(|e| e.to_string())?;
    // TARGET_DIR/PROFILE/deps/conformance-HASH
    let target_dir = exe.ancestors().nth(3).ok_or("this test is in no target directory")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "frng-tests", "--bin", "frng-case", "--target", target.triple]);
    cargo.arg("--target-dir").arg(target_dir).current_dir(env!("CARGO_MANIFEST_DIR"));
    let prefix = format!("CARGO_TARGET_{}", target.triple.to_uppercase().replace('-', "_"));
    // Static, so that no libraries of that ABI need be installed.
    for (setting, value) in [("LINKER", target.linker), ("RUSTFLAGS", "-Ctarget-feature=+crt-static")] {
        let variable = format!("{prefix}_{setting}");
        if env::var_os(&variable).is_none() {
            cargo.env(variable, value);
        }
    }
    let output = cargo.output().map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let line = told.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed").to_owned();
        return Err(line);
    }
    Ok(Path::new(target_dir).join(target.triple).join("debug/frng-case"))
}
