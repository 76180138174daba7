//! What an invocation and a daemon say to each other: one message a packet.
//!
//! ```text
//! invocation   daemon
//! Reserve  ->
//!          <-  Granted: it will not end before this invocation has attached or hung up
//!              Refused: it is ending; wait for it to hang up and start over
//!              Failed:  it cannot start
//!              Told:    to the one who has started it, before Granted: a line for the user
//! Attach   ->
//!          <-  Attached: the caller is traced; install the filter and exec
//!              Failed:   it cannot be traced
//! ```

use crate::policy::UnknownOwner;
use crate::tracer::{Attached, Engine};

/// Changed with every change of the messages, by 2: a daemon may be older than an invocation that joins it. Its lowest bit
/// tells a frng of 32 bits from one of 64: they know other ABIs, so their filters differ, and they cannot share tracees.
const VERSION: u8 = 6 | (size_of::<usize>() == size_of::<u32>()) as u8;

/// Bytes of the longest message; a longer text is cut.
pub const MESSAGE_MAX: usize = 1024;

/// From an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Stay until I have attached or hung up.
    Reserve,
    /// Trace me.
    Attach {
        /// How.
        engine: Engine,
        /// Rule for files without a lie.
        unknown: UnknownOwner,
    },
}

/// From the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// See [`Request::Reserve`]. The daemon's process id is not that of the socket's peer, which was made by the
    /// invocation that has started the daemon.
    Granted {
        /// Process id of the daemon.
        daemon: i32,
    },
    /// The daemon is ending.
    Refused,
    /// The caller is traced.
    Attached(Attached),
    /// It is not possible; one line for the user.
    Failed(String),
    /// One line for the user. Another reply follows.
    Told(String),
}

const RESERVE: u8 = b'r';
const ATTACH: u8 = b'a';
const GRANTED: u8 = b'G';
const REFUSED: u8 = b'R';
const ATTACHED: u8 = b'A';
const FAILED: u8 = b'F';
const TOLD: u8 = b'T';

impl Request {
    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Request::Reserve => vec![RESERVE, VERSION],
            Request::Attach { engine, unknown } => {
                let engine = match engine {
                    Engine::Ptrace => 0,
                    Engine::Seccomp => 1,
                    Engine::Inline => 2,
                };
                let unknown = match unknown {
                    UnknownOwner::OwnAsRoot => 0,
                    UnknownOwner::AllAsRoot => 1,
                    UnknownOwner::AsItIs => 2,
                };
                vec![ATTACH, engine, unknown]
            }
        }
    }

    /// From a packet; `None` if this is no request of this version.
    pub fn decode(packet: &[u8]) -> Option<Request> {
        match *packet {
            [RESERVE, VERSION] => Some(Request::Reserve),
            [ATTACH, engine, unknown] => Some(Request::Attach {
                engine: match engine {
                    0 => Engine::Ptrace,
                    1 => Engine::Seccomp,
                    2 => Engine::Inline,
                    _ => return None,
                },
                unknown: match unknown {
                    0 => UnknownOwner::OwnAsRoot,
                    1 => UnknownOwner::AllAsRoot,
                    2 => UnknownOwner::AsItIs,
                    _ => return None,
                },
            }),
            _ => None,
        }
    }
}

impl Reply {
    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Reply::Granted { daemon } => {
                let mut packet = vec![GRANTED, VERSION];
                packet.extend_from_slice(&daemon.to_ne_bytes());
                packet
            }
            Reply::Refused => vec![REFUSED],
            Reply::Attached(Attached { stop_at_every_open }) => {
                vec![ATTACHED, u8::from(*stop_at_every_open)]
            }
            Reply::Failed(why) => text(FAILED, why),
            Reply::Told(line) => text(TOLD, line),
        }
    }

    /// From a packet; `None` if this is no reply of this version.
    pub fn decode(packet: &[u8]) -> Option<Reply> {
        match *packet {
            [GRANTED, VERSION, a, b, c, d] => Some(Reply::Granted { daemon: i32::from_ne_bytes([a, b, c, d]) }),
            [REFUSED] => Some(Reply::Refused),
            [ATTACHED, every] => Some(Reply::Attached(Attached { stop_at_every_open: every != 0 })),
            [FAILED, ref why @ ..] => Some(Reply::Failed(understood(why))),
            [TOLD, ref line @ ..] => Some(Reply::Told(understood(line))),
            _ => None,
        }
    }
}

/// A packet with a text, which is cut if it is too long.
fn text(kind: u8, text: &str) -> Vec<u8> {
    [&[kind], cut(text).as_bytes()].concat()
}

/// The text of a packet. What is no text in it needs more room, so that has to be cut as well.
fn understood(text: &[u8]) -> String {
    cut(&String::from_utf8_lossy(text)).to_owned()
}

/// As much of a text as has room in a packet, in whole characters.
fn cut(text: &str) -> &str {
    let mut len = text.len().min(MESSAGE_MAX - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    &text[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way() {
        for engine in [Engine::Ptrace, Engine::Seccomp, Engine::Inline] {
            for unknown in [UnknownOwner::OwnAsRoot, UnknownOwner::AllAsRoot, UnknownOwner::AsItIs] {
                let request = Request::Attach { engine, unknown };
                assert_eq!(Request::decode(&request.encode()), Some(request));
            }
        }
        assert_eq!(Request::decode(&Request::Reserve.encode()), Some(Request::Reserve));
        for reply in [
            Reply::Granted { daemon: 123_456_789 },
            Reply::Refused,
            Reply::Attached(Attached { stop_at_every_open: true }),
            Reply::Failed("why".into()),
            Reply::Told("line".into()),
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
        assert_eq!(Reply::Failed("x".repeat(2 * MESSAGE_MAX)).encode().len(), MESSAGE_MAX);
        for long in [Reply::Told("\u{fffd}".repeat(MESSAGE_MAX)).encode(), [&[TOLD][..], &[0xff; 900]].concat()] {
            let told = Reply::decode(&long).unwrap();
            assert_eq!(Reply::decode(&told.encode()), Some(told));
        }
    }

    #[test]
    fn any_packet_is_one_message_or_none() {
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        let kinds = [RESERVE, ATTACH, GRANTED, REFUSED, ATTACHED, FAILED, TOLD, VERSION, 0, 1, 2, 3, 255];
        for _ in 0..100_000 {
            let packet: Vec<u8> = (0..random() % 8).map(|_| kinds[random() % kinds.len()]).collect();
            if let Some(request) = Request::decode(&packet) {
                assert_eq!(request.encode(), packet);
            }
            if let Some(reply) = Reply::decode(&packet) {
                assert_eq!(Reply::decode(&reply.encode()), Some(reply));
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let other_word_size = [RESERVE, VERSION ^ 1];
        let longer = [RESERVE, VERSION, 0];
        let cut = [GRANTED, VERSION];
        let wrong: [&[u8]; 8] = [b"", b"r", &other_word_size, b"a\x03\x00", b"a\x00\x03", &cut, b"?", &longer];
        for packet in wrong {
            assert_eq!(Request::decode(packet), None);
            assert_eq!(Reply::decode(packet), None);
        }
    }
}
