//! What the daemon does from its first to its last moment.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;

use nix::sys::signal::Signal;

use super::checkpoints::Checkpoints;
use super::end::{End, elsewhere, remove_socket};
use super::output_file::OutputFile;
use super::protocol::Reply;
use super::saves::Saves;
use super::sessions::{self, Sessions};
use super::socket::{Channel, Listener};
use super::{Options, mendable, process, server};
use crate::lie::LieTable;
use crate::log::{Level, Log};
use crate::state::live::LiveFile;
use crate::state::save_file::{self, SaveFile};
use crate::state::{StateFile, Table, reason};
use crate::stats::Stats;
use crate::tracer::{self, Callers, Tracer};

/// What a daemon has of a state file.
pub struct Persistent {
    /// Locked.
    pub state: StateFile,
    /// Its socket.
    pub listener: Listener,
}

/// What a daemon starts with.
pub struct Launch {
    /// What the invocation that starts it wants.
    pub options: Options,
    /// The connection to that invocation, which has a reservation from the beginning.
    pub first: Channel,
    /// `None` for a daemon that keeps nothing.
    pub persistent: Option<Persistent>,
}

/// Is the daemon. What goes wrong before it serves is told to the invocation that starts it.
pub fn run(launch: Launch) {
    let Launch { options, first, persistent } = launch;
    let (mut state, listener) = match persistent {
        Some(Persistent { state, listener }) => (Some(state), Some(listener)),
        None => (None, None),
    };
    match Daemon::start(&options, &first, state.as_mut(), listener) {
        Ok(daemon) => {
            drop(first);
            daemon.trace(state);
        }
        Err(why) => {
            if let Some(state) = &state {
                remove_socket(state);
                state.abandon();
                state.unlock();
            }
            // Hanging up on a message that was not read would overtake the reply. If the other side has died
            // meanwhile there is nobody to tell.
            let _ = first.receive();
            let _ = first.send(&Reply::Failed(why).encode());
        }
    }
}

/// A daemon that serves.
struct Daemon {
    tracer: Tracer,
    table: Arc<Table>,
    live: Option<LiveFile>,
    log: Log,
    callers: Callers,
    report: Option<(OutputFile, Rc<Stats>)>,
    save: Option<SaveFile>,
    directory: PathBuf,
    sessions: Sessions,
}

