//! What the agent has of a process: an address space, which several tracees may share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use super::agent::Agent;
use super::known::{Known, Stubs, When};
use super::process_memory::ProcessMemory;
use super::ptrace;
use crate::inside::layout::STUBS_LEN;
use crate::inside::sites::{Inside, Site, Way, Window};
use crate::proc_text;

/// Memory of one or more tracees, made anew by exec, copied by fork, shared by threads and after vfork.
#[derive(Debug, Default)]
pub struct Space {
    /// Where stubs are; `None` if the agent does not work here.
    stubs: Cell<Option<u64>>,
    /// Sites that were looked at, by program counter. Those that cannot be replaced have no place.
    sites: RefCell<HashMap<u64, Option<Site>>>,
    /// Where stubs lead to the agent and back.
    ways_in: RefCell<Vec<Range<u64>>>,
    /// Stubs made.
    made: Cell<u64>,
    /// The sites that are known of this program.
    known: Rc<Known>,
    /// Those that are there only once its libraries are have been replaced.
    late_done: Cell<bool>,
    /// What was replaced is as it was, and nothing more is replaced: a tracee's own tracer is to see its calls.
    pub put_back: Cell<bool>,
    /// How often the agent was told something; see [`crate::inside::local::Local`].
    pub told: Cell<u32>,
    /// Whether all tracees that share it are the same to the agent.
    pub uniform: Cell<bool>,
    /// Others that do not share it share descriptors with it (`CLONE_FILES`).
    pub files_shared: Cell<bool>,
}

/// Bytes before the first stub: the agent's address.
const ENTRY_LEN: u64 = 8;

/// What replacing a site takes, besides the process.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// How this CPU does it.
    pub inside: &'a dyn Inside,
    /// Where stubs lead to.
    pub agent: &'a Agent,
    /// Other tracees may be executing the site just now.
    pub shared: bool,
    /// The process's memory, if it is open.
    pub memory: Option<&'a ProcessMemory>,
}

impl Space {
    /// A space in which the agent works, with memory for stubs.
    pub fn new(stubs: u64, known: Rc<Known>) -> Space {
        let space = Space { known, ..Space::default() };
        space.stubs.set(Some(stubs));
        space.uniform.set(true);
        space
    }

    /// A copy made by fork.
    pub fn copy(&self) -> Space {
        Space {
            stubs: self.stubs.clone(),
            sites: self.sites.clone(),
            ways_in: self.ways_in.clone(),
            made: self.made.clone(),
            known: Rc::clone(&self.known),
            late_done: self.late_done.clone(),
            put_back: self.put_back.clone(),
            told: self.told.clone(),
            uniform: self.uniform.clone(),
            files_shared: Cell::new(false),
        }
    }

    /// A copy made by fork at an unknown time, or of a relative of this space, that a tracee has now. If what is there does
    /// not continue what is known, no more sites are replaced in it: they would get stubs that are in use.
    pub fn copy_in(&self, tid: i32, stub_len: u64) -> Space {
        let copy = self.copy();
        let read = |address, len: u64| {
            let mut bytes = vec![0; len as usize];
            (ptrace::read_memory(tid, address, &mut bytes) == bytes.len()).then_some(bytes)
        };
        let is_empty = |bytes: Option<Vec<u8>>| bytes.map(|bytes| bytes.iter().all(|byte| *byte == 0));
        let (stubs, made) = (copy.stubs.get().unwrap_or_default(), copy.made.get());
        let begun = made == 0 || is_empty(read(stubs, ENTRY_LEN)) == Some(false);
        let next = stubs + ENTRY_LEN + made * stub_len;
        let full = next + stub_len > stubs + STUBS_LEN;
        if !begun || !full && is_empty(read(next, stub_len)) != Some(true) {
            copy.made.set(STUBS_LEN);
        }
        copy
    }

    /// Whether the agent works here.
    pub fn has_agent(&self) -> bool {
        self.stubs.get().is_some()
    }

