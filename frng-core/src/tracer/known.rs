//! The sites that programs are known to use, so that they need not be found by a stop again each time.
//!
//! Where a library is differs from run to run, but a program maps the same libraries in the same order, one next to the
//! other, and the stubs are at a fixed distance from its interpreter. So a site is remembered by its distance from the
//! stubs. That is a guess: the code that is found there decides.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::inode::InodeId;
use crate::stat::{Statx, Timestamp};

/// Most sites remembered of a program.
const SITES_MAX: usize = 64;
/// Most programs remembered.
const PROGRAMS_MAX: usize = 4096;

/// A program's stubs.
#[derive(Clone, Copy, Debug)]
pub struct Stubs {
    /// Their begin.
    pub begin: u64,
    /// How far behind that the program's interpreter is: [`crate::inside::sites::Inside::apart`].
    pub apart: u64,
}

/// When a site is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As soon as the kernel has loaded the program.
    Loaded,
    /// When the program has mapped its libraries.
    Later,
}

impl When {
    /// When a site of a program with these stubs is there: its interpreter is `apart` behind them, its libraries before
    /// that; a static program begins near.
    pub fn of(pc: u64, Stubs { begin, apart }: Stubs) -> When {
        let distance = pc.wrapping_sub(begin);
        if (apart / 4..apart).contains(&distance) { When::Later } else { When::Loaded }
    }
}

/// Sites: distance from the stubs, and number.
type Sites = RefCell<Vec<(u64, u32)>>;

/// The sites of one program.
#[derive(Debug, Default)]
pub struct Known {
    own: Sites,
    /// Those of the interpreter, which other programs have too.
    interpreter: Rc<Sites>,
}

impl Known {
    /// Remembers a site.
    pub fn learn(&self, pc: u64, number: u32, stubs: Stubs) {
        let site = (pc.wrapping_sub(stubs.begin), number);
        let of_interpreter = (stubs.apart..2 * stubs.apart).contains(&site.0);
        let mut sites = if of_interpreter { self.interpreter.borrow_mut() } else { self.own.borrow_mut() };
        if sites.len() < SITES_MAX && !sites.contains(&site) {
            sites.push(site);
        }
    }

    /// Where sites should be, by program counter, with their numbers.
    pub fn expected(&self, when: When, stubs: Stubs) -> Vec<(u64, u32)> {
        let (own, interpreter) = (self.own.borrow(), self.interpreter.borrow());
        let sites = interpreter.iter().chain(own.iter());
        let expected = sites.map(|(distance, number)| (stubs.begin.wrapping_add(*distance), *number));
        expected.filter(|(pc, _)| When::of(*pc, stubs) == when).collect()
    }
}

/// What is known of all programs.
#[derive(Debug, Default)]
pub struct Programs {
    programs: RefCell<HashMap<(InodeId, Timestamp), Rc<Known>>>,
    interpreter: Rc<Sites>,
}

impl Programs {
    /// What is known of a program, by its file.
    pub fn of(&self, executable: Option<&Statx>) -> Rc<Known> {
        let new = || Rc::new(Known { interpreter: Rc::clone(&self.interpreter), ..Known::default() });
        let Some(file) = executable else { return new() };
        let mut programs = self.programs.borrow_mut();
        if programs.len() >= PROGRAMS_MAX {
            programs.clear();
        }
        Rc::clone(programs.entry((file.id(), file.mtime)).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_expected_at_the_same_distance_from_other_stubs() {
        let known = Known::default();
        let stubs = Stubs { begin: 0x7000_0000_0000, apart: 1 << 30 };
        let (behind, before) = (stubs.apart + 0x1000, stubs.apart - 0x1000);
        known.learn(stubs.begin + behind, 262, stubs);
        known.learn(stubs.begin + before, 5, stubs);
        known.learn(stubs.begin + before, 5, stubs);
        known.learn(stubs.begin - 0x1000, 6, stubs);
        let other = Stubs { begin: 0x7100_0000_0000, ..stubs };
        let loaded = known.expected(When::Loaded, other);
        assert_eq!(loaded, [(other.begin + behind, 262), (other.begin - 0x1000, 6)]);
        assert_eq!(known.expected(When::Later, other), [(other.begin + before, 5)]);
        assert_eq!(known.own.borrow()[..], [(before, 5), (0x1000u64.wrapping_neg(), 6)]);
    }

    #[test]
    fn a_static_program_has_all_its_sites_from_the_begin() {
        assert_eq!(When::of(0x40_1000, Stubs { begin: 0x3f_0000, apart: 1 << 26 }), When::Loaded);
    }
}
