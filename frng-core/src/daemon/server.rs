//! The threads of the daemon that talk to invocations.
//!
//! One thread accepts connections and takes signals. A connection that has said something gets a thread of its own for its two
//! questions, so that nobody, however slow, makes another one wait. Those that say nothing cost a descriptor each, and there are only so
//! many of them: the oldest are hung up on.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::mendable;
use super::process::expected_signals;
use super::protocol::{Reply, Request};
use super::sessions::{Reservation, Sessions};
use super::socket::{Channel, Listener};
use crate::policy::{NullPaths, Protected, Settings};
use crate::proc_text;
use crate::tracer::{Attach, Engine, Order};

/// Bytes of a connection thread's stack.
const STACK: usize = 128 * 1024;

/// Between two attempts to do what a limit keeps us from.
const PAUSE: Duration = Duration::from_millis(50);

/// How many connections may be silent at a time, and how long. An invocation says at once what it wants.
const SILENT: usize = 128;
const SILENCE: Duration = Duration::from_secs(10);

/// How long an invocation may take between its two questions.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the thread of a connection is tried to be started.
const ATTEMPTS: u32 = 10;

/// Starts serving: connections to `listener`, if there is one, and `first`, which has its reservation already.
/// [`expected_signals`] must be blocked in the caller, so that they are in all threads.
///
/// # Errors
/// What keeps threads from being started.
pub fn start(
    sessions: &Sessions,
    listener: Option<Listener>,
    first: Channel,
    reservation: Reservation,
) -> io::Result<()> {
    let last_cap = last_cap();
    let signals = SignalFd::with_flags(&expected_signals(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    converse(&Arc::new(first), Some(reservation), sessions, last_cap)?;
    let sessions = sessions.clone();
    let server = Server { sessions, listener, signals, last_cap, silent: VecDeque::new() };
    thread::Builder::new().name("server".into()).spawn(move || server.serve())?;
    Ok(())
}

struct Server {
    sessions: Sessions,
    listener: Option<Listener>,
    signals: SignalFd,
    last_cap: u32,
    /// Connections that have not said anything yet, and since when; the oldest first.
    silent: VecDeque<(Channel, Instant)>,
}

impl Server {
    fn serve(mut self) {
        loop {
            let mut events = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            events.extend(self.listener.as_ref().map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)));
            events.extend(self.silent.iter().map(|(channel, _)| PollFd::new(channel.as_fd(), PollFlags::POLLIN)));
            let patience = self.silent.front().map(|(_, since)| SILENCE.saturating_sub(since.elapsed()));
            let patience = patience.map_or(PollTimeout::NONE, |time| time.try_into().unwrap_or(PollTimeout::MAX));
            match poll(&mut events, patience) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return self.complain("cannot wait for connections", error.into()),
            }
            let mut ready = events.iter().map(|event| event.any() == Some(true));
            let signal = ready.next() == Some(true);
            let connection = self.listener.is_some() && ready.next() == Some(true);
            let speaking: Vec<bool> = ready.collect();
            if signal {
                self.take_signals();
            }
            self.listen_to(&speaking);
            if connection {
                self.accept();
            }
        }
    }

    fn take_signals(&self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let signal = signal.ssi_signo as i32;
            self.sessions.tracer().order(match signal {
                libc::SIGALRM => Order::Dump,
                _ => Order::Terminate(signal),
            });
        }
    }

    fn accept(&mut self) {
        match self.listener.as_ref().map(Listener::accept) {
            Some(Ok(channel)) => self.silent.push_back((channel, Instant::now())),
            // Most likely out of descriptors.
            Some(Err(error)) => {
                self.complain("cannot accept a connection", error);
                if self.silent.pop_front().is_none() {
                    // Those in use will be freed, and it waits for us.
                    thread::sleep(PAUSE);
                }
            }
            None => {}
        }
        if self.silent.len() > SILENT {
            self.silent.pop_front();
        }
    }

    /// Gives a thread to each silent connection that is not any more, and hangs up on those that were silent for too long.
    fn listen_to(&mut self, speaking: &[bool]) {
        let mut silent = VecDeque::with_capacity(self.silent.len());
        for (index, (channel, since)) in std::mem::take(&mut self.silent).into_iter().enumerate() {
            if speaking.get(index) == Some(&true) {
                self.talk(Arc::new(channel));
            } else if since.elapsed() < SILENCE {
                silent.push_back((channel, since));
            }
        }
        self.silent = silent;
    }

    fn talk(&self, channel: Arc<Channel>) {
        for attempt in 1.. {
            match converse(&channel, None, &self.sessions, self.last_cap) {
                Ok(()) => return,
                // Most likely out of threads; those in use will be freed.
                Err(_) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(error) => {
                    refuse(&channel, &format!("cannot join the commands that use this state: {}", mendable(&error)));
                    return self.complain("cannot serve a connection", error);
                }
            }
        }
    }

    fn complain(&self, what: &str, error: io::Error) {
        self.sessions.tracer().log.error(format_args!("{what}: {error}"));
    }
}

