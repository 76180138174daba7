//! `frng-state import` and `export`: states of other fake roots.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use frng_core::state::foreign::{self, Format};
use frng_core::state::{self, StateFile};

/// Adds the records of a file, or of stdin, to a state; returns what to tell the user.
pub fn import(state: &Path, from: Option<&Path>) -> Result<String, String> {
    let name = from.map_or("stdin".into(), |path| path.display().to_string());
    let mut text = Vec::new();
    let read = match from {
        Some(path) => File::open(path).and_then(|mut file| file.read_to_end(&mut text)),
        None => io::stdin().lock().read_to_end(&mut text),
    };
    read.map_err(|error| format!("cannot read {name}: {error}"))?;
    let imported = foreign::parse(&text).map_err(|broken| format!("cannot import {name}: {broken}"))?;
    let count = imported.len();
    let all = StateFile::change(state, |records| foreign::merge(records, imported))?;
    Ok(format!("{}: {count} lies imported, {} in all\n", state.display(), all.len()))
}

/// Writes a state to a file, or to stdout. What the format cannot hold is told on stderr.
pub fn export(state: &Path, to: Option<&Path>, format: Format) -> Result<(), String> {
    let records = state::read_unused(state)?;
    // The format holds less, and frng does not read it.
    if let Some(path) = to.filter(|path| is_same(path, state)) {
        return Err(format!("cannot export to {}: it is the state itself; name another file", path.display()));
    }
    let mut text = Vec::new();
    foreign::write(&records, format, &mut text).map_err(|error| format!("cannot export: {error}"))?;
    match to {
        Some(path) => {
            state::replace(path, &text, None).map_err(|error| format!("cannot write {}: {error}", path.display()))?
        }
        None => io::stdout().write_all(&text).map_err(|error| format!("cannot write to stdout: {error}"))?,
    }
    if let Some(lost) = foreign::what_is_lost(&records) {
        super::complain(&format!("the format cannot hold {lost}; they are not exported"));
    }
    Ok(())
}

/// Whether both names are of one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    identity(one).is_some_and(|one| identity(other) == Some(one))
}