    /// Whether an address is on the way from a site to the agent.
    pub fn is_way_in(&self, address: u64) -> bool {
        self.is_stub(address) && self.ways_in.borrow().iter().any(|way| way.contains(&address))
    }

    /// Whether an address is among the stubs.
    fn is_stub(&self, address: u64) -> bool {
        self.stubs.get().is_some_and(|stubs| (stubs..stubs + STUBS_LEN).contains(&address))
    }

    /// Where a thread goes on whose stub begins here and faults at once: there is no agent for this call.
    pub fn way_around(&self, address: u64, inside: &dyn Inside) -> Option<u64> {
        let around = address + inside.stub_way_around()?;
        (self.is_stub(address) && self.ways_in.borrow().iter().any(|way| way.start == address)).then_some(around)
    }

    /// Whether a site begins at this address, where a trap is not the program's own.
    pub fn is_site(&self, tid: i32, address: u64, trap: u8) -> bool {
        let mut there = [trap];
        self.sites.borrow().values().flatten().any(|site| site.begin == address)
            && ptrace::read_memory(tid, address, &mut there) == 1
            && there != [trap]
    }

    /// Has the sites that are known to be there as soon as the program is loaded answered by the agent.
    pub fn replace_early(&self, tid: i32, tools: Tools) {
        self.replace_known(tid, When::Loaded, tools);
    }

    /// Has the site that a tracee is stopped at answered by the agent from now on, if that can be done; and with the first
    /// one of a library all that are known. Tells whether it is answered by the agent now, if it was not looked at before.
    pub fn replace(&self, tid: i32, pc: u64, number: u32, tools: Tools) -> Option<bool> {
        let stubs = self.stubs_for(tools)?;
        if self.sites.borrow().contains_key(&pc) {
            return None;
        }
        if When::of(pc, stubs) == When::Later && !self.late_done.replace(true) {
            self.replace_known(tid, When::Later, tools);
            if self.sites.borrow().contains_key(&pc) {
                return Some(true);
            }
        }
        if self.is_stub(pc) {
            return None;
        }
        let (before, after) = tools.inside.window();
        let mut code = vec![0; before + after];
        let got = ptrace::read_memory(tid, pc.wrapping_sub(before as u64), &mut code);
        let site = self.recognise(code.get(..got).unwrap_or_default(), pc, number, stubs, tools);
        let site = site.filter(|site| is_own_code(tid, site));
        let done = site.filter(|site| self.write(tid, &[*site], stubs, tools).is_ok());
        if done.is_some() {
            self.known.learn(pc, number, stubs);
        }
        self.sites.borrow_mut().insert(pc, done);
        Some(done.is_some())
    }

    fn replace_known(&self, tid: i32, when: When, tools: Tools) {
        let Some(stubs) = self.stubs_for(tools) else { return };
        let candidates = self.known.expected(when, stubs);
        let (before, after) = tools.inside.window();
        let begins: Vec<u64> = candidates.iter().map(|(pc, _)| pc.wrapping_sub(before as u64)).collect();
        let code = ptrace::read_each(tid, &begins, before + after);
        let mut sites: Vec<Site> = Vec::new();
        for ((pc, number), code) in candidates.iter().zip(code.chunks_exact(before + after)) {
            let Some(site) = self.recognise(code, *pc, *number, stubs, tools) else { continue };
            // Two may have seen the same padding.
            let taken = sites.iter().any(|other| other.way == site.way && matches!(site.way, Way::Padding(_)));
            if !taken && !self.sites.borrow().contains_key(pc) {
                sites.push(site);
            }
        }
        if !sites.is_empty() && self.write(tid, &sites, stubs, tools).is_ok() {
            self.sites.borrow_mut().extend(sites.iter().map(|site| (site.pc, Some(*site))));
        }
    }