impl Daemon {
    fn start(
        options: &Options,
        first: &Channel,
        mut state: Option<&mut StateFile>,
        listener: Option<Listener>,
    ) -> Result<Daemon, String> {
        // With the directory and the umask of the invocation.
        let log_file = options.log.as_deref().map(|path| OutputFile::open(path, "the log")).transpose()?;
        let stats_file =
            options.stats.as_deref().map(|path| OutputFile::open(path, "the statistics file")).transpose()?;
        let save = options.exchange.save.as_deref().map(SaveFile::new).transpose()?;
        let loaded = options.exchange.load.as_deref().map(save_file::load).transpose()?;
        let mut keep: Vec<BorrowedFd<'_>> = vec![first.as_fd()];
        keep.extend(log_file.as_ref().map(OutputFile::as_fd));
        keep.extend(stats_file.as_ref().map(OutputFile::as_fd));
        keep.extend(listener.as_ref().map(Listener::as_fd));
        keep.extend(state.as_deref().into_iter().flat_map(|state| [state.file(), state.directory()]));
        let failed = |error: &io::Error| format!("cannot start the daemon: {}", mendable(error));
        process::settle(options.stay, &keep).map_err(|error| failed(&error))?;
        let log = match &log_file {
            Some(file) => file
                .duplicate()
                .and_then(|file| Log::to_file(file, Level::Debug, options.flush))
                .map_err(|error| failed(&error))?,
            None => Log::off(),
        };
        log_panics(&log);

        let (mut saved, mut recovered, mut made) = (Vec::new(), None, None);
        if let Some(state) = state.as_deref_mut() {
            saved = state.load()?;
            state.rehearse()?;
            recovered = state.recover()?;
            if recovered.is_some() {
                saved = state.load()?;
            }
            made = Some(live_table(state, options));
        }
        let (mut table, mut live, complaint) = match made {
            Some(Ok((table, live))) => (table, Some(live), None),
            // Then the checkpoints have to do.
            Some(Err(why)) => (Table::create(&options.memory)?, None, Some(why)),
            None => (Table::create(&options.memory)?, None, None),
        };
        table.load(saved)?;
        if let Some(records) = loaded {
            table.load(records)?;
        }
        let table = Arc::new(table);
        let (sender, orders) = channel();
        let callers = Callers::new(state.is_some() || stats_file.is_some() || save.is_some());
        let report = stats_file.map(|file| (file, Rc::new(Stats::default())));
        let stats = report.as_ref().map(|(_, stats)| Rc::clone(stats));
        let tracer = Tracer::new(options, table.clone(), log.clone(), orders, callers.clone(), stats)?;
        let way = sessions::Tracer { orders: sender, ring: tracer::ring, log: log.clone() };
        let sessions = Sessions::new(way);
        let reservation = sessions.reserve().ok_or("cannot start the daemon: it is ending")?;
        if let (Some(state), Some(live)) = (state.as_deref(), &mut live) {
            live.publish(state)?;
        }
        if let Some(recovered) = &recovered {
            // If it has died there is nobody to tell.
            let _ = first.send(&Reply::Told(recovered.to_string()).encode());
        }
        first
            .duplicate()
            .and_then(|first| server::start(&sessions, listener, first, reservation))
            .map_err(|error| failed(&error))?;
        // Nothing can be refused any more.
        if let Some(file) = log_file {
            file.begin().map_err(|error| failed(&error))?;
        }
        let pid = std::process::id();
        match state {
            Some(state) => {
                let lies = table.kinds().all;
                log.info(format_args!("daemon {pid} with {lies} lies from {}", state.path().display()));
            }
            None => log.info(format_args!("daemon {pid}")),
        }
        if let Some(recovered) = recovered {
            log.info(format_args!("{recovered}"));
        }
        if let Some(live) = &live {
            log.info(format_args!("the live table is {}", live.path().display()));
        }
        if let Some(why) = complaint {
            log.error(format_args!("{why}; should this daemon be killed, what is done in its last second is lost"));
        }
        let directory = options.memory.directory().to_owned();
        Ok(Daemon { tracer, table, live, log, callers, report, save, directory, sessions })
    }

    fn trace(mut self, state: Option<StateFile>) {
        let saves =
            self.save.map(|save| Rc::new(Saves::new(save, &self.table, &self.log, &self.callers, &self.directory)));
        if let Some(saves) = saves.clone() {
            self.tracer.at_end_of_command(Box::new(move || saves.save()));
        }
        let way = self.sessions.tracer().clone();
        let checkpoints = state.map(|state| Checkpoints::start(state, Arc::clone(&self.table), way));
        let mut end = End {
            checkpoints,
            live: self.live,
            saves,
            late: None,
            table: self.table,
            log: self.log.clone(),
            callers: self.callers,
            report: self.report,
            elsewhere: elsewhere(self.directory),
        };
        let traced = panic::catch_unwind(AssertUnwindSafe(|| {
            self.tracer.run(&mut || {
                let may_end = self.sessions.close();
                if may_end {
                    end.finish(self.sessions.used());
                }
                may_end
            })
        }));
        // In these cases tracees are left, which are killed when this process ends. What they have done up to now is better
        // saved than lost.
        match traced {
            Ok(None) => end.finish_late(),
            Ok(Some(signal)) => {
                self.sessions.end();
                let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
                end.finish(self.sessions.used());
                end.complain(&format!("the daemon was ended by {name}, which ends its commands too"));
            }
            Err(_) => {
                self.sessions.end();
                end.finish(self.sessions.used());
                end.complain("the daemon has failed, which ends its commands too: a bug in frng, see its log (-l)");
            }
        }
        self.log.info(format_args!("daemon ends"));
        self.log.flush();
    }
}

/// A table in a file that outlives us.
fn live_table(state: &StateFile, options: &Options) -> Result<(Table, LiveFile), String> {
    let live = LiveFile::create(state, &options.memory)?;
    let table = Table::create_live(&live)
        .map_err(|error| format!("cannot use {} for the live table: {}", live.path().display(), reason(&error)))?;
    Ok((table, live))
}

/// There is no terminal that would show them.
fn log_panics(log: &Log) {
    let log = log.clone();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        log.error(format_args!("bug: {what}"));
        previous(what);
    }));
}
