//! Builds the crate `frng-agent` a second time: freestanding, optimized whatever the profile, and linked into an image
//! of its own. That needs other flags than the programs that carry it, so it is a cargo run of its own.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// CPUs that have an agent, as in the first word of a target's name, and what the compiler has to be told besides.
const CPUS: &[(&str, &[&str])] = &[
    ("x86_64", &[]),
    // No calls of helpers that find out, and remember, which instructions there are.
    ("aarch64", &["-Ctarget-feature=-outline-atomics"]),
];

/// What the image is made of, relative to the workspace.
const SOURCES: &[&str] =
    &["frng-agent", "frng-core/src", "frng-core/Cargo.toml", "frng-arch-aarch64", "frng-arch-x86_64", "Cargo.lock"];

const MAIN: &str = r#"//! The agent, and nothing else.
#![no_std]
#![no_main]

use frng_agent as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    frng_agent::abort()
}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let target = env::var("TARGET")?;
    let cpu = CPUS.iter().find(|(cpu, _)| target.split('-').next() == Some(cpu));
    let image = if let Some((_, flags)) = cpu {
        let image = build(&out, &workspace, &target, flags)?;
        format!("Some(include_bytes!({:?}))", image)
    } else {
        "None".to_owned()
    };
    fs::write(out.join("image.rs"), image)?;
    Ok(())
}

fn build(out: &Path, workspace: &Path, target: &str, more_flags: &[&str]) -> Result<PathBuf, Box<dyn Error>> {
    let package = out.join("package");
    fs::create_dir_all(package.join("src"))?;
    let manifest = format!(
        r#"[package]
name = "agent"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
frng-agent = {{ path = {:?} }}

[profile.release]
panic = "abort"
lto = "fat"
codegen-units = 1
"#,
        workspace.join("frng-agent")
    );
    write_if_changed(&package.join("Cargo.toml"), manifest.as_bytes())?;
    write_if_changed(&package.join("src/main.rs"), MAIN.as_bytes())?;
    // The same versions of everything.
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock"))?;
    let flags = [
        // An executable at any address. Not by crt-static, with which some targets are linked for a fixed one.
        "-Crelocation-model=pie",
        "-Clink-arg=-Wl,--no-dynamic-linker,-z,max-page-size=4096",
        "-Cforce-unwind-tables=yes",
        "-Clink-arg=-nostdlib",
        "-Clink-arg=-nostartfiles",
        "-Clink-arg=-Wl,--entry=frng_agent_entry,--build-id=none,-z,norelro,-z,noexecstack",
    ];
    let flags = [&flags, more_flags].concat();
    let built = out.join("target");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace)
        .args(["build", "--release", "--offline", "--quiet", "--target", target, "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&built)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        // What clippy and the like put around the compiler is meant for the crates that are looked at.
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_PROFILE_RELEASE_LTO")
        .status()?;
    if !status.success() {
        return Err(format!("the agent cannot be built for {target} ({status})").into());
    }
    Ok(built.join(target).join("release/agent"))
}

fn write_if_changed(path: &Path, content: &[u8]) -> std::io::Result<()> {
    match fs::read(path) {
        Ok(old) if old == content => Ok(()),
        _ => fs::write(path, content),
    }
}
