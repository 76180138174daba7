//! Sites: how a `syscall` instruction is replaced by a jump.
//!
//! The instruction has 2 bytes, a jump 5. A libc's wrapper loads the number right before:
//!
//! ```text
//! b8 06 01 00 00     mov $262,%eax          e9 .. .. .. ..     jmp stub
//! 0f 05              syscall                0f 05              syscall
//! ```
//!
//! Only the load is replaced. Whoever jumps to the `syscall` itself, is waiting in it or returns from it meets
//! what was there before. Nothing can jump into the middle of the load, since it is one instruction.

use frng_core::inside::sites::{Code, Inside, Site};

/// Bytes of the load and the `syscall` behind it.
const LOAD_LEN: u64 = 5;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const MOV_EAX: u8 = 0xb8;
const JMP: u8 = 0xe9;
const INT3: u8 = 0xcc;

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
        crate::trampoline::GADGET + SYSCALL.len() as u64
    }

    fn window(&self) -> usize {
        8
    }

    fn recognise(&self, code: &[u8], pc: u64, number: u32) -> Option<Site> {
        let [before, load @ .., first, second] = code.last_chunk::<8>()?;
        if [*first, *second] != SYSCALL || load[0] != MOV_EAX || load[1..] != number.to_le_bytes() {
            return None;
        }
        // With a REX prefix it would be the load of another register.
        if before & 0xf0 == 0x40 {
            return None;
        }
        let begin = pc.checked_sub(LOAD_LEN + SYSCALL.len() as u64)?;
        Some(Site { begin, pc, number })
    }

    fn stub_len(&self) -> u64 {
        24
    }

    fn reach(&self) -> u64 {
        // 32 bits signed, less than a page of each side.
        (1 << 31) - 0x2000
    }

    /// The agent wants the number in rax as the call does, and the address of the `syscall` in r11, which the call
    /// would have clobbered.
    fn stub(&self, site: &Site, at: u64, entry: u64) -> Code {
        let instruction = site.pc.wrapping_sub(SYSCALL.len() as u64);
        // mov $number,%eax; movabs $instruction,%r11; jmp *entry(%rip)
        let distance = entry.wrapping_sub(at.wrapping_add(5 + 10 + 6)) as u32;
        Code::new(&[
            &[MOV_EAX],
            &site.number.to_le_bytes(),
            &[0x49, 0xbb],
            &instruction.to_le_bytes(),
            &[0xff, 0x25],
            &distance.to_le_bytes(),
        ])
    }

    fn jump(&self, site: &Site, stub: u64) -> Code {
        let distance = stub.wrapping_sub(site.begin.wrapping_add(LOAD_LEN)) as u32;
        Code::new(&[&[JMP], &distance.to_le_bytes()])
    }

    fn trap(&self) -> (u8, u64) {
        (INT3, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTATAT: [u8; 8] = [0x90, 0xb8, 0x06, 0x01, 0x00, 0x00, 0x0f, 0x05];

    #[test]
    fn the_load_of_the_number_before_a_syscall_is_replaced() {
        let site = SITES.recognise(&FSTATAT, 0x1008, 262).unwrap();
        assert_eq!(site, Site { begin: 0x1001, pc: 0x1008, number: 262 });
        assert_eq!(SITES.jump(&site, 0x2000).bytes(), [0xe9, 0xfa, 0x0f, 0x00, 0x00]);
        assert_eq!(
            SITES.stub(&site, 0x2000, 0x1ff8).bytes(),
            [
                0xb8, 0x06, 0x01, 0, 0, 0x49, 0xbb, 0x06, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0x25, 0xe3, 0xff, 0xff, 0xff
            ]
        );
    }

    #[test]
    fn another_register_another_number_and_no_syscall_are_left_alone() {
        assert_eq!(SITES.recognise(&FSTATAT, 0x1008, 5), None);
        let mut rex = FSTATAT;
        rex[0] = 0x41;
        assert_eq!(SITES.recognise(&rex, 0x1008, 262), None);
        let mut other = FSTATAT;
        other[7] = 0x34;
        assert_eq!(SITES.recognise(&other, 0x1008, 262), None);
        let mut between = FSTATAT;
        between[1] = 0x90;
        assert_eq!(SITES.recognise(&between, 0x1008, 262), None);
        assert_eq!(SITES.recognise(&FSTATAT[1..], 0x1008, 262), None);
    }
}
