//! Handlers that read structures from the memory of a program that changes them meanwhile.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use frng_core::arch::Abi;
use frng_core::call::{Call, FileRef, Sys, TraceeAddr, table};
use frng_core::creds::{Creds, Ids};
use frng_core::errno::Errno;
use frng_core::policy::{self, Answer, NullPaths, Outcome, Process, Schedule, Settings, Tracee, UnknownOwner, reach};
use frng_core::stat::{STATX_WANTED, Statx};
use frng_core::state::Table;
use zerocopy::{FromZeros, IntoBytes};

use crate::input::Input;

/// The most that a handler may ask for before it has to have come to an end: then everything fails.
const QUESTIONS: usize = 20_000;

/// A program of which nothing is the same twice: each read of its memory, each answer of the kernel is the next bytes of the input.
struct Hostile<'a> {
    input: RefCell<Input<'a>>,
    left: Cell<usize>,
    abi: &'static dyn Abi,
    lies: &'a Table,
    settings: Settings,
    creds: Cell<Creds>,
    groups: RefCell<Vec<u32>>,
    process: Cell<Process>,
    schedule: Cell<Schedule>,
}

impl Hostile<'_> {
    /// Whether a question is answered at all; when the input has come to its end none is.
    fn goes_on(&self) -> Result<(), Errno> {
        let left = self.left.get();
        assert!(left > 0, "a handler does not come to an end");
        self.left.set(left - 1);
        if self.input.borrow().is_empty() { Err(Errno::EFAULT) } else { Ok(()) }
    }

    /// 0 is success, others are errors now and then.
    fn answer(&self) -> Result<u64, Errno> {
        self.goes_on()?;
        let mut input = self.input.borrow_mut();
        match input.u8() {
            kind @ 0..32 => Err(Errno(i32::from(kind) + 1)),
            32..64 => Ok(input.u64()),
            64..128 => Ok(u64::from(input.u8())),
            _ => Ok(0),
        }
    }
}

thread_local! {
    /// As a new table each time would cost more than everything else. What one input leaves in it another one can see.
    static LIES: Table = Table::anonymous().expect("memory for a table");
}

/// Any call with any arguments. Handlers come to an end, without a panic, and ask for no more memory than they are entitled to.
pub fn memory(bytes: &[u8]) {
    let mut input = Input(bytes);
    let kind = input.u8();
    let abi: &'static dyn Abi = if kind & 1 == 0 { &frng_arch_x86_64::ABI } else { &frng_arch_i386::ABI };
    let row = &table::ROWS[usize::from(input.u16()) % table::ROWS.len()];
    let mut args = [0; 6];
    for arg in &mut args {
        // Most arguments are small, or an address.
        *arg = match input.u8() {
            0..100 => u64::from(input.u8()),
            100..150 => 0x1000 + u64::from(input.u16()) * 16,
            150..180 => libc::AT_FDCWD as u64,
            180..220 => u64::from(input.u32()),
            _ => input.u64(),
        };
        *arg = abi.argument(*arg);
    }
    let mut creds = Creds::root(40);
    if kind & 2 != 0 {
        creds.uid = Ids::all(1000);
        creds.gid = Ids::all(1000);
        creds.caps.effective = if kind & 4 != 0 { 0 } else { input.u64() };
    }
    LIES.with(|lies| {
        let hostile = Hostile {
            input: RefCell::new(input),
            left: Cell::new(QUESTIONS),
            abi,
            lies,
            settings: Settings {
                unknown: UnknownOwner::OwnAsRoot,
                real_uid: 54321,
                real_gid: 54321,
                last_cap: 40,
                null_paths: NullPaths::Taken,
                protected_hardlinks: true,
                protected: Default::default(),
                proc_device: 21,
            },
            creds: Cell::new(creds),
            groups: RefCell::default(),
            process: Cell::new(Process { umask: 0o022, dumpable: 1 }),
            schedule: Cell::default(),
        };
        // That of errors is up to each handler.
        let _: Outcome = hostile.handle(row.sys, args);
    });
}

