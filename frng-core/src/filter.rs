//! The seccomp filter: which calls of a tracee stop, derived from the table of calls.
//!
//! A classic BPF program (seccomp(2), `Documentation/userspace-api/seccomp_filter.rst`) that every tracee carries:
//!
//! 1. by `AUDIT_ARCH_*` to the ABI; another one's calls fail with ENOSYS, because they would run unfaked;
//! 2. a binary search over the boundaries between calls that stop and calls that don't. Up to here only number and
//!    architecture are loaded, so that the kernel (`kernel/seccomp.c: seccomp_is_const_allow`) finds out once that a
//!    call is always allowed and then does not even run the program for it;
//! 3. for a call that stops, its condition on the arguments ([`Stop`]);
//! 4. what the trampoline and the agent issue is let through, by its program counter;
//! 5. the rest stops, with the index of the ABI as the event's message.

use std::io;

use libc::sock_filter;

use crate::arch::{Abi, DONE_NUMBER, OWN_FDCWD, Related};
use crate::call::{Arg, Row, Scope, Stop, Sys, table};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const TRACE: u32 = libc::SECCOMP_RET_TRACE;
const NOT_IMPLEMENTED: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// No ABI has calls of its own from here up. Where the kernel has some it takes them for those of a variant that
/// differs in nothing else (`__X32_SYSCALL_BIT`).
const VARIANT: u32 = 0x4000_0000;

/// The number of a call that a tracer has cancelled; the kernel makes none.
const CANCELLED: u32 = u32::MAX;

/// Whether a number that no ABI's table has may be that of a call of a variant.
pub fn is_of_variant(number: u64) -> bool {
    (VARIANT..CANCELLED).contains(&(number as u32))
}

/// Builds the program for tracees that may use any of these ABIs. `stop_at_every_open` is for [`Stop::Opening`].
///
/// ABIs with the same `AUDIT_ARCH_*` must differ in all their numbers.
pub fn build(abis: &[&dyn Abi], stop_at_every_open: bool) -> Vec<sock_filter> {
    build_for(abis, if stop_at_every_open { Scope::Opens } else { Scope::Plain })
}

/// Builds the program for tracees of which so many calls are looked at; otherwise as [`build`].
pub fn build_for(abis: &[&dyn Abi], scope: Scope) -> Vec<sock_filter> {
    let knows_others = kernel_knows_others(abis);
    build_by(abis, &|program, row, stop, allow| condition(program, row, scope, knows_others, stop, allow))
}

/// A program that a tracee gets besides the one it begins with, when more of its calls matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// There are faked devices: [`Scope::Opens`].
    Opens,
    /// It has another root, or lacks capabilities of root: [`Scope::Paths`].
    Paths,
    /// It traces others: [`Stop::Tracing`].
    Waits,
    /// It may not keep set-ID bits of what it writes to: [`Stop::Writing`].
    Writes,
}

impl Late {
    /// All of them.
    pub const ALL: [Late; 4] = [Late::Opens, Late::Paths, Late::Waits, Late::Writes];

    /// Builds it.
    pub fn build(self, abis: &[&dyn Abi]) -> Vec<sock_filter> {
        match self {
            Late::Opens => build_for(abis, Scope::Opens),
            Late::Paths => build_for(abis, Scope::Paths),
            Late::Waits => build_for_tracers(abis),
            Late::Writes => build_for_writers(abis),
        }
    }

    /// The calls that it stops at, in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Late::Opens => "opens",
            Late::Paths => "paths",
            Late::Waits => "waits",
            Late::Writes => "writes",
        }
    }
}

/// Builds the program that a tracee gets besides when it becomes the tracer of others: it stops at waits ([`Stop::Tracing`]).
fn build_for_tracers(abis: &[&dyn Abi]) -> Vec<sock_filter> {
    build_by(abis, &|_, row, stop, allow| if row.stop == Stop::Tracing { stop } else { allow })
}

/// Builds the program that a tracee gets besides when it may not keep set-ID bits of what it writes to: it stops at writes
/// ([`Stop::Writing`]).
fn build_for_writers(abis: &[&dyn Abi]) -> Vec<sock_filter> {
    build_by(abis, &|_, row, stop, allow| if row.stop == Stop::Writing { stop } else { allow })
}

/// Appends the condition under which a call stops; returns where to go for the call. Where to go for one that does, and for
/// one that does not, comes last.
type Decide<'a> = &'a dyn Fn(&mut Backwards, &Row, Label, Label) -> Label;

