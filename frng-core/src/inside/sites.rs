//! Syscall instructions of a program, and what an arch crate must know to have them answered by the agent.

/// Bytes of machine code, at most [`Code::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    bytes: [u8; Code::MAX],
    len: usize,
}

impl Code {
    /// Most bytes.
    pub const MAX: usize = 40;

    /// From the pieces of it. What does not fit is cut.
    pub fn new(pieces: &[&[u8]]) -> Code {
        let mut code = Code { bytes: [0; Code::MAX], len: 0 };
        for byte in pieces.iter().copied().flatten() {
            if let Some(room) = code.bytes.get_mut(code.len) {
                *room = *byte;
                code.len += 1;
            }
        }
        code
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A syscall instruction that can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Address of the instruction that is replaced by a jump.
    pub begin: u64,
    /// Address behind the syscall instruction, as the kernel tells it.
    pub pc: u64,
    /// How it is replaced.
    pub way: Way,
}

impl Site {
    /// The outermost addresses that are looked at or written to.
    pub fn extent(&self) -> impl Iterator<Item = u64> {
        let padding = match self.way {
            Way::Load(_) | Way::Whole => self.begin,
            Way::Padding(padding) => padding + Code::MAX as u64,
        };
        [self.begin, self.pc - 1, padding].into_iter()
    }
}

/// How a site is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The instruction that loads this number right before the syscall instruction becomes the jump. The syscall
    /// instruction stays as it is.
    Load(u32),
    /// The syscall instruction becomes a short jump to here, where nothing can get and a long one has room.
    Padding(u64),
    /// The syscall instruction becomes the jump: it has as many bytes.
    Whole,
}

/// Code around a syscall instruction.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Up to the end of the instruction.
    pub before: &'a [u8],
    /// Behind it, as far as there is something.
    pub after: &'a [u8],
}

/// How a CPU's programs are made to jump into the agent instead of issuing a call.
///
/// A *stub* near the program, made for one site, loads what the agent needs to know and jumps to the agent.
pub trait Inside: Sync {
    /// Where in the trampoline's code (see [`crate::arch::Abi::trampoline_code`]) there is a syscall instruction
    /// followed by a return, for the agent's own calls.
    fn gadget(&self) -> u64;

    /// What a program counter is when the kernel runs the gadget's call, relative to the trampoline's begin.
    fn gadget_return(&self) -> u64;

    /// Whether a call can be replaced. `pc` is the address behind the syscall instruction.
    fn recognise(&self, window: Window, pc: u64, number: u32) -> Option<Site>;

    /// Bytes of [`Window::before`] and [`Window::after`] that [`Inside::recognise`] wants to see.
    fn window(&self) -> (usize, usize);

    /// Bytes from one stub to the next.
    fn stub_len(&self) -> u64;

    /// How far a stub may be from its site, in bytes.
    fn reach(&self) -> u64;

    /// How far before a program's interpreter its stubs are, in bytes; see [`super::layout`].
    fn apart(&self) -> u64;

    /// The stub of a site, to be at `at`. `entry` is where the agent's address is stored, near.
    fn stub(&self, site: &Site, at: u64, entry: u64) -> Code;

    /// Bytes at the begin of a site's stub that lead to the agent and back; behind is what the program itself may be in.
    fn stub_way_in(&self, site: &Site) -> u64;

    /// Where a thread goes on, relative to the begin of its stub, if the first instruction there faults: the program issues
    /// its call itself. `None` where it cannot fault.
    fn stub_way_around(&self) -> Option<u64> {
        None
    }

    /// What leads from a site to its stub: addresses and code, to be written in this order.
    fn jumps(&self, site: &Site, stub: u64) -> [(u64, Code); 2];

    /// The program's own instruction at the begin of a site.
    fn original(&self, site: &Site) -> Code;

    /// A single byte which, executed at the begin of a site, stops the thread, and where its program counter then is
    /// relative to the begin: what is written first where others may execute the site meanwhile. `None` if they may,
    /// because they meet either instruction.
    fn trap(&self) -> Option<(u8, u64)>;
}