impl Hostile<'_> {
    fn handle(&self, sys: Sys, args: [u64; 6]) -> Result<Answer, Errno> {
        let call = Call { sys, args };
        let handler = pin!(async {
            reach::check(self, &call).await?;
            policy::root::dispatch(self, &call).await
        });
        match handler.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("a handler waits for nothing"),
        }
    }
}

impl Tracee for Hostile<'_> {
    type Lies = Table;

    fn abi(&self) -> &dyn Abi {
        self.abi
    }

    fn lies(&self) -> &Table {
        self.lies
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn creds(&self) -> Creds {
        self.creds.get()
    }

    fn set_creds(&self, creds: Creds) {
        self.creds.set(creds);
    }

    fn group_count(&self) -> usize {
        self.groups.borrow().len()
    }

    fn group(&self, index: usize) -> Option<u32> {
        self.groups.borrow().get(index).copied()
    }

    fn set_groups(&self, count: usize, id: &mut dyn FnMut(usize) -> Result<u32, Errno>) -> Result<(), Errno> {
        assert!(count <= 65536, "more groups than NGROUPS_MAX");
        *self.groups.borrow_mut() = (0..count).map(id).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn process(&self) -> Process {
        self.process.get()
    }

    fn set_process(&self, process: Process) {
        self.process.set(process);
    }

    fn schedule(&self, tid: i32) -> Option<Schedule> {
        (tid == 0).then(|| self.schedule.get())
    }

    fn set_schedule(&self, _: i32, schedule: Schedule) {
        self.schedule.set(schedule);
    }

    fn realtime_utilization(&self) -> u32 {
        1024
    }

    async fn syscall(&self, _: Sys, _: [u64; 6]) -> Result<u64, Errno> {
        self.answer()
    }

    async fn stat(&self, _: FileRef) -> Result<Statx, Errno> {
        self.answer()?;
        let mut statx = Statx::new_zeroed();
        let mut input = self.input.borrow_mut();
        let bytes = statx.as_mut_bytes();
        let read = input.take(bytes.len());
        bytes[..read.len()].copy_from_slice(read);
        if input.u8() & 1 == 0 {
            // One that a kernel would fill, most of the time.
            statx.mask = STATX_WANTED;
            statx.mode = [0o100_644, 0o40_755, 0o120_777, 0o10_600, 0o140_755, 0o20_600, 0o104_755, 0o42_755]
                [usize::from(input.u8() % 8)];
            (statx.uid, statx.gid) = (54321, 54321);
        }
        Ok(statx)
    }

    fn paths_changed(&self) {}
    fn next_child_apart(&self) {}
    fn next_child_untraced(&self, _untraced: bool) {}

    fn read(&self, from: TraceeAddr, to: &mut [u8]) -> Result<(), Errno> {
        let len = to.len();
        if self.read_some(from, to)? == len { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn read_some(&self, from: TraceeAddr, to: &mut [u8]) -> Result<usize, Errno> {
        self.goes_on()?;
        if from.is_null() {
            return Err(Errno::EFAULT);
        }
        let mut input = self.input.borrow_mut();
        let page = (4096 - from.0 % 4096) as usize;
        let kind = input.u8();
        let len = if kind == 0 { to.len().min(page) } else { to.len() };
        let read = input.take(len);
        to[..read.len()].copy_from_slice(read);
        // Where the input ends there are zeros.
        to[read.len()..len].fill(0);
        Ok(len)
    }

    fn write(&self, to: TraceeAddr, _: &[u8]) -> Result<(), Errno> {
        self.goes_on()?;
        let fails = self.input.borrow_mut().u8() == 255;
        if fails || to.is_null() { Err(Errno::EFAULT) } else { Ok(()) }
    }

    fn scratch(&self) -> Result<TraceeAddr, Errno> {
        Ok(TraceeAddr(0x7000_0000))
    }

    fn empty_path(&self) -> TraceeAddr {
        TraceeAddr(0x7100_0000)
    }
}