fn build_by(abis: &[&dyn Abi], decide: Decide) -> Vec<sock_filter> {
    let mut program = Backwards::default();
    let mut next = program.ret(NOT_IMPLEMENTED);
    let mut archs: Vec<u32> = Vec::new();
    for abi in abis {
        if !archs.contains(&abi.audit_arch()) {
            archs.push(abi.audit_arch());
        }
    }
    // Written last, asked first.
    for arch in archs.into_iter().rev() {
        let calls = calls_of(&mut program, abis, arch, decide);
        next = program.jump(libc::BPF_JEQ, arch, calls, next);
    }
    program.load(ARCH);
    program.forwards()
}

/// Builds a program, to be installed besides, that answers each call of [`Stop::Syncing`] with 0 and lets all others through to
/// the other filters.
pub fn pretend_synced(abis: &[&dyn Abi]) -> Vec<sock_filter> {
    let mut program = Backwards::default();
    let allow = program.ret(ALLOW);
    // Written last, asked first.
    abis.iter().fold(allow, |next, abi| {
        // An answer by an error of 0.
        let answer = program.ret(libc::SECCOMP_RET_ERRNO);
        let mut calls = allow;
        for (number, _) in abi.numbers().iter().filter(|(_, sys)| sys.row().stop == Stop::Syncing) {
            calls = program.jump(libc::BPF_JEQ, *number, answer, calls);
        }
        program.load(NUMBER);
        let calls = program.here();
        program.jump(libc::BPF_JEQ, abi.audit_arch(), calls, next)
    });
    program.load(ARCH);
    program.forwards()
}

/// Appends what decides about the calls of one architecture; begins with the number not loaded.
fn calls_of(program: &mut Backwards, abis: &[&dyn Abi], arch: u32, decide: Decide) -> Label {
    let allow = program.ret(ALLOW);
    let not_implemented = program.ret(NOT_IMPLEMENTED);
    // Each number with what happens at it.
    let mut decided = Vec::new();
    let mut has_variant = false;
    for (index, abi) in abis.iter().enumerate().filter(|(_, abi)| abi.audit_arch() == arch) {
        let trace = program.ret(TRACE | (index as u32 & libc::SECCOMP_RET_DATA));
        decided.push((DONE_NUMBER, trace));
        let ours = |offset| abi.trampoline_address().wrapping_add(offset);
        if let Some(inside) = abi.inside() {
            program.equal_halves(INSTRUCTION_POINTER, ours(inside.gadget_return()), allow, trace);
            let otherwise = program.here();
            program.equal_halves(INSTRUCTION_POINTER, ours(abi.trampoline_return()), allow, otherwise);
        } else {
            program.equal_halves(INSTRUCTION_POINTER, ours(abi.trampoline_return()), allow, trace);
        }
        let stop = program.here();
        // Conditions by row; the numbers of several calls may share one.
        for (number, sys) in abi.numbers() {
            has_variant |= *number >= VARIANT;
            decided.push((*number, decide(program, sys.row(), stop, allow)));
        }
    }
    decided.sort_by_key(|(number, _)| *number);
    decided.dedup_by_key(|(number, _)| *number);
    let boundaries = boundaries(&decided, allow, if has_variant { allow } else { not_implemented });
    search(program, &boundaries);
    program.load(NUMBER)
}

/// Whether this kernel may run programs of conventions that are not among these. One that cannot be asked about counts.
fn kernel_knows_others(abis: &[&dyn Abi]) -> bool {
    let registered = |related: &Related| abis.iter().any(|abi| abi.audit_arch() == related.audit_arch);
    let known = |related: &Related| {
        related.getpid.is_none_or(|number| {
            // SAFETY: takes no memory.
            let result = unsafe { libc::syscall(number as libc::c_long) };
            result != -1 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
        })
    };
    abis.iter().flat_map(|abi| abi.related()).any(|related| !registered(related) && known(related))
}

