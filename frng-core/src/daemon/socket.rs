//! Sockets that carry packets: unix(7), `SOCK_SEQPACKET`.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{PeerCredentials, SendTimeout};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials, accept4, bind, connect,
    getsockopt, listen, recv, send, setsockopt, socket, socketpair,
};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstatat};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::protocol::MESSAGE_MAX;

const PRIVATE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// One end of a connection.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends of a new connection. Each has the caller as its peer.
    pub fn pair() -> io::Result<(Channel, Channel)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Channel(one), Channel(other)))
    }

    /// Connects to the socket of this name in a directory. Waits while too many others do, but no longer than this.
    ///
    /// # Errors
    /// `ENOENT` and `ECONNREFUSED` if nobody serves it, `ENOTSOCK` if it is something else, `EAGAIN` after waiting in vain.
    pub fn connect(directory: BorrowedFd<'_>, name: &OsStr, patience: Duration) -> io::Result<Channel> {
        // An address has 108 bytes only, so it is given by descriptor.
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let place = openat(directory, name, flags, Mode::empty())?;
        if !is_socket(directory, name)? {
            return Err(Errno::ENOTSOCK.into());
        }
        let channel = new()?;
        setsockopt(&channel, SendTimeout, &TimeVal::milliseconds(patience.as_millis() as i64))?;
        loop {
            match connect(channel.as_raw_fd(), &by_descriptor(&place, None)?) {
                Ok(()) => return Ok(Channel(channel)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The same end once more.
    pub fn duplicate(&self) -> io::Result<Channel> {
        Ok(Channel(self.0.try_clone()?))
    }

    /// Who has made the other end: for a connection to a listener the one who listened or connected.
    pub fn peer(&self) -> io::Result<UnixCredentials> {
        Ok(getsockopt(&self.0, PeerCredentials)?)
    }

    /// Who we are, as a peer is told: within another frng that need not be what geteuid(2) says.
    pub fn own_uid() -> io::Result<u32> {
        let (one, _other) = Channel::pair()?;
        Ok(one.peer()?.uid())
    }

    /// The process of [`Channel::peer`], as pidfd: its number may be another one's by the time it is used.
    ///
    /// # Errors
    /// Among others `ESRCH` if it has ended.
    pub fn peer_process(&self) -> io::Result<OwnedFd> {
        /// `include/uapi/asm-generic/socket.h`, which all CPUs that frng knows use; Linux 6.5.
        const SO_PEERPIDFD: libc::c_int = 77;
        let (mut fd, mut len) = (-1, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: `fd` and `len` are live, and `len` is the size of `fd`.
        let result = unsafe {
            libc::getsockopt(self.0.as_raw_fd(), libc::SOL_SOCKET, SO_PEERPIDFD, (&raw mut fd).cast(), &raw mut len)
        };
        if result == -1 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOPROTOOPT) {
                return Err(error);
            }
            // SAFETY: takes no memory.
            fd = unsafe { libc::syscall(libc::SYS_pidfd_open, self.peer()?.pid(), 0) } as libc::c_int;
            if fd == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: a new descriptor that nobody else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Sends a packet. Never waits: who leaves so many packets unread is no partner for a conversation.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    /// Waits for a packet; `None` if the other side has hung up. One that is too long for a message comes cut.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut packet = vec![0; MESSAGE_MAX + 1];
        loop {
            match recv(self.0.as_raw_fd(), &mut packet, MsgFlags::empty()) {
                // A reset is a hang-up by one who has not read all.
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(len) => {
                    packet.truncate(len);
                    return Ok(Some(packet));
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for a packet, but no longer than this.
    ///
    /// # Errors
    /// `TimedOut`, and those of [`Channel::receive`].
    pub fn receive_within(&self, patience: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return self.receive(),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the other side to hang up, but no longer than this.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn wait_for_hang_up(&self, patience: Duration) -> io::Result<()> {
        loop {
            match self.receive_within(patience) {
                Ok(Some(_)) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A socket that others can connect to.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Makes a socket of this name in a directory that only its owner can connect to, in the place of one that is
    /// there. From then on connections are kept waiting until they are accepted, or this and all inherited
    /// descriptors are closed.
    pub fn bind(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Listener> {
        let listener = new()?;
        // bind(2) gives the inode these permissions, less the umask.
        fchmod(&listener, PRIVATE)?;
        // A short name, for the same reason as in `connect`; and it gets its own only when it is ready.
        let temporary = format!(".frng-{}.sock", std::process::id());
        let address = by_descriptor(directory, Some(&temporary))?;
        match bind(listener.as_raw_fd(), &address) {
            Err(Errno::EADDRINUSE) => {
                // Left behind by a process of that number that was killed here.
                unlinkat(directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir)?;
                bind(listener.as_raw_fd(), &address)?;
            }
            other => other?,
        }
        let ready = fchmodat(directory, temporary.as_str(), PRIVATE, FchmodatFlags::FollowSymlink)
            .and_then(|()| listen(&listener, Backlog::MAXCONN))
            .and_then(|()| renameat(directory, temporary.as_str(), directory, name));
        if let Err(error) = ready {
            // The first error is the one to tell.
            let _ = unlinkat(directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
            return Err(error.into());
        }
        Ok(Listener(listener))
    }

    /// Waits for the next connection.
    pub fn accept(&self) -> io::Result<Channel> {
        let descriptor = accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Channel(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether there is something of this name, and it is a socket.
///
/// # Errors
/// Those of stat(2).
pub fn is_socket(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFSOCK.bits())
}

fn new() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?)
}

/// The address of a socket behind a descriptor, or of one with a name in the directory behind it.
fn by_descriptor(place: impl AsFd, name: Option<&str>) -> io::Result<UnixAddr> {
    let place = place.as_fd().as_raw_fd();
    let path = match name {
        Some(name) => format!("/proc/self/fd/{place}/{name}"),
        None => format!("/proc/self/fd/{place}"),
    };
    Ok(UnixAddr::new(path.as_str())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;

    const PATIENCE: Duration = Duration::from_millis(300);

    #[test]
    fn a_socket_with_the_longest_name_is_served_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let place = File::open(directory.path()).unwrap();
        let name = "x".repeat(255);
        let name = OsStr::new(&name);
        for _ in 0..2 {
            // The second one takes the place of the first.
            let listener = Listener::bind(place.as_fd(), name).unwrap();
            let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let client = Channel::connect(place.as_fd(), name, PATIENCE).unwrap();
            let server = listener.accept().unwrap();
            assert_eq!(server.peer().unwrap().pid(), std::process::id() as i32);
            client.send(b"question").unwrap();
            assert_eq!(server.receive().unwrap().unwrap(), b"question");
            server.send(&[7; 2 * MESSAGE_MAX]).unwrap();
            assert_eq!(client.receive().unwrap().unwrap().len(), MESSAGE_MAX + 1);
            drop(server);
            assert_eq!(client.receive().unwrap(), None);
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        let refused = Channel::connect(place.as_fd(), name, PATIENCE).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
    }

    #[test]
    fn a_connection_that_was_not_accepted_ends_with_the_listener() {
        let directory = tempfile::tempdir().unwrap();
        let place = File::open(directory.path()).unwrap();
        let listener = Listener::bind(place.as_fd(), OsStr::new("s")).unwrap();
        let client = Channel::connect(place.as_fd(), OsStr::new("s"), PATIENCE).unwrap();
        client.send(b"question").unwrap();
        drop(listener);
        assert_eq!(client.receive().unwrap(), None);
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for_for_ever() {
        let (one, other) = Channel::pair().unwrap();
        let patience = Duration::from_millis(50);
        assert_eq!(one.receive_within(patience).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(one.wait_for_hang_up(patience).unwrap_err().kind(), io::ErrorKind::TimedOut);
        other.send(b"answer").unwrap();
        assert_eq!(one.receive_within(patience).unwrap().unwrap(), b"answer");
        other.send(b"unread").unwrap();
        drop(other);
        one.wait_for_hang_up(patience).unwrap();
        assert_eq!(one.receive_within(patience).unwrap(), None);
    }

    #[test]
    fn who_accepts_nobody_is_not_waited_for_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let place = File::open(directory.path()).unwrap();
        let listener = Listener::bind(place.as_fd(), OsStr::new("s")).unwrap();
        // Makes the queue short.
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let connect = || Channel::connect(place.as_fd(), OsStr::new("s"), PATIENCE);
        let mut waiting = Vec::new();
        let error = loop {
            match connect() {
                Ok(channel) => waiting.push(channel),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10);
        };
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
    }

    #[test]
    fn what_is_no_socket_is_not_connected_to() {
        let directory = tempfile::tempdir().unwrap();
        let place = File::open(directory.path()).unwrap();
        let missing = Channel::connect(place.as_fd(), OsStr::new("s"), PATIENCE).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
        File::create(directory.path().join("s")).unwrap();
        let wrong = Channel::connect(place.as_fd(), OsStr::new("s"), PATIENCE).unwrap_err();
        assert_eq!(wrong.raw_os_error(), Some(libc::ENOTSOCK));
    }
}