/// Tells an invocation that nobody can talk to it.
fn refuse(channel: &Channel, why: &str) {
    // Hanging up on a message that was not read would overtake the reply. It is sent at once, by all who mean well.
    let _ = channel.receive_within(PAUSE);
    // If it has died there is nobody to tell.
    let _ = channel.send(&Reply::Failed(why.into()).encode());
}

/// Starts a thread that talks to an invocation.
fn converse(
    channel: &Arc<Channel>,
    reservation: Option<Reservation>,
    sessions: &Sessions,
    last_cap: u32,
) -> io::Result<()> {
    let channel = Arc::clone(channel);
    let conversation = Conversation { channel, sessions: sessions.clone(), last_cap };
    let thread = thread::Builder::new().name("connection".into()).stack_size(STACK);
    thread.spawn(move || {
        if let Err(error) = conversation.hold(reservation) {
            conversation.sessions.tracer().log.error(format_args!("connection: {error}"));
        }
    })?;
    Ok(())
}

struct Conversation {
    channel: Arc<Channel>,
    sessions: Sessions,
    last_cap: u32,
}

impl Conversation {
    /// The whole conversation. If the other side hangs up or talks nonsense it is hung up on, and its reservation
    /// ends.
    fn hold(&self, reservation: Option<Reservation>) -> io::Result<()> {
        let peer = self.channel.peer()?;
        if peer.uid() != Channel::own_uid()? {
            return Err(io::Error::other(format!("user {} has no business here", peer.uid())));
        }
        match self.request()? {
            Some(Request::Reserve) => {}
            Some(other) => return Err(unexpected(&other)),
            None => return Ok(()),
        }
        let Some(reservation) = reservation.or_else(|| self.sessions.reserve()) else {
            self.reply(&Reply::Refused)?;
            // The daemon's end is the hang-up that the other side waits for.
            while let Ok(Some(_)) = self.channel.receive() {}
            return Ok(());
        };
        self.reply(&Reply::Granted { daemon: std::process::id() as i32 })?;
        match self.request()? {
            Some(Request::Attach { engine, unknown }) => {
                let settings = Settings {
                    unknown,
                    real_uid: peer.uid(),
                    real_gid: peer.gid(),
                    last_cap: self.last_cap,
                    null_paths: null_paths(),
                    protected_hardlinks: sysctl("hardlinks").is_none_or(|value| value != 0),
                    protected: Protected {
                        regular: sysctl("regular").unwrap_or(0),
                        fifos: sysctl("fifos").unwrap_or(0),
                        symlinks: sysctl("symlinks").unwrap_or(0),
                    },
                    proc_device: proc_device(),
                };
                let process = match self.channel.peer_process() {
                    Ok(process) => Some(process),
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Err(error),
                    Err(_) => None,
                };
                self.attach(reservation, (peer.pid(), process), engine, settings)
            }
            Some(other) => Err(unexpected(&other)),
            None => Ok(()),
        }
    }