/// Appends the condition under which a call stops, if it has one. Returns where to go for the call.
fn condition(program: &mut Backwards, row: &Row, scope: Scope, knows_others: bool, stop: Label, allow: Label) -> Label {
    let position = |kind: Arg| row.args.iter().position(|arg| *arg == kind);
    let stop = if row.sys == Sys::Openat && scope != Scope::Plain { unless_own(program, stop, allow) } else { stop };
    let (kind, bits) = match row.stop {
        _ if scope == Scope::Paths && row.stops_in_paths() => return stop,
        Stop::Never | Stop::Syncing | Stop::Inside | Stop::Restricted | Stop::Tracing | Stop::Writing => return allow,
        Stop::Always => return stop,
        Stop::Executing => return if knows_others { stop } else { allow },
        Stop::Opening if scope.has_opens() => return stop,
        Stop::Opening => (Arg::OpenFlags, table::MAY_CREATE),
        Stop::AnyBit(kind, bits) => (kind, bits),
        Stop::OneOf(kind, values) => {
            let Some(position) = position(kind) else { return allow };
            if values.is_empty() {
                return allow;
            }
            let mut next = allow;
            for value in values {
                next = program.jump(libc::BPF_JEQ, *value, stop, next);
            }
            return program.load(low_half(argument(position)));
        }
    };
    let Some(position) = position(kind) else { return allow };
    let (low, high) = (bits as u32, (bits >> 32) as u32);
    let mut next = allow;
    if high != 0 {
        program.jump(libc::BPF_JSET, high, stop, allow);
        next = program.load(high_half(argument(position)));
    }
    program.jump(libc::BPF_JSET, low, stop, next);
    program.load(low_half(argument(position)))
}

/// Appends what lets the openat(2) through that maps the trampoline, and has others stop. Returns its begin.
fn unless_own(program: &mut Backwards, stop: Label, allow: Label) -> Label {
    program.jump(libc::BPF_JEQ, (OWN_FDCWD >> 32) as u32, allow, stop);
    program.load(high_half(argument(0)))
}

/// From single numbers to ranges: each begin, ascending from 0, with what happens up to the next begin.
fn boundaries(decided: &[(u32, Label)], allow: Label, variant: Label) -> Vec<(u32, Label)> {
    let between = |number: u32| match number {
        CANCELLED => allow,
        VARIANT.. => variant,
        _ => allow,
    };
    let mut begins = vec![0, VARIANT, CANCELLED];
    for (number, _) in decided {
        begins.extend([Some(*number), number.checked_add(1)].into_iter().flatten());
    }
    begins.sort_unstable();
    begins.dedup();
    let mut ranges: Vec<(u32, Label)> = Vec::new();
    for begin in begins {
        let found = decided.binary_search_by_key(&begin, |(number, _)| *number);
        let label = found.map_or_else(|_| between(begin), |index| decided[index].1);
        if ranges.last().is_none_or(|(_, last)| *last != label) {
            ranges.push((begin, label));
        }
    }
    ranges
}

/// Appends a balanced search of the loaded number. Returns its begin.
fn search(program: &mut Backwards, ranges: &[(u32, Label)]) -> Label {
    if let [(_, label)] = ranges {
        return *label;
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let above = search(program, upper);
    let below = search(program, lower);
    program.jump(libc::BPF_JGE, upper[0].0, above, below)
}

// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const INSTRUCTION_POINTER: u32 = 8;

const fn argument(position: usize) -> u32 {
    16 + 8 * position as u32
}

const fn low_half(offset: u32) -> u32 {
    if cfg!(target_endian = "little") { offset } else { offset + 4 }
}

const fn high_half(offset: u32) -> u32 {
    if cfg!(target_endian = "little") { offset + 4 } else { offset }
}

/// An instruction to jump to, counted from the end of the program.
type Label = usize;

/// A program written from its end to its begin: BPF jumps forwards only, so every target is known when the
/// jump to it is written, and so is how far it is.
#[derive(Default)]
struct Backwards {
    instructions: Vec<sock_filter>,
}

impl Backwards {
    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) -> Label {
        self.instructions.push(sock_filter { code: code as u16, jt, jf, k });
        self.here()
    }

    /// The instruction that was written last and will be executed first.
    fn here(&self) -> Label {
        self.instructions.len() - 1
    }

    fn ret(&mut self, action: u32) -> Label {
        self.push(libc::BPF_RET | libc::BPF_K, action, 0, 0)
    }

    fn load(&mut self, offset: u32) -> Label {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
    }

    /// A comparison of what is loaded with `k`.
    fn jump(&mut self, test: u32, k: u32, then: Label, otherwise: Label) -> Label {
        let then = self.near(then);
        let otherwise = self.near(otherwise);
        let (jt, jf) = (self.distance(then) as u8, self.distance(otherwise) as u8);
        self.push(libc::BPF_JMP | libc::BPF_K | test, k, jt, jf)
    }

    /// Compares a 64-bit field with a value.
    fn equal_halves(&mut self, offset: u32, value: u64, then: Label, otherwise: Label) {
        self.jump(libc::BPF_JEQ, (value >> 32) as u32, then, otherwise);
        let high = self.load(high_half(offset));
        self.jump(libc::BPF_JEQ, value as u32, high, otherwise);
        self.load(low_half(offset));
    }

    /// Instructions to skip from the next one written to a target.
    fn distance(&self, target: Label) -> usize {
        self.here() - target
    }

    /// The target itself, or an unconditional jump to it if it is too far for the 8 bits of a conditional one.
    fn near(&mut self, target: Label) -> Label {
        // Room for one more such jump, made for the other branch.
        if self.distance(target) < usize::from(u8::MAX) {
            return target;
        }
        self.push(libc::BPF_JMP | libc::BPF_JA, self.distance(target) as u32, 0, 0)
    }

    fn forwards(mut self) -> Vec<sock_filter> {
        self.instructions.reverse();
        self.instructions
    }
}

