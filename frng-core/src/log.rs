//! The log that `-l FILE` asks for.
//!
//! A thread of its own writes it, from a buffer of bounded size, so that a reader who does not read, or a filesystem that does not answer, keeps
//! nobody waiting for longer than [`PATIENCE`]. What then finds no room is left out, and the log says how many lines that were.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a line may keep the one who writes it waiting.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the end of the log waits for a reader who reads nothing at all.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Bytes that wait to be written: when writing begins, and when there is no room for more.
const ENOUGH: usize = 64 * 1024;
const FULL: usize = 1024 * 1024;

/// Bytes written at a time.
const PIECE: usize = 64 * 1024;

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
pub struct Log(Option<Arc<Handle>>);

struct Handle {
    start: Instant,
    /// The least important level that is written.
    level: Level,
    flush: bool,
    shared: Arc<Shared>,
}

/// What those who write lines and the thread that writes the file have in common.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    work: Condvar,
    /// Something was taken or written.
    progress: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Lines that the writing thread has not taken yet.
    waiting: Vec<u8>,
    /// How many lines were added, and how many of them are in the file.
    added: u64,
    written: u64,
    /// How many pieces were written.
    pieces: u64,
    /// Lines without room, since this was last told.
    left_out: u64,
    /// Not to be written some time, but now.
    urgent: bool,
    /// Somebody has waited in vain: nobody waits before something was written.
    stuck: bool,
    /// No more lines are added.
    ended: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic is done with it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `condition` holds, but not for long, and not at all if somebody just has.
    fn wait_while<'a>(
        &self,
        mut queue: MutexGuard<'a, Queue>,
        condition: impl Fn(&Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        if !condition(&queue) || queue.stuck {
            return queue;
        }
        let wait = self.progress.wait_timeout_while(queue, PATIENCE, |queue| condition(queue));
        queue = wait.unwrap_or_else(PoisonError::into_inner).0;
        queue.stuck |= condition(&queue);
        queue
    }

    fn add(&self, line: &str, now: bool, flush: bool) {
        let mut queue = self.wait_while(self.queue(), |queue| queue.waiting.len() >= FULL);
        if queue.waiting.len() >= FULL {
            queue.left_out += 1;
            return;
        }
        queue.waiting.extend_from_slice(line.as_bytes());
        queue.added += 1;
        let number = queue.added;
        if (now || queue.waiting.len() >= ENOUGH) && !queue.urgent {
            queue.urgent = true;
            self.work.notify_one();
        }
        if flush {
            drop(self.wait_while(queue, |queue| queue.written < number));
        }
    }

    /// Has everything written, unless nothing at all is for a while.
    fn finish(&self, ends: bool) {
        let mut queue = self.queue();
        let goal = queue.added;
        queue.urgent = true;
        queue.ended |= ends;
        self.work.notify_one();
        while queue.written < goal {
            let before = queue.pieces;
            let wait = self.progress.wait_timeout_while(queue, LAST_PATIENCE, |queue| queue.pieces == before);
            queue = wait.unwrap_or_else(PoisonError::into_inner).0;
            if queue.pieces == before {
                return;
            }
        }
    }

    /// Is the thread that writes the file.
    fn write_to(&self, mut file: File) {
        let mut lines = Vec::new();
        loop {
            let wait = self.work.wait_while(self.queue(), |queue| !queue.urgent);
            let mut queue = wait.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut queue.waiting, &mut lines);
            let goal = queue.added;
            let left_out = std::mem::take(&mut queue.left_out);
            queue.urgent = false;
            let ends = queue.ended;
            drop(queue);
            self.progress.notify_all();
            if left_out > 0 {
                // Into memory, which cannot fail.
                let _ = writeln!(lines, "  ... {left_out} lines are missing: the log could not be written fast enough");
            }
            for piece in lines.chunks(PIECE) {
                // Nothing is done about a full disk: a log must not end what it describes.
                let _ = file.write_all(piece);
                let mut queue = self.queue();
                queue.pieces += 1;
                queue.stuck = false;
                drop(queue);
                self.progress.notify_all();
            }
            lines.clear();
            self.queue().written = goal;
            self.progress.notify_all();
            if ends {
                return;
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.finish(true);
    }
}

impl Log {
    /// A log that writes nothing.
    pub const fn off() -> Log {
        Log(None)
    }

