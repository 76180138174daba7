//! Sites: how a `svc` is replaced by a branch, which has as many bytes and reaches 128 MiB.
//!
//! The branch is written by one store, and whoever executes the place meanwhile meets either instruction: both are among those
//! that may be changed so (Arm Architecture Reference Manual, "Concurrent modification and execution of instructions"). Who
//! is waiting in the `svc` goes on behind it. The kernel sees to the instruction caches (`flush_ptrace_access` of
//! `arch/arm64/mm/flush.c`).
//!
//! A `svc` preserves every register but x0, so a stub has none to use: it puts two below the stack pointer, where
//! nobody has anything that lasts, since a handler's frame goes there ("Universal stack constraints" of the procedure call
//! standard). Each stub has a `svc` of its own, by which the program issues its calls itself:
//!
//! ```text
//!     stp  x16, x17, [sp, #-32]
//!     adr  x17, 1f
//!     str  x17, [sp, #-16]
//!     ldr  x16, entry
//!     br   x16
//!     ldp  x16, x17, [sp, #-32]       the agent has answered
//!     b    behind the site
//! 1:  ldp  x16, x17, [sp, #-32]       it has not
//!     svc  #0
//!     b    behind the site
//! ```
//!
//! All that is indirect goes through x16 and x17, so that it may lead to a landing pad (BTI); what comes back to the program
//! is a direct branch, which needs none.

use frng_core::inside::sites::{Code, Inside, Site, Way, Window};

const SVC: u32 = 0xd400_0001;
const SVC_LEN: u64 = 4;
const BRANCH: u32 = 0x1400_0000;
/// `stp x16, x17, [sp, #-32]`
const SPILL: u32 = 0xa93e_47f0;
/// `ldp x16, x17, [sp, #-32]`
const UNSPILL: u32 = 0xa97e_47f0;
/// `adr x17, .+24`
const ADR_WAY_BACK: u32 = 0x1000_00d1;
/// `str x17, [sp, #-16]`
const STORE_WAY_BACK: u32 = 0xf81f_03f1;
/// `ldr x16, .` without its distance.
const LOAD_ENTRY: u32 = 0x5800_0010;
/// `br x16`
const BR_X16: u32 = 0xd61f_0200;

/// Offset of the load of the entry's address.
const LOAD: u64 = 3 * 4;
/// Offset of the branch back for a call that has been answered.
const BACK_ANSWERED: u64 = 6 * 4;
/// Offset of the stub's own `svc`.
const OWN: u64 = 8 * 4;
/// Bytes of a stub.
const LEN: u64 = OWN + 8;

/// Sites of 64-bit programs.
#[derive(Clone, Copy, Debug)]
pub struct Sites;

/// The only value of [`Sites`].
pub static SITES: Sites = Sites;

impl Inside for Sites {
    fn gadget(&self) -> u64 {
        crate::trampoline::GADGET
    }

    fn gadget_return(&self) -> u64 {
        crate::trampoline::GADGET + SVC_LEN
    }

    fn window(&self) -> (usize, usize) {
        (SVC_LEN as usize, 0)
    }

    /// Whatever the number is: it is in x8.
    fn recognise(&self, window: Window, pc: u64, _number: u32) -> Option<Site> {
        (window.before == SVC.to_le_bytes()).then_some(Site { begin: pc.checked_sub(SVC_LEN)?, pc, way: Way::Whole })
    }

    fn stub_len(&self) -> u64 {
        LEN
    }

    fn reach(&self) -> u64 {
        // 28 bits signed, less than the largest page of each side.
        (1 << 27) - 0x2_0000
    }

    fn apart(&self) -> u64 {
        crate::trampoline::APART
    }

    fn stub(&self, site: &Site, at: u64, entry: u64) -> Code {
        let distance = entry.wrapping_sub(at + LOAD) as i64 / 4;
        let load_entry = LOAD_ENTRY | (distance as u32 & 0x7_ffff) << 5;
        let answered = branch(at + BACK_ANSWERED, site.pc);
        let issued = branch(at + OWN + SVC_LEN, site.pc);
        let words = [SPILL, ADR_WAY_BACK, STORE_WAY_BACK, load_entry, BR_X16, UNSPILL, answered, UNSPILL, SVC, issued];
        let words = words.map(u32::to_le_bytes);
        Code::new(&words.each_ref().map(|word| word.as_slice()))
    }

    fn stub_way_in(&self, _site: &Site) -> u64 {
        OWN
    }

