//! One tracee, as its handlers see it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;

use super::Engine;
use super::abi_table::AbiTable;
use super::elsewhere::Answered;
use super::flight::ERESTARTNOINTR;
use super::known::Programs;
use super::lookup;
use super::nested::Nested;
use super::others::Remembered;
use super::program;
use super::ptrace;
use super::remote::Remote;
use super::root::{Copies, Emulators, Path, Rooted};
use super::space::Space;
use super::told;
use super::trampoline::{Slot, Trampoline};
use crate::arch::Abi;
use crate::binfmt::audit_arch;
use crate::call::{Call, FileRef, Sys, TraceeAddr};
use crate::creds::Creds;
use crate::errno::Errno;
use crate::filter::Late;
use crate::inode::InodeKey;
use crate::log::Log;
use crate::policy::{Last, MountSource, MountTold, Note, Others, Outcome, Process, Schedule, Settings, Tracee};
use crate::proc_text;
use crate::stat::{STATX_WANTED, Statx};
use crate::state::Table;
use crate::stats::Stats;

/// A syscall a handler waits for.
#[derive(Clone, Copy)]
pub struct Request {
    /// The convention to issue it by.
    pub abi: &'static AbiTable,
    /// Its number there.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What all tracees of a daemon share.
pub struct World {
    /// The conventions that programs may have.
    pub abis: &'static [AbiTable],
    /// Where to tell what is refused.
    pub log: Log,
    /// The lies.
    pub table: Arc<Table>,
    /// The memory shared with tracees.
    pub trampoline: Trampoline,
    /// The sites that programs are known to use.
    pub programs: Programs,
    /// Where to count, if anybody wants to know.
    pub stats: Option<Rc<Stats>>,
    /// Bytes of the mapping of the table of lies, for agents.
    pub lies_len: u64,
    /// Who traces whom.
    pub nested: Nested,
    /// All tracees, for those that ask about another.
    pub threads: RefCell<HashMap<i32, Weak<Thread>>>,
    /// Processes into which a thread just maps another trampoline.
    pub mapping: RefCell<HashSet<i32>>,
    /// Programs that were executed in another root.
    pub copies: Copies,
    /// What runs programs for other CPUs there.
    pub emulators: Emulators,
    /// What the tracer must not ask.
    pub remote: Remote,
    /// Whom a thread has asked instead.
    pub answered: Answered,
    /// Sockets that were bound in another root: their names outside, and as they were given.
    pub bound: RefCell<HashMap<Vec<u8>, Vec<u8>>>,
    /// What tracees may ask about each other besides.
    pub remembered: Remembered,
}

impl World {
    /// The ABI of the agent, if this is the one that a thread's program has; whatever the ABI of its last call.
    pub fn agents_abi(&self, thread: &Thread) -> Option<&'static dyn Abi> {
        let table = self.abis.first()?;
        std::ptr::eq(table, thread.home.get()).then_some(table.abi())
    }
}

