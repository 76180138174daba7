//! The log that `-l FILE` asks for.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something went wrong.
    Error,
    /// What the daemon does: sessions, programs, saving.
    Info,
    /// One line for every call that was answered.
    Debug,
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Error => "error",
            Level::Info => "info",
            Level::Debug => "debug",
        })
    }
}

/// Where the daemon's threads write what they do. Clones write to the same file.
///
/// A log without a file is the default: asking whether it is enabled then costs one comparison, and the arguments
/// of `format_args!` are not formatted.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Shared>>);

struct Shared {
    start: Instant,
    /// The least important level that is written.
    level: Level,
    flush: bool,
    file: Mutex<BufWriter<File>>,
}

impl Shared {
    fn file(&self) -> MutexGuard<'_, BufWriter<File>> {
        // A thread that panicked while it wrote has at worst left half a line.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// A log that writes nothing.
    pub const fn off() -> Log {
        Log(None)
    }

    /// A log that writes every level up to `level` to a file. Lines of [`Level::Debug`], which are many, are
    /// buffered unless `flush` is set.
    pub fn to_file(file: File, level: Level, flush: bool) -> Log {
        let file = Mutex::new(BufWriter::with_capacity(64 * 1024, file));
        Log(Some(Arc::new(Shared { start: Instant::now(), level, flush, file })))
    }

    /// Whether lines of this level are written.
    #[inline]
    pub fn enabled(&self, level: Level) -> bool {
        match &self.0 {
            Some(shared) => level <= shared.level,
            None => false,
        }
    }

    /// Whether [`Log::debug`] writes anything: to be asked before making its arguments costs something.
    #[inline]
    pub fn debug_enabled(&self) -> bool {
        self.enabled(Level::Debug)
    }

    /// Writes a line of [`Level::Error`].
    pub fn error(&self, line: fmt::Arguments<'_>) {
        self.write(Level::Error, line);
    }

    /// Writes a line of [`Level::Info`].
    pub fn info(&self, line: fmt::Arguments<'_>) {
        self.write(Level::Info, line);
    }

    /// Writes a line of [`Level::Debug`].
    pub fn debug(&self, line: fmt::Arguments<'_>) {
        self.write(Level::Debug, line);
    }

    /// Writes one line: seconds since the start, level, text. Nothing is done about a full disk: a log must not
    /// end what it describes.
    pub fn write(&self, level: Level, line: fmt::Arguments<'_>) {
        let Some(shared) = &self.0 else { return };
        if level > shared.level {
            return;
        }
        let mut file = shared.file();
        let now = shared.start.elapsed();
        let written = writeln!(file, "{:6}.{:06} {level:5} {line}", now.as_secs(), now.subsec_micros());
        if written.is_ok() && (shared.flush || level < Level::Debug) {
            // Ignored for the same reason.
            let _ = file.flush();
        }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn flush(&self) -> io::Result<()> {
        match &self.0 {
            Some(shared) => shared.file().flush(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_line_has_time_level_and_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Log::to_file(File::create(&path).unwrap(), Level::Info, false);
        log.clone().info(format_args!("{} tracees", 3));
        log.debug(format_args!("not written"));
        log.flush().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let mut words = text.split_whitespace();
        assert!(words.next().unwrap().parse::<f64>().unwrap() < 60.0);
        assert_eq!(words.collect::<Vec<_>>(), ["info", "3", "tracees"]);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn only_debug_lines_without_flush_are_buffered() {
        let directory = tempfile::tempdir().unwrap();
        for level in [Level::Error, Level::Info, Level::Debug] {
            for flush in [false, true] {
                let path = directory.path().join(format!("{level}{flush}"));
                let log = Log::to_file(File::create(&path).unwrap(), Level::Debug, flush);
                log.write(level, format_args!("here"));
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(text.ends_with(" here\n"), flush || level != Level::Debug);
            }
        }
    }

    #[test]
    fn off_is_off() {
        let log = Log::off();
        assert!(!log.enabled(Level::Error));
        log.error(format_args!("nowhere"));
        log.flush().unwrap();
    }
}