    /// A log that writes every level up to `level` to a file. Lines of [`Level::Debug`], which are many, are
    /// buffered; with `flush` each line is in the file when it has been written, if that does not take too long.
    ///
    /// # Errors
    /// What keeps a thread from being started.
    pub fn to_file(file: File, level: Level, flush: bool) -> io::Result<Log> {
        let shared = Arc::<Shared>::default();
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).stack_size(128 * 1024).spawn(move || writer.write_to(file))?;
        Ok(Log(Some(Arc::new(Handle { start: Instant::now(), level, flush, shared }))))
    }

    /// Whether lines of this level are written.
    #[inline]
    pub fn enabled(&self, level: Level) -> bool {
        match &self.0 {
            Some(handle) => level <= handle.level,
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

    /// Writes one line: seconds since the start, level, text.
    pub fn write(&self, level: Level, line: fmt::Arguments<'_>) {
        let Some(handle) = &self.0 else { return };
        if level > handle.level {
            return;
        }
        let now = handle.start.elapsed();
        let line = format!("{:6}.{:06} {level:5} {line}\n", now.as_secs(), now.subsec_micros());
        handle.shared.add(&line, handle.flush || level < Level::Debug, handle.flush);
    }

    /// Has everything written that is still buffered, unless nobody reads it.
    pub fn flush(&self) {
        if let Some(handle) = &self.0 {
            handle.shared.finish(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_line_has_time_level_and_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Log::to_file(File::create(&path).unwrap(), Level::Info, false).unwrap();
        log.clone().info(format_args!("{} tracees", 3));
        log.debug(format_args!("not written"));
        log.flush();
        let text = fs::read_to_string(&path).unwrap();
        let mut words = text.split_whitespace();
        assert!(words.next().unwrap().parse::<f64>().unwrap() < 60.0);
        assert_eq!(words.collect::<Vec<_>>(), ["info", "3", "tracees"]);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn with_flush_a_line_is_in_the_file_when_it_has_been_written() {
        let directory = tempfile::tempdir().unwrap();
        for level in [Level::Error, Level::Info, Level::Debug] {
            let path = directory.path().join(format!("{level}"));
            let log = Log::to_file(File::create(&path).unwrap(), Level::Debug, true).unwrap();
            log.write(level, format_args!("here"));
            assert!(fs::read_to_string(&path).unwrap().ends_with(" here\n"));
        }
    }

    #[test]
    fn without_flush_what_matters_is_in_the_file_soon() {
        let directory = tempfile::tempdir().unwrap();
        for level in [Level::Error, Level::Info] {
            let path = directory.path().join(format!("{level}"));
            let log = Log::to_file(File::create(&path).unwrap(), Level::Debug, false).unwrap();
            log.write(level, format_args!("here"));
            let begin = Instant::now();
            while !fs::read_to_string(&path).unwrap().ends_with(" here\n") {
                assert!(begin.elapsed() < Duration::from_secs(10), "{level}");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn the_end_of_the_last_clone_writes_what_is_buffered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Log::to_file(File::create(&path).unwrap(), Level::Debug, false).unwrap();
        for number in 0..1000 {
            log.debug(format_args!("{number}"));
        }
        drop(log);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1000);
    }

    /// A log into a pipe, and its other end.
    fn piped(flush: bool) -> (Log, File) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let file = |fd: OwnedFd| File::from(fd);
        (Log::to_file(file(writer), Level::Debug, flush).unwrap(), file(reader))
    }

    #[test]
    fn a_reader_who_does_not_read_keeps_nobody_waiting_and_is_told_what_is_missing() {
        const LINES: usize = 50_000;
        for flush in [false, true] {
            let (log, mut reader) = piped(flush);
            let begin = Instant::now();
            for number in 0..LINES {
                log.debug(format_args!("{number:100}"));
            }
            log.flush();
            // Some waited: for room, for the line to be in the file, for the end.
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
            let text = thread::spawn(move || {
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                text
            });
            drop(log);
            let text = text.join().unwrap();
            let missing = text.lines().find(|line| line.contains("lines are missing")).unwrap();
            let missing: usize = missing.split_whitespace().nth(1).unwrap().parse().unwrap();
            assert_eq!(text.lines().count() - 1 + missing, LINES);
        }
    }

    #[test]
    fn a_slow_reader_who_reads_gets_every_line() {
        let (log, mut reader) = piped(false);
        let text = thread::spawn(move || {
            let (mut text, mut part) = (Vec::new(), vec![0; 64 * 1024]);
            while let Ok(len @ 1..) = reader.read(&mut part) {
                text.extend_from_slice(&part[..len]);
                thread::sleep(Duration::from_millis(1));
            }
            text
        });
        for number in 0..30_000 {
            log.debug(format_args!("{number:100}"));
        }
        drop(log);
        assert_eq!(text.join().unwrap().iter().filter(|byte| **byte == b'\n').count(), 30_000);
    }

    #[test]
    fn off_is_off() {
        let log = Log::off();
        assert!(!log.enabled(Level::Error));
        log.error(format_args!("nowhere"));
        log.flush();
    }
}