    fn attach(
        &self,
        reservation: Reservation,
        (pid, process): (i32, Option<OwnedFd>),
        engine: Engine,
        settings: Settings,
    ) -> io::Result<()> {
        let (reply, answer) = channel();
        reservation.attaching();
        self.sessions.tracer().order(Order::Attach(Attach { pid, process, engine, settings, reply }));
        match answer.recv() {
            Ok(Ok(attached)) => {
                // Before the reply: once it has it, the tracee may end at any time, and may be the last one.
                reservation.attached();
                self.reply(&Reply::Attached(attached))
            }
            Ok(Err(why)) => self.reply(&Reply::Failed(why)),
            // Ended by a bug of the tracer only; the process ends right now.
            Err(_) => self.reply(&Reply::Failed("the daemon has failed".into())),
        }
    }

    fn request(&self) -> io::Result<Option<Request>> {
        let Some(packet) = self.channel.receive_within(PATIENCE)? else {
            return Ok(None);
        };
        match Request::decode(&packet) {
            Some(request) => Ok(Some(request)),
            None => {
                let why = "this state is in use by another version of frng, or by one of another word size";
                self.reply(&Reply::Failed(why.into()))?;
                Err(io::Error::other(format!("not understood: {packet:?}")))
            }
        }
    }

    fn reply(&self, reply: &Reply) -> io::Result<()> {
        match self.channel.send(&reply.encode()) {
            // It has hung up, or been killed.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => Ok(()),
            other => other,
        }
    }
}

fn unexpected(request: &Request) -> io::Error {
    io::Error::other(format!("{request:?} out of order"))
}

/// The kernel's last capability; a recent one where it does not tell.
fn last_cap() -> u32 {
    let told = proc_text::read_to_string("/proc/sys/kernel/cap_last_cap").ok();
    told.and_then(|text| text.trim().parse().ok()).unwrap_or(40)
}

/// Where statx(2) takes a null pointer as an empty path here.
fn null_paths() -> NullPaths {
    let takes = |at: i32| {
        let mut buffer = [0u8; 256];
        let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_TYPE);
        // SAFETY: the buffer has the size of a struct statx; the null pointer is what is tried.
        unsafe { libc::syscall(libc::SYS_statx, at, 0, flags, mask, buffer.as_mut_ptr()) == 0 }
    };
    if takes(libc::AT_FDCWD) {
        NullPaths::Taken
    } else if std::fs::File::open("/").is_ok_and(|root| takes(root.as_raw_fd())) {
        NullPaths::OfDescriptors
    } else {
        NullPaths::Refused
    }
}

/// The device of procfs; 0 if there is none.
fn proc_device() -> u64 {
    std::fs::symlink_metadata("/proc/self").map_or(0, |link| link.dev())
}

