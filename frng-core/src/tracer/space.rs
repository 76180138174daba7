//! What the agent has of a process: an address space, which several tracees may share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use super::agent::Agent;
use super::ptrace;
use crate::inside::layout::STUBS_LEN;
use crate::inside::sites::{Inside, Site};

/// Memory of one or more tracees, made anew by exec, copied by fork, shared by threads and after vfork.
#[derive(Debug, Default)]
pub struct Space {
    /// Where stubs are; `None` if the agent does not work here.
    stubs: Cell<Option<u64>>,
    /// Sites that were looked at, by program counter. Those that cannot be replaced have no place.
    sites: RefCell<HashMap<u64, Option<Site>>>,
    /// Stubs made.
    made: Cell<u64>,
    /// How often the agent was told something; see [`crate::inside::local::Local`].
    pub told: Cell<u32>,
    /// Whether all tracees that share it are the same to the agent.
    pub uniform: Cell<bool>,
}

/// Bytes before the first stub: the agent's address.
const ENTRY_LEN: u64 = 8;

impl Space {
    /// A space in which the agent works, with memory for stubs.
    pub fn new(stubs: u64) -> Space {
        let space = Space::default();
        space.stubs.set(Some(stubs));
        space.uniform.set(true);
        space
    }

    /// A copy made by fork.
    pub fn copy(&self) -> Space {
        Space {
            stubs: self.stubs.clone(),
            sites: self.sites.clone(),
            made: self.made.clone(),
            told: self.told.clone(),
            uniform: self.uniform.clone(),
        }
    }

    /// Whether the agent works here.
    pub fn has_agent(&self) -> bool {
        self.stubs.get().is_some()
    }

    /// Whether an address is among the stubs.
    pub fn is_stub(&self, address: u64) -> bool {
        self.stubs.get().is_some_and(|stubs| (stubs..stubs + STUBS_LEN).contains(&address))
    }

    /// Whether a site begins at this address.
    pub fn is_site(&self, address: u64) -> bool {
        self.sites.borrow().values().flatten().any(|site| site.begin == address)
    }

    /// Has the site that a tracee is stopped at answered by the agent from now on, if that can be done. `shared` tells
    /// that other tracees may be executing it just now.
    pub fn replace(&self, tid: i32, pc: u64, number: u32, inside: &dyn Inside, agent: &Agent, shared: bool) {
        let Some(stubs) = self.stubs.get() else { return };
        if self.sites.borrow().contains_key(&pc) {
            return;
        }
        let site = self.recognise(tid, pc, number, inside, stubs);
        let done = site.is_some_and(|site| self.write(tid, &site, inside, agent, stubs, shared).is_ok());
        self.sites.borrow_mut().insert(pc, site.filter(|_| done));
    }

    fn recognise(&self, tid: i32, pc: u64, number: u32, inside: &dyn Inside, stubs: u64) -> Option<Site> {
        let mut code = [0; 32];
        let code = code.get_mut(..inside.window())?;
        let begin = pc.checked_sub(code.len() as u64)?;
        if pc.abs_diff(stubs) >= inside.reach() || ptrace::read_memory(tid, begin, code) != code.len() {
            return None;
        }
        inside.recognise(code, pc, number)
    }

    fn write(
        &self,
        tid: i32,
        site: &Site,
        inside: &dyn Inside,
        agent: &Agent,
        stubs: u64,
        shared: bool,
    ) -> io::Result<()> {
        let at = stubs + ENTRY_LEN + self.made.get() * inside.stub_len();
        if at + inside.stub_len() > stubs + STUBS_LEN {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let memory = OpenOptions::new().write(true).open(format!("/proc/{tid}/mem"))?;
        if self.made.get() == 0 {
            memory.write_all_at(&agent.entry.to_ne_bytes(), stubs)?;
        }
        memory.write_all_at(inside.stub(site, at, stubs).bytes(), at)?;
        self.made.set(self.made.get() + 1);
        let jump = inside.jump(site, at);
        match jump.bytes().split_first() {
            // Whoever gets there meanwhile stops and begins again.
            Some((first, rest)) if shared => {
                memory.write_all_at(&[inside.trap().0], site.begin)?;
                memory.write_all_at(rest, site.begin + 1)?;
                memory.write_all_at(&[*first], site.begin)
            }
            _ => memory.write_all_at(jump.bytes(), site.begin),
        }
    }
}
