//! Whether this process is in a fake root already.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who traces this process.
#[derive(Debug, PartialEq, Eq)]
pub enum Outer {
    /// A daemon of frng, by its process id.
    Frng(u32),
    /// Somebody else, as a debugger.
    Other(u32),
}

/// Who traces this process, if anybody does.
pub fn outer() -> Option<Outer> {
    if let Some(outer) = crate::Outer::ask() {
        let daemon = outer.daemon as u32;
        return Some(if outer.is_off { Outer::Other(daemon) } else { Outer::Frng(daemon) });
    }
    let tracer = crate::traced_by()?;
    let program = format!("/proc/{tracer}/exe");
    Some(if is_frng(Path::new(&program)) { Outer::Frng(tracer) } else { Outer::Other(tracer) })
}

/// Whether a process runs frng: this program, or one by a name of frng's, of which none but frng traces.
fn is_frng(program: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let ours = identity(Path::new("/proc/self/exe"));
    let path = fs::read_link(program).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    matches!(name, "frng" | "fakeroot-ng" | super::NAME) || ours.is_some() && identity(program) == ours
}