/// A traced thread. Shared by the tracer, which fills [`Thread::reply`], and the handler that waits for it.
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// The id of its process.
    pub tgid: i32,
    /// Who made it, for the list of processes.
    pub parent: i32,
    /// The thread that has made it.
    pub maker: i32,
    /// How it is made to stop.
    pub engine: Engine,
    pub(super) settings: Rc<Settings>,
    pub(super) creds: Cell<Creds>,
    pub(super) groups: RefCell<Rc<[u32]>>,
    pub(super) process: Rc<Cell<Process>>,
    schedule: Cell<Schedule>,
    /// Begin of the stack of the program that is run; see [`super::foundlings`].
    pub(super) stack: Cell<Option<u64>>,
    pub(super) view: Cell<lookup::View>,
    /// Whether the view of the next child it makes is to be looked up, not inherited.
    pub(super) child_apart: Cell<bool>,
    /// The child that it is about to make has mounts of its own.
    pub(super) child_mounts_apart: Cell<bool>,
    /// Whether the call under way makes one that its program wants traced by nobody.
    pub(super) child_untraced: Cell<bool>,
    /// Its root, if it is another one.
    pub(super) rooted: RefCell<Rooted>,
    /// Its process traces others: it is to stop at waits.
    pub(super) wants_waits: Cell<bool>,
    /// Its filter stops at waits.
    pub(super) watches_waits: Cell<bool>,
    /// Its filter stops at writes.
    pub(super) watches_writes: Cell<bool>,
    /// It is not fooled; see [`super::off`].
    pub(super) is_off: Cell<bool>,
    /// The path of the call that comes next was just fetched.
    pub(super) has_fetched: Cell<bool>,
    /// Its handler waits for a thread that has asked something.
    pub(super) waits_elsewhere: Cell<bool>,
    /// What has to stay open until the handler ends.
    pub(super) held: RefCell<Vec<Arc<OwnedFd>>>,
    /// The signals that its program blocks, while all are held back for a handler.
    pub(super) program_mask: Cell<Option<u64>>,
    /// A signal has stopped it.
    pub(super) is_stopped: Cell<bool>,
    /// What the agent has of this thread's memory.
    pub(super) space: RefCell<Rc<Space>>,
    pub(super) world: Rc<World>,
    /// The convention of the call that is answered.
    pub(super) abi: Cell<&'static AbiTable>,
    /// The convention of the program, whose trampoline it has.
    pub(super) home: Cell<&'static AbiTable>,
    /// What the log is to tell of the call that is answered; empty without one.
    notes: RefCell<String>,
    slot: Cell<Option<Slot>>,
    request: Cell<Option<Request>>,
    reply: Cell<Option<Result<u64, Errno>>>,
}

/// What a new tracee starts with.
pub struct Start {
    /// Its settings.
    pub settings: Rc<Settings>,
    /// Its credentials.
    pub creds: Creds,
    /// Its supplementary groups.
    pub groups: Rc<[u32]>,
    /// What is faked of its process.
    pub process: Rc<Cell<Process>>,
    /// What is pretended of its scheduling.
    pub schedule: Schedule,
    /// Begin of its stack, if it is known.
    pub stack: Option<u64>,
    /// Whether its paths mean the same here.
    pub view: lookup::View,
    /// Its root, if it is another one.
    pub rooted: Rooted,
    /// Its memory.
    pub space: Rc<Space>,
    /// The thread that makes it.
    pub maker: i32,
    /// Its filter stops at waits.
    pub watches_waits: bool,
    /// Its filter stops at writes.
    pub watches_writes: bool,
    /// It is not fooled.
    pub is_off: bool,
}

impl Thread {
    /// A new tracee.
    pub fn new(ids: (i32, i32, i32), engine: Engine, start: Start, world: Rc<World>, abi: &'static AbiTable) -> Thread {
        let (tid, tgid, parent) = ids;
        Thread {
            tid,
            tgid,
            parent,
            maker: start.maker,
            engine,
            settings: start.settings,
            creds: Cell::new(start.creds),
            groups: RefCell::new(start.groups),
            process: start.process,
            schedule: Cell::new(start.schedule),
            stack: Cell::new(start.stack),
            view: Cell::new(start.view),
            child_apart: Cell::default(),
            child_mounts_apart: Cell::default(),
            child_untraced: Cell::default(),
            rooted: RefCell::new(start.rooted),
            wants_waits: Cell::new(false),
            watches_waits: Cell::new(start.watches_waits),
            watches_writes: Cell::new(start.watches_writes),
            is_off: Cell::new(start.is_off),
            has_fetched: Cell::new(false),
            waits_elsewhere: Cell::new(false),
            held: RefCell::default(),
            program_mask: Cell::new(None),
            is_stopped: Cell::new(false),
            space: RefCell::new(start.space),
            world,
            abi: Cell::new(abi),
            home: Cell::new(abi),
            notes: RefCell::default(),
            slot: Cell::new(None),
            request: Cell::new(None),
            reply: Cell::new(None),
        }
    }

    /// What the log is to tell of the call that was answered, each part after a semicolon.
    pub fn take_notes(&self) -> String {
        self.notes.take()
    }