/// What is protected of files of others: one of proc_sys_fs(5)'s `protected_*`; `None` if the kernel does not tell.
fn sysctl(kind: &str) -> Option<u32> {
    proc_text::read_to_string(format!("/proc/sys/fs/protected_{kind}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Log;
    use crate::policy::UnknownOwner;
    use crate::tracer::Attached;
    use std::ffi::OsStr;
    use std::fs::File;
    use std::sync::mpsc::Receiver;

    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::super::sessions::Tracer;

    const NAME: &str = "sock";

    /// A server without a tracer: the test itself takes its orders.
    struct Fixture {
        directory: tempfile::TempDir,
        sessions: Sessions,
        orders: Receiver<Order>,
        first: Channel,
    }

    impl Fixture {
        fn new() -> Fixture {
            expected_signals().thread_block().unwrap();
            let directory = tempfile::tempdir().unwrap();
            let place = File::open(directory.path()).unwrap();
            let listener = Listener::bind(place.as_fd(), OsStr::new(NAME)).unwrap();
            let (sender, orders) = channel();
            let sessions = Sessions::new(Tracer { orders: sender, ring: || (), log: Log::off() });
            let (first, other) = Channel::pair().unwrap();
            start(&sessions, Some(listener), other, sessions.reserve().unwrap()).unwrap();
            Fixture { directory, sessions, orders, first }
        }

        fn connect(&self) -> Channel {
            let place = File::open(self.directory.path()).unwrap();
            Channel::connect(place.as_fd(), OsStr::new(NAME), Duration::from_secs(5)).unwrap()
        }
    }

    fn say(channel: &Channel, request: Request) {
        channel.send(&request.encode()).unwrap();
    }

    fn hear(channel: &Channel) -> Option<Reply> {
        channel.receive().unwrap().map(|packet| Reply::decode(&packet).unwrap())
    }

    fn granted() -> Option<Reply> {
        Some(Reply::Granted { daemon: std::process::id() as i32 })
    }

    const ATTACH: Request = Request::Attach { engine: Engine::Ptrace, unknown: UnknownOwner::AllAsRoot };

    #[test]
    fn an_invocation_reserves_and_attaches() {
        let fixture = Fixture::new();
        say(&fixture.first, Request::Reserve);
        assert_eq!(hear(&fixture.first), granted());
        say(&fixture.first, ATTACH);
        let Ok(Order::Attach(attach)) = fixture.orders.recv() else { panic!("no order to attach") };
        assert_eq!((attach.pid, attach.engine), (std::process::id() as i32, Engine::Ptrace));
        assert_eq!(attach.settings.unknown, UnknownOwner::AllAsRoot);
        assert_eq!(attach.settings.real_uid, nix::unistd::getuid().as_raw());
        assert!(!fixture.sessions.close());
        let attached = Attached { stop_at_every_open: true };
        attach.reply.send(Ok(attached)).unwrap();
        assert_eq!(hear(&fixture.first), Some(Reply::Attached(attached)));
        assert!(fixture.sessions.close());
    }

    #[test]
    fn idle_and_malformed_clients_make_nobody_wait() {
        let fixture = Fixture::new();
        // Each has two descriptors in this process, which is both sides.
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        let idle: Vec<Channel> = (0..1000).map(|_| fixture.connect()).collect();
        // Too many: the oldest have been hung up on.
        assert_eq!(idle[0].receive().unwrap(), None);
        let malformed = fixture.connect();
        malformed.send(&[0xff; 100]).unwrap();
        assert!(matches!(hear(&malformed), Some(Reply::Failed(_))));
        assert_eq!(hear(&malformed), None);
        let early = fixture.connect();
        say(&early, ATTACH);
        assert_eq!(hear(&early), None);
        let good = fixture.connect();
        say(&good, Request::Reserve);
        assert_eq!(hear(&good), granted());
    }

    #[test]
    fn hanging_up_makes_the_tracer_look_and_a_closed_daemon_refuses() {
        let Fixture { directory: _directory, sessions, orders, first } = Fixture::new();
        say(&first, Request::Reserve);
        assert_eq!(hear(&first), granted());
        let place = File::open(_directory.path()).unwrap();
        let late = Channel::connect(place.as_fd(), OsStr::new(NAME), Duration::from_secs(5)).unwrap();
        drop(first);
        assert!(matches!(orders.recv(), Ok(Order::Check)));
        assert!(sessions.close());
        say(&late, Request::Reserve);
        assert_eq!(hear(&late), Some(Reply::Refused));
    }

    #[test]
    fn a_failure_to_attach_is_told_and_ends_the_reservation() {
        let fixture = Fixture::new();
        say(&fixture.first, Request::Reserve);
        assert_eq!(hear(&fixture.first), granted());
        say(&fixture.first, ATTACH);
        let Ok(Order::Attach(attach)) = fixture.orders.recv() else { panic!("no order to attach") };
        attach.reply.send(Err("not possible".into())).unwrap();
        assert_eq!(hear(&fixture.first), Some(Reply::Failed("not possible".into())));
        assert!(matches!(fixture.orders.recv(), Ok(Order::Check)));
        assert!(fixture.sessions.close());
    }
}