/// Installs a program for this thread and what it will start. It must have set no_new_privs (prctl(2)).
///
/// # Errors
/// seccomp(2)'s.
pub fn install(program: &[sock_filter]) -> io::Result<()> {
    let len = program.len().try_into().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // The filter fools, it does not guard: no need to slow the program down against speculation. Kernels before
    // 4.17 don't know the flag.
    match set_mode_filter(&program, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => set_mode_filter(&program, 0),
        result => result,
    }
}

fn set_mode_filter(program: &libc::sock_fprog, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the kernel copies the program, which is alive and as long as it says.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const *program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel has filters that can stop a tracee.
pub fn available() -> bool {
    let action = TRACE;
    // SAFETY: the kernel reads one u32, which is alive.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{BOOTSTRAP_MAX, Registers, StatBytes, TrampolineLayout};
    use crate::call::{Call, Sys};
    use crate::errno::Errno;
    use crate::stat::Statx;

    /// An ABI that has numbers and a trampoline and nothing else.
    struct Fake {
        arch: u32,
        trampoline: u64,
        numbers: &'static [(u32, Sys)],
    }

    impl Abi for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }
        fn audit_arch(&self) -> u32 {
            self.arch
        }
        fn numbers(&self) -> &'static [(u32, Sys)] {
            self.numbers
        }
        fn registers_len(&self) -> usize {
            0
        }
        fn pc(&self, _: &Registers) -> u64 {
            0
        }
        fn set_pc(&self, _: &mut Registers, _: u64) {}
        fn sp(&self, _: &Registers) -> u64 {
            0
        }
        fn set_result(&self, _: &mut Registers, _: u64) {}
        fn replace_call(&self, _: &mut Registers, _: u32, _: [u64; 6]) {}
        fn prepare_call(&self, _: &mut Registers, _: u64, _: u32, _: [u64; 6]) {}
        fn rewind_call(&self, _: &mut Registers, _: u32, _: [u64; 6]) {}
        fn settle(&self, _: &mut Registers) {}
        fn word_len(&self) -> usize {
            8
        }
        fn encode_stat(&self, _: Sys, _: &Statx, _: &mut StatBytes) -> Result<usize, Errno> {
            Err(Errno::ENOSYS)
        }
        fn trampoline_address(&self) -> u64 {
            self.trampoline
        }
        fn trampoline_code(&self) -> &'static [u8] {
            &[]
        }
        fn trampoline_return(&self) -> u64 {
            2
        }
        fn bootstrap_code(&self, _: &TrampolineLayout, _: &mut [u8; BOOTSTRAP_MAX]) -> usize {
            0
        }
    }

    /// All calls, `step` numbers apart from `first` on.
    fn numbers(first: u32, step: u32) -> &'static [(u32, Sys)] {
        let rows = table::ROWS.iter().enumerate();
        Box::leak(rows.map(|(index, row)| (first + index as u32 * step, row.sys)).collect())
    }

    const FIRST: u32 = 0xc000_003e;
    const SECOND: u32 = 0x4000_0003;

    /// Two architectures, the first with a variant of its own.
    fn fakes() -> [Fake; 3] {
        [
            Fake { arch: FIRST, trampoline: 0x6672_6e67_0000, numbers: numbers(3, 3) },
            Fake { arch: SECOND, trampoline: 0x7777_0000, numbers: numbers(0, 1) },
            Fake { arch: FIRST, trampoline: 0x7777_0000, numbers: numbers(VARIANT + 3, 2) },
        ]
    }

    const SCOPES: [Scope; 3] = [Scope::Plain, Scope::Opens, Scope::Paths];

    fn program(fakes: &[Fake], scope: Scope) -> Vec<sock_filter> {
        let abis: Vec<&dyn Abi> = fakes.iter().map(|fake| fake as &dyn Abi).collect();
        build_for(&abis, scope)
    }

    #[derive(Clone, Copy)]
    struct Data {
        number: u32,
        arch: u32,
        ip: u64,
        args: [u64; 6],
    }

    /// What the kernel would make of the call, and which fields it looked at (highest offset).
    fn run(program: &[sock_filter], data: Data) -> (u32, u32) {
        let mut words = vec![data.number, data.arch];
        for field in [data.ip].into_iter().chain(data.args) {
            let bytes = field.to_ne_bytes();
            words.push(u32::from_ne_bytes(bytes[..4].try_into().unwrap()));
            words.push(u32::from_ne_bytes(bytes[4..].try_into().unwrap()));
        }
        let (mut accumulator, mut pc, mut highest) = (0, 0, 0);
        loop {
            let instruction = program[pc];
            let (code, k) = (u32::from(instruction.code), instruction.k);
            pc += 1;
            let compared = match code & 7 {
                libc::BPF_RET => return (k, highest),
                libc::BPF_LD => {
                    assert_eq!(k % 4, 0);
                    accumulator = words[k as usize / 4];
                    highest = highest.max(k);
                    continue;
                }
                _ => match code & 0xf0 {
                    libc::BPF_JA => {
                        pc += k as usize;
                        continue;
                    }
                    libc::BPF_JEQ => accumulator == k,
                    libc::BPF_JGE => accumulator >= k,
                    libc::BPF_JSET => accumulator & k != 0,
                    other => panic!("unexpected jump {other:#x}"),
                },
            };
            pc += usize::from(if compared { instruction.jt } else { instruction.jf });
        }
    }

    /// The same, read from the table without any program.
    fn expected(fakes: &[Fake], scope: Scope, data: Data) -> u32 {
        let ours: Vec<_> = fakes.iter().enumerate().filter(|(_, fake)| fake.arch == data.arch).collect();
        if ours.is_empty() {
            return NOT_IMPLEMENTED;
        }
        if data.number == DONE_NUMBER {
            return TRACE | ours[0].0 as u32;
        }
        for (index, fake) in &ours {
            if let Some(sys) = fake.sys(u64::from(data.number)) {
                // No related convention.
                let executes = sys.row().stop == Stop::Executing;
                let stops = (!executes || scope == Scope::Paths) && Call { sys, args: data.args }.stops(scope);
                let own = sys == Sys::Openat && scope != Scope::Plain && data.args[0] >> 32 == OWN_FDCWD >> 32;
                let exempt = own || data.ip == fake.trampoline + 2;
                return if stops && !exempt { TRACE | *index as u32 } else { ALLOW };
            }
        }
        let variants = ours.iter().any(|(_, fake)| fake.numbers.iter().any(|(number, _)| *number >= VARIANT));
        if data.number >= VARIANT && data.number != CANCELLED && !variants { NOT_IMPLEMENTED } else { ALLOW }
    }

    /// Argument words that meet and miss every condition of the table, one bit or value at a time.
    fn interesting_words() -> Vec<u64> {
        let mut words = vec![0, u64::MAX, 0xffff_ffff_0000_0000, !table::MAY_CREATE];
        words.extend([OWN_FDCWD, OWN_FDCWD ^ 1 << 32, OWN_FDCWD ^ 1 << 63, OWN_FDCWD >> 32]);
        words.extend((0..64).map(|bit| 1 << bit));
        for row in table::ROWS {
            if let Stop::OneOf(_, values) = row.stop {
                for value in values {
                    let value = u64::from(*value);
                    words.extend([value, value + 1, value.wrapping_sub(1), value | 1 << 32]);
                }
            }
        }
        words
    }

    fn all_numbers() -> impl Iterator<Item = u32> {
        let ends = [DONE_NUMBER - 1, DONE_NUMBER, DONE_NUMBER + 1, VARIANT - 1, CANCELLED - 1, CANCELLED];
        (0..600).chain(VARIANT..VARIANT + 600).chain(ends)
    }

    #[test]
    fn decisions_are_those_of_the_table() {
        let words = interesting_words();
        for count in [1, 2, 3] {
            let fakes = &fakes()[..count];
            for scope in SCOPES {
                let program = program(fakes, scope);
                for arch in [FIRST, SECOND, 0xc000_00b7, 0] {
                    for number in all_numbers() {
                        for word in &words {
                            let data = Data { number, arch, ip: 0x1234, args: [*word; 6] };
                            let decision = run(&program, data).0;
                            assert_eq!(decision, expected(fakes, scope, data), "{arch:#x} {number} {word:#x}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn each_argument_condition_looks_at_its_own_argument() {
        let fakes = fakes();
        let program = program(&fakes, Scope::Plain);
        for (number, sys) in fakes[0].numbers {
            for word in interesting_words() {
                for position in 0..6 {
                    let mut args = [0; 6];
                    args[position] = word;
                    let data = Data { number: *number, arch: FIRST, ip: 0, args };
                    assert_eq!(
                        run(&program, data).0,
                        expected(&fakes, Scope::Plain, data),
                        "{sys:?} {position} {word:#x}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_trampoline_is_let_through_at_exactly_one_address_of_its_own_abi() {
        let fakes = fakes();
        let program = program(&fakes, Scope::Opens);
        for fake in &fakes {
            for other in &fakes {
                for offset in [0, 1, 2, 3, 1 << 32, 2 | 1 << 32] {
                    for number in all_numbers() {
                        let ip = other.trampoline + offset;
                        let data = Data { number, arch: fake.arch, ip, args: [0xffff_ffff; 6] };
                        assert_eq!(run(&program, data).0, expected(&fakes, Scope::Opens, data), "{number} {ip:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_syncs_is_answered_with_0_and_nothing_else_is() {
        let first =
            Fake { arch: FIRST, trampoline: 0, numbers: &[(5, Sys::Fstat), (74, Sys::Fsync), (162, Sys::Sync)] };
        let second = Fake { arch: SECOND, trampoline: 0, numbers: &[(36, Sys::Sync), (74, Sys::Sethostname)] };
        let program = pretend_synced(&[&first, &second]);
        let answered = |arch, number| {
            let (action, _) = run(&program, Data { number, arch, ip: 7, args: [1; 6] });
            assert!(action == libc::SECCOMP_RET_ERRNO || action == ALLOW, "{action:#x}");
            action != ALLOW
        };
        for number in 0..600 {
            assert_eq!(answered(FIRST, number), matches!(number, 74 | 162), "{number}");
            assert_eq!(answered(SECOND, number), number == 36, "{number}");
            assert!(!answered(0x1234, number), "{number}");
        }
    }

    #[test]
    fn the_filters_of_tracers_and_writers_stop_at_their_calls_and_no_others() {
        let fake = Fake {
            arch: FIRST,
            trampoline: 0x7777_0000,
            numbers: &[(1, Sys::Write), (5, Sys::Fstat), (61, Sys::Wait4), (257, Sys::Openat), (285, Sys::Fallocate)],
        };
        for (program, stopped) in
            [(build_for_tracers(&[&fake]), [61].as_slice()), (build_for_writers(&[&fake]), [1, 285].as_slice())]
        {
            for number in 0..600 {
                let data = |ip| Data { number, arch: FIRST, ip, args: [u64::MAX; 6] };
                let stops = run(&program, data(0x1234)).0 == TRACE;
                assert_eq!(stops, stopped.contains(&number), "{number}");
                assert_eq!(run(&program, data(fake.trampoline + 2)).0, ALLOW, "{number}");
            }
        }
    }

    #[test]
    fn a_call_that_never_stops_is_allowed_by_number_and_architecture_alone() {
        let fakes = fakes();
        let program = program(&fakes, Scope::Plain);
        for number in 0..600 {
            let looked_at = run(&program, Data { number, arch: FIRST, ip: 0, args: [0; 6] }).1;
            let stops = fakes[0].sys(u64::from(number)).is_some_and(|sys| {
                !matches!(
                    sys.row().stop,
                    Stop::Never
                        | Stop::Executing
                        | Stop::Syncing
                        | Stop::Inside
                        | Stop::Restricted
                        | Stop::Tracing
                        | Stop::Writing
                )
            });
            let has_values = |sys: Sys| sys.row().stop != Stop::OneOf(Arg::Op, &[]);
            if !stops {
                assert_eq!(looked_at, ARCH, "{number}");
            } else if fakes[0].sys(u64::from(number)).is_some_and(has_values) {
                assert!(looked_at > ARCH, "{number}");
            }
        }
    }

    #[test]
    fn programs_are_far_below_the_kernels_limit() {
        for scope in SCOPES {
            assert!(program(&fakes(), scope).len() < libc::BPF_MAXINSNS as usize / 2);
        }
    }
}