    /// What a thread or process made by this one starts with.
    pub fn inheritance(&self, same_process: bool) -> Start {
        let share = |shared: &Rc<Cell<Process>>| {
            if same_process { Rc::clone(shared) } else { Rc::new(Cell::new(shared.get())) }
        };
        Start {
            settings: Rc::clone(&self.settings),
            creds: self.creds.get(),
            groups: Rc::clone(&self.groups.borrow()),
            process: share(&self.process),
            schedule: self.schedule.get(),
            stack: self.stack.get(),
            view: self.view.get(),
            rooted: self.rooted.borrow().clone(),
            space: Rc::clone(&self.space.borrow()),
            maker: self.tid,
            watches_waits: self.watches_waits.get(),
            watches_writes: self.watches_writes.get(),
            is_off: self.is_off.get(),
        }
    }

    /// Looks at a tracee by the id that this one knows it by; 0 is this one.
    fn look_at<R>(&self, tid: i32, look: impl FnOnce(&Thread) -> R) -> Option<R> {
        if tid == 0 {
            return Some(look(self));
        }
        if !lookup::knows_our_numbers(self.tid) {
            return None;
        }
        let other = self.world.threads.borrow().get(&tid)?.upgrade()?;
        Some(look(&other))
    }

    /// The convention of the call that is answered, with its numbers.
    pub fn abi_table(&self) -> &'static AbiTable {
        self.abi.get()
    }

    /// What the handler waits for now.
    pub fn take_request(&self) -> Option<Request> {
        self.request.take()
    }

    /// Gives the handler the result it waits for.
    pub fn set_reply(&self, result: Result<u64, Errno>) {
        self.reply.set(Some(result));
    }

    /// Ends the handler's hold on shared memory.
    pub fn release_slot(&self) {
        self.request.set(None);
        self.reply.set(None);
        self.held.borrow_mut().clear();
        if let Some(slot) = self.slot.take() {
            self.world.trampoline.release(slot);
        }
    }

    fn slot(&self) -> Result<Slot, Errno> {
        let slot = self.slot.get().or_else(|| self.world.trampoline.take()).ok_or(Errno::ENOMEM)?;
        self.slot.set(Some(slot));
        Ok(slot)
    }

    /// Makes this thread, and what it makes from now on, stop at what a filter says. `flags` are seccomp(2)'s, whose result is
    /// returned.
    ///
    /// # Errors
    /// seccomp(2)'s.
    pub(super) async fn add_filter(&self, late: Late, flags: u64) -> Result<u64, Errno> {
        /// `SECCOMP_SET_MODE_FILTER` (seccomp(2)).
        const SET_MODE_FILTER: u64 = 1;
        let filter = self.world.trampoline.filter_address(self.abi(), late);
        let filter = filter.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
        let result = self.syscall(Sys::Seccomp, [SET_MODE_FILTER, flags, filter, 0, 0, 0]).await;
        if let (Some(stats), Ok(0)) = (&self.world.stats, result) {
            stats.added(late);
        }
        result
    }

    /// From now on answers a call by a convention that is not the program's own: maps its trampoline, if this process has
    /// not got it yet, by calls of the program's own convention.
    ///
    /// # Errors
    /// `ENOSYS` if it cannot be mapped; a restart code while another thread is at it.
    pub async fn answer_by(&self, abi: &'static AbiTable) -> Result<(), Errno> {
        self.abi.set(self.home.get());
        if !self.has_trampoline(abi.abi()) {
            let _mapping = Mapping::begin(self).ok_or(ERESTARTNOINTR)?;
            // Not to be answered is not to be made.
            self.map_trampoline(abi.abi()).await.map_err(|_| Errno::ENOSYS)?;
        }
        self.abi.set(abi);
        Ok(())
    }

    /// Whether the process has an ABI's trampoline mapped. Its code comes last.
    fn has_trampoline(&self, abi: &dyn Abi) -> bool {
        let code = abi.trampoline_code();
        let mut there = vec![0; code.len()];
        ptrace::read_memory(self.tid, self.world.trampoline.address(abi), &mut there) == code.len() && there == code
    }

    async fn map_trampoline(&self, abi: &dyn Abi) -> Result<(), Errno> {
        if self.abi().word_len() < abi.word_len() {
            // It may be out of reach.
            return Err(Errno::EINVAL);
        }
        let trampoline = &self.world.trampoline;
        let path = self.scratch()?;
        self.write(path, trampoline.path().as_bytes())?;
        let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u64;
        let fd = self.syscall(Sys::Openat, [libc::AT_FDCWD as u64, path.0, flags, 0, 0, 0]).await?;
        let layout = trampoline.layout(abi);
        let begin = layout.address;
        let parts = [
            (begin + layout.code_len, layout.data_len, libc::PROT_READ | libc::PROT_WRITE, layout.data_offset),
            (begin, layout.code_len, libc::PROT_READ | libc::PROT_EXEC, layout.code_offset),
        ];
        let mut result = Ok(0);
        for (address, len, protection, offset) in parts {
            let flags = (libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE) as u64;
            if result.is_ok() {
                result = self.syscall(Sys::Mmap, [address, len, protection as u64, flags, fd, offset]).await;
            }
        }
        self.syscall(Sys::Close, [fd, 0, 0, 0, 0, 0]).await?;
        result.map(|_| ())
    }

    /// statx(2) issued by the tracee itself.
    async fn stat_in_tracee(&self, file: FileRef) -> Result<Statx, Errno> {
        let slot = self.slot()?;
        let abi = self.abi();
        let trampoline = &self.world.trampoline;
        let path = if file.is_descriptor() { self.empty_path() } else { file.path };
        let flags = file.flags as u32 as u64;
        let buffer = trampoline.statx_address(abi, slot);
        let args = [file.dirfd as u64, path.0, flags, u64::from(STATX_WANTED), buffer, 0];
        self.syscall(Sys::Statx, args).await?;
        let bytes = trampoline.statx_bytes(slot);
        zerocopy::FromBytes::read_from_bytes(&bytes).map_err(|_| Errno::EIO)
    }
}