    /// There may be no memory below the stack pointer, or it may be misaligned.
    fn stub_way_around(&self) -> Option<u64> {
        Some(OWN)
    }

    fn jumps(&self, site: &Site, stub: u64) -> [(u64, Code); 2] {
        let jump = Code::new(&[&branch(site.begin, stub).to_le_bytes()]);
        [(site.begin, jump), (site.begin, Code::new(&[]))]
    }

    fn original(&self, _site: &Site) -> Code {
        Code::new(&[&SVC.to_le_bytes()])
    }

    fn trap(&self) -> Option<(u8, u64)> {
        None
    }
}

/// `b to`, which must be within [`Sites::reach`].
fn branch(at: u64, to: u64) -> u32 {
    let distance = to.wrapping_sub(at) as i64 / 4;
    BRANCH | distance as u32 & 0x03ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn words(code: &Code) -> Vec<u32> {
        code.bytes().chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }

    fn site(pc: u64) -> Site {
        SITES.recognise(Window { before: &SVC.to_le_bytes(), after: &[] }, pc, 79).unwrap()
    }

    #[test]
    fn a_svc_is_a_site_and_nothing_else_is() {
        assert_eq!(site(0x1004), Site { begin: 0x1000, pc: 0x1004, way: Way::Whole });
        // svc #1, brk #0, ret, and half of what could be one.
        for before in [0xd400_0021u32, 0xd420_0000, 0xd65f_03c0] {
            assert_eq!(SITES.recognise(Window { before: &before.to_le_bytes(), after: &[] }, 0x1004, 79), None);
        }
        assert_eq!(SITES.recognise(Window { before: &[1, 0], after: &[] }, 0x1004, 79), None);
    }

    #[test]
    fn it_becomes_one_branch_forwards_or_backwards() {
        for (begin, stub, word) in [
            (0x1000, 0x2000, 0x1400_0400),               // b .+0x1000
            (0x2000, 0x1000, 0x17ff_fc00),               // b .-0x1000
            (0x800_0000, 0x2_0000, 0x1600_8000),         // b .-0x7fe0000
            (0x2_0000, 0x800_0000 - 4, 0x15ff_7fff_u32), // b .+0x7fdfffc
        ] {
            let [(at, jump), (_, nothing)] = SITES.jumps(&site(begin + 4), stub);
            assert_eq!((at, words(&jump), nothing.bytes()), (begin, [word].to_vec(), &[][..]));
        }
    }

    /// What `as` of binutils makes of the source beside each word, with the entry's address at 0xff8 and a site at 0x3000.
    #[test]
    fn a_stub_is_what_an_assembler_makes_of_it() {
        let stub = SITES.stub(&site(0x3004), 0x1000, 0xff8);
        let expected = [
            0xa93e_47f0, // stp x16, x17, [sp, #-32]
            0x1000_00d1, // adr x17, 101c
            0xf81f_03f1, // stur x17, [sp, #-16]
            0x58ff_ff70, // ldr x16, ff8
            0xd61f_0200, // br x16
            0xa97e_47f0, // ldp x16, x17, [sp, #-32]
            0x1400_07fb, // b 3004
            0xa97e_47f0, // ldp x16, x17, [sp, #-32]
            0xd400_0001, // svc #0x0
            0x1400_07f8, // b 3004
        ];
        assert_eq!(words(&stub), expected);
        assert_eq!(SITES.stub_len(), stub.bytes().len() as u64);
    }

    #[test]
    fn the_way_back_of_an_answered_call_is_before_that_of_the_stubs_own() {
        let stub = words(&SITES.stub(&site(0x3004), 0x1000, 0xff8));
        // Where adr leads to: 19 bits from bit 5 on, in instructions.
        let way_back = 1 + (stub[1] >> 5 & 0x7_ffff) as usize;
        let answered = way_back - crate::trampoline::ANSWERED_BEFORE as usize / 4;
        assert_eq!(stub[way_back..][..2], [UNSPILL, SVC]);
        assert_eq!((stub[answered], stub[answered + 1] >> 26), (UNSPILL, BRANCH >> 26));
    }

    #[test]
    fn the_programs_own_call_in_a_stub_is_behind_the_way_in() {
        let stub = words(&SITES.stub(&site(0x3004), 0x1000, 0xff8));
        let own = SITES.stub_way_in(&site(0x3004));
        assert_eq!((stub[own as usize / 4], SITES.stub_way_around()), (SVC, Some(own)));
    }
}