    /// Puts the program's own instructions back. Whoever is in a stub or in the agent still finds its way out.
    pub fn put_back(&self, tid: i32, tools: Tools) {
        self.put_back.set(true);
        // If it cannot be opened the process is gone.
        let Ok(memory) = ProcessMemory::open(tid) else { return };
        for site in self.sites.borrow().values().flatten() {
            let _ = write_code(&memory, site.begin, tools.inside.original(site).bytes(), site, tools);
        }
    }

    fn stubs_for(&self, tools: Tools) -> Option<Stubs> {
        Some(Stubs { begin: self.stubs.get()?, apart: tools.inside.apart() })
    }

    fn recognise(&self, code: &[u8], pc: u64, number: u32, stubs: Stubs, tools: Tools) -> Option<Site> {
        if pc.abs_diff(stubs.begin) >= tools.inside.reach() {
            return None;
        }
        let (before, after) = code.split_at_checked(tools.inside.window().0)?;
        tools.inside.recognise(Window { before, after }, pc, number)
    }

    fn write(&self, tid: i32, sites: &[Site], Stubs { begin: stubs, .. }: Stubs, tools: Tools) -> io::Result<()> {
        let stub_len = tools.inside.stub_len();
        let begin = stubs + ENTRY_LEN + self.made.get() * stub_len;
        if begin + stub_len * sites.len() as u64 > stubs + STUBS_LEN {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let opened;
        let memory = match tools.memory {
            Some(memory) => memory,
            None => {
                opened = ProcessMemory::open(tid)?;
                &opened
            }
        };
        let mut code = Vec::new();
        let mut at = begin;
        for site in sites {
            code.extend_from_slice(tools.inside.stub(site, at, stubs).bytes());
            at += stub_len;
            code.resize((at - begin) as usize, 0);
        }
        if self.made.get() == 0 {
            code.splice(0..0, tools.agent.entry.to_ne_bytes());
            memory.write_all_at(&code, stubs)?;
        } else {
            memory.write_all_at(&code, begin)?;
        }
        self.made.set(self.made.get() + sites.len() as u64);
        for (index, site) in sites.iter().enumerate() {
            let stub = begin + index as u64 * stub_len;
            write_jumps(memory, site, stub, tools)?;
            let way_in = stub..stub + tools.inside.stub_way_in(site);
            self.ways_in.borrow_mut().push(way_in);
        }
        Ok(())
    }
}

/// Whether a site is in private memory that holds a file's code. What is shared would change for others, who have no
/// such stub; what is in no file is code that the program makes and may change at any time.
fn is_own_code(tid: i32, site: &Site) -> bool {
    let maps = proc_text::read_to_string(format!("/proc/{tid}/maps")).unwrap_or_default();
    let holds = |range: &str| {
        let (begin, end) = range.split_once('-')?;
        let range = u64::from_str_radix(begin, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
        Some(site.extent().all(|address| range.contains(&address)))
    };
    // begin-end permissions offset device inode path: proc_pid_maps(5)
    maps.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        fields.next().and_then(holds) == Some(true)
            && fields.next().is_some_and(|permissions| permissions.ends_with('p'))
            && fields.nth(2).is_some_and(|inode| inode != "0")
    })
}

/// Leads from a site to its stub.
fn write_jumps(memory: &ProcessMemory, site: &Site, stub: u64, tools: Tools) -> io::Result<()> {
    for (at, code) in tools.inside.jumps(site, stub) {
        write_code(memory, at, code.bytes(), site, tools)?;
    }
    Ok(())
}

/// Writes code of a site, or where it leads to.
fn write_code(memory: &ProcessMemory, at: u64, code: &[u8], site: &Site, tools: Tools) -> io::Result<()> {
    match (code.split_first(), tools.inside.trap()) {
        (None, _) => Ok(()),
        // Whoever gets there meanwhile stops and begins again.
        (Some((first, rest)), Some((trap, _))) if tools.shared && at == site.begin => {
            memory.write_all_at(&[trap], at)?;
            memory.write_all_at(rest, at + 1)?;
            memory.write_all_at(&[*first], at)
        }
        (Some(_), _) => memory.write_all_at(code, at),
    }
}