/// A thread maps another trampoline into its process.
struct Mapping<'t> {
    world: &'t World,
    tgid: i32,
}

impl Mapping<'_> {
    /// `None` if another thread of the process does.
    fn begin(thread: &Thread) -> Option<Mapping<'_>> {
        let (world, tgid) = (&*thread.world, thread.tgid);
        let is_first = world.mapping.borrow_mut().insert(tgid);
        is_first.then(|| Mapping { world, tgid })
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        self.world.mapping.borrow_mut().remove(&self.tgid);
    }
}

/// Copies a text of which not everything has to fit; returns how much did.
fn fill(to: &mut [u8], text: &[u8]) -> Result<usize, Errno> {
    to.get_mut(..text.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(text);
    Ok(text.len())
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.release_slot();
    }
}

impl Tracee for Thread {
    type Lies = Table;

    fn abi(&self) -> &dyn Abi {
        self.abi.get().abi()
    }

    fn lies(&self) -> &Table {
        &self.world.table
    }

    fn note(&self, note: &Note<'_>) {
        if self.world.log.debug_enabled() && note.says_something() {
            let mut notes = self.notes.borrow_mut();
            // Writing to a string cannot fail.
            let _ = write!(notes, "; {note}");
        }
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn creds(&self) -> Creds {
        self.creds.get()
    }

    fn creds_of(&self, tid: i32) -> Option<Creds> {
        self.look_at(tid, |other| other.creds.get())
    }

    fn others(&self) -> Option<&dyn Others> {
        Some(self)
    }

    fn told_by_procfs(&self, fd: i32, path: &mut [u8]) -> Option<usize> {
        fill(path, &self.told_copy(fd)?).ok()
    }

    fn has_other_owners(&self) -> bool {
        self.anybody_is_no_root()
    }

    fn owner_in_procfs(&self, fd: i32, mode: u32) -> Option<(u32, u32)> {
        self.owner_of_place(fd, mode)
    }

    fn name_in_procfs(&self, fd: i32, path: &mut [u8]) -> Option<usize> {
        fill(path, self.named_in_procfs(fd)?.as_bytes()).ok()
    }

    fn set_creds(&self, creds: Creds) {
        self.creds.set(creds);
        told::tell(self);
    }

    fn group_count(&self) -> usize {
        self.groups.borrow().len()
    }

    fn group(&self, index: usize) -> Option<u32> {
        self.groups.borrow().get(index).copied()
    }

    fn set_groups(&self, count: usize, id: &mut dyn FnMut(usize) -> Result<u32, Errno>) -> Result<(), Errno> {
        let mut groups = (0..count).map(id).collect::<Result<Vec<u32>, Errno>>()?;
        groups.sort_unstable();
        *self.groups.borrow_mut() = groups.into();
        told::tell(self);
        Ok(())
    }

    fn process(&self) -> Process {
        self.process.get()
    }

    fn set_process(&self, process: Process) {
        self.process.set(process);
        told::tell(self);
    }

    fn schedule(&self, tid: i32) -> Option<Schedule> {
        self.look_at(tid, |other| other.schedule.get())
    }

    fn set_schedule(&self, tid: i32, schedule: Schedule) {
        self.look_at(tid, |other| other.schedule.set(schedule));
    }

    fn realtime_utilization(&self) -> u32 {
        let told = proc_text::read_to_string("/proc/sys/kernel/sched_util_clamp_min_rt_default");
        told.ok().and_then(|told| told.trim().parse().ok()).unwrap_or(0)
    }

    async fn syscall(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        let abi = self.abi.get();
        let number = abi.number(sys).ok_or(Errno::ENOSYS)?;
        self.request.set(Some(Request { abi, number, args }));
        poll_fn(|_| match self.reply.take() {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        })
        .await
    }

    async fn stat(&self, file: FileRef) -> Result<Statx, Errno> {
        match lookup::stat(self, file) {
            Some(result) => result,
            None => self.stat_in_tracee(file).await,
        }
    }

    async fn descriptor_flags(&self, fd: i32) -> Result<u32, Errno> {
        match lookup::descriptor_flags(self.tid, fd) {
            Some(flags) => Ok(flags),
            None => self.syscall(Sys::Fcntl, [fd as u64, libc::F_GETFL as u64, 0, 0, 0, 0]).await.map(|f| f as u32),
        }
    }

    async fn program_head(&self, dirfd: i32, path: &[u8], flags: i32, head: &mut [u8]) -> Option<usize> {
        if self.is_rooted() {
            return self.head_inside(dirfd, path, flags, head).await;
        }
        program::head(self, dirfd, path, flags, head).await
    }

    async fn stat_inside(&self, dirfd: i32, path: &[u8], flags: i32) -> Option<Result<Statx, Errno>> {
        if self.is_rooted() { Some(self.stat_found(dirfd, path, flags).await) } else { None }
    }

    async fn symlink_text(&self, dirfd: i32, path: &[u8], text: &mut [u8]) -> Option<usize> {
        let found = if self.is_rooted() {
            self.text_found(dirfd, path).await.ok()?
        } else {
            lookup::link_text(self, dirfd, path).await?
        };
        fill(text, &found).ok()
    }

    fn refuses_program(&self, path: &[u8], audit_arch: u32) -> bool {
        program::refuses(self, path, audit_arch)
    }

    fn paths_changed(&self) {
        // Mounts and root belong to a thread, but several threads and processes may have them in common.
        for thread in self.world.threads.borrow().values().filter_map(Weak::upgrade) {
            thread.view.set(lookup::view(thread.tid));
        }
    }

    fn next_child_untraced(&self, untraced: bool) {
        self.child_untraced.set(untraced);
    }

    fn next_child_apart(&self) {
        self.child_apart.set(true);
    }

    fn mounts_apart(&self) {
        self.rooted.borrow_mut().take_mounts_apart();
    }

    fn next_child_mounts_apart(&self) {
        self.child_mounts_apart.set(true);
    }

    fn has_root(&self) -> bool {
        self.is_rooted()
    }

    fn leaves_any(&self) -> bool {
        Thread::leaves_any(self)
    }

    async fn is_left(&self, dirfd: i32, path: &[u8], last: Last) -> bool {
        self.is_left_alone(dirfd, path, last).await
    }

    fn has_own_view(&self) -> bool {
        self.has_foreign_view()
    }

    async fn translate(
        &self,
        dirfd: i32,
        path: &[u8],
        last: Last,
        refused: u64,
        to: TraceeAddr,
    ) -> Result<bool, Errno> {
        self.translate_path(Path { dirfd, path, last, refused }, to).await
    }

    async fn translate_to_bind(&self, dirfd: i32, path: &[u8], last: Last, to: TraceeAddr) -> Result<(), Errno> {
        self.translate_lastingly(Path::new(dirfd, path, last), to).await
    }

    fn bound_name(&self, path: &[u8], text: &mut [u8]) -> Option<usize> {
        fill(text, &self.name_when_bound(path)?).ok()
    }

    fn aside(&self) -> Result<TraceeAddr, Errno> {
        let slot = self.slot()?;
        Ok(TraceeAddr(self.world.trampoline.aside_address(self.abi(), slot)))
    }

    async fn change_root(&self, path: &[u8], allowed: bool) -> Result<(), Errno> {
        self.enter_root(path, allowed).await
    }

    async fn pivot_root(&self, new: &[u8], old: &[u8]) -> Result<(), Errno> {
        self.change_and_keep_root(new, old).await
    }

    fn working_directory(&self, text: &mut [u8]) -> Result<usize, Errno> {
        fill(text, &self.working_directory_text()?)
    }

    async fn link_text(&self, dirfd: i32, path: &[u8], text: &mut [u8]) -> Result<usize, Errno> {
        fill(text, &self.magic_text(dirfd, path).await?)
    }

    async fn prepare_program(
        &self,
        dirfd: i32,
        path: &[u8],
        flags: i32,
        called: &[u8],
        emulator: Option<&[u8]>,
        to: TraceeAddr,
    ) -> Result<(), Errno> {
        self.prepare_inside(dirfd, path, flags, called, emulator, to).await
    }

    fn emulator(&self, path: &[u8], head: &[u8], name: &mut [u8]) -> Option<usize> {
        let is_own = |arch| self.world.abis.iter().any(|table| table.abi().audit_arch() == arch);
        if audit_arch(head).is_none_or(is_own) {
            return None;
        }
        fill(name, self.world.emulators.of(path, head, &self.world.log)?.as_os_str().as_bytes()).ok()
    }

    fn forget_program(&self) {
        self.rooted.borrow_mut().starting = None;
    }

    async fn mount(&self, source: MountSource<'_>, path: &[u8], told: &MountTold<'_>) -> Result<(), Errno> {
        self.add_mount(source, path, told).await
    }

    async fn remount(&self, path: &[u8], told: &MountTold<'_>) -> Result<(), Errno> {
        self.change_mount(path, told).await
    }

    async fn is_mount_point(&self, path: &[u8]) -> Result<bool, Errno> {
        self.is_mounted_at(path).await
    }

    fn has_mounts(&self) -> bool {
        !self.rooted.borrow().mounts.is_empty()
    }

    fn is_mounted_on(&self, inode: &InodeKey) -> bool {
        self.rooted.borrow().mounts.has_on(inode)
    }

    async fn umount(&self, path: &[u8], last: Last) -> Result<(), Errno> {
        self.remove_mount(path, last).await
    }

    async fn ptrace(&self, call: &Call) -> Outcome {
        self.trace(call).await
    }

    async fn wait(&self, call: &Call) -> Outcome {
        self.wait_as_tracer(call).await
    }

    fn read(&self, from: TraceeAddr, to: &mut [u8]) -> Result<(), Errno> {
        if ptrace::read_memory(self.tid, from.0, to) == to.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn read_some(&self, from: TraceeAddr, to: &mut [u8]) -> Result<usize, Errno> {
        // A read that crosses into an unmapped page returns less only at the granularity of the ranges it is given.
        let page_end = (4096 - from.0 % 4096) as usize;
        let len = to.len();
        let first = len.min(page_end);
        let (head, _) = to.split_at_mut_checked(first).ok_or(Errno::EFAULT)?;
        match ptrace::read_memory(self.tid, from.0, head) {
            0 => Err(Errno::EFAULT),
            got => Ok(got),
        }
    }

    fn write(&self, to: TraceeAddr, from: &[u8]) -> Result<(), Errno> {
        if ptrace::write_memory(self.tid, to.0, from) == from.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn scratch(&self) -> Result<TraceeAddr, Errno> {
        let slot = self.slot()?;
        Ok(TraceeAddr(self.world.trampoline.scratch_address(self.abi(), slot)))
    }

    fn empty_path(&self) -> TraceeAddr {
        TraceeAddr(self.world.trampoline.empty_string_address(self.abi()))
    }
}
