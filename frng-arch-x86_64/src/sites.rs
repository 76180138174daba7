//! Sites: how a `syscall` instruction is replaced by a jump, of which the long form has 5 bytes.
//!
//! A libc's wrapper loads the number right before. Only the load is replaced then; whoever jumps to the `syscall` itself, is
//! waiting in it or returns from it meets what was there before, and nothing can jump into the middle of a load:
//!
//! ```text
//! b8 06 01 00 00     mov $262,%eax          e9 .. .. .. ..     jmp stub
//! 0f 05              syscall                0f 05              syscall
//! ```
//!
//! Where the number comes from elsewhere (`syscall(2)` of a libc, Go), the `syscall` becomes a jump of as many bytes, to a
//! padding behind the function, where the long one has room. What follows the `syscall` stays as it is, for those
//! who are waiting in it. The stub then has a `syscall` of its own:
//!
//! ```text
//! 0f 05              syscall                eb ..              jmp padding
//! ...                                       ...
//! c3                 ret                    c3                 ret
//! 0f 1f 44 00 00     nop                    e9 .. .. .. ..     jmp stub
//! ```

use frng_core::inside::sites::{Code, Inside, Site, Way, Window};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic};

const SYSCALL: [u8; 2] = [0x0f, 0x05];
const SYSCALL_LEN: u64 = 2;
const MOV_EAX: u8 = 0xb8;
const LOAD_LEN: u64 = 5;
const JMP: u8 = 0xe9;
const JMP_LEN: u64 = 5;
const SHORT_JMP: u8 = 0xeb;
const INT3: u8 = 0xcc;
/// movabs to r11, then jmp through memory.
const WAY_IN_LEN: u64 = 10 + 6;

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
        crate::trampoline::GADGET + SYSCALL_LEN
    }

    fn window(&self) -> (usize, usize) {
        // A short jump's reach, and an instruction more.
        (8, 144)
    }

    fn recognise(&self, window: Window, pc: u64, number: u32) -> Option<Site> {
        let [before, load @ .., first, second] = window.before.last_chunk::<8>()?;
        if [*first, *second] != SYSCALL {
            return None;
        }
        // With a REX prefix it would be the load of another register.
        if load[0] == MOV_EAX && load[1..] == number.to_le_bytes() && before & 0xf0 != 0x40 {
            let begin = pc.checked_sub(LOAD_LEN + SYSCALL_LEN)?;
            return Some(Site { begin, pc, way: Way::Load(number) });
        }
        let padding = pc.checked_add(padding(window.after)?)?;
        Some(Site { begin: pc.checked_sub(SYSCALL_LEN)?, pc, way: Way::Padding(padding) })
    }

    fn stub_len(&self) -> u64 {
        32
    }

    fn reach(&self) -> u64 {
        // 32 bits signed, less than a page of each side.
        (1 << 31) - 0x2000
    }

    fn apart(&self) -> u64 {
        crate::trampoline::APART
    }

    /// The agent wants the number in rax as the call does, and the address of a `syscall` in r11, which the call would
    /// have clobbered.
    fn stub(&self, site: &Site, at: u64, entry: u64) -> Code {
        match site.way {
            Way::Load(number) => {
                let way_in = way_in(at + LOAD_LEN, site.pc.wrapping_sub(SYSCALL_LEN), entry);
                Code::new(&[&[MOV_EAX], &number.to_le_bytes(), way_in.bytes()])
            }
            Way::Padding(_) | Way::Whole => {
                let syscall = at + WAY_IN_LEN;
                let back = jump(syscall + SYSCALL_LEN, site.pc);
                Code::new(&[way_in(at, syscall, entry).bytes(), &SYSCALL, back.bytes()])
            }
        }
    }

    fn stub_way_in(&self, site: &Site) -> u64 {
        match site.way {
            Way::Load(_) => LOAD_LEN + WAY_IN_LEN,
            Way::Padding(_) | Way::Whole => WAY_IN_LEN,
        }
    }

    fn jumps(&self, site: &Site, stub: u64) -> [(u64, Code); 2] {
        match site.way {
            Way::Load(_) => [(site.begin, jump(site.begin, stub)), (site.begin, Code::new(&[]))],
            Way::Padding(padding) => {
                let distance = padding.wrapping_sub(site.pc) as u8;
                [(padding, jump(padding, stub)), (site.begin, Code::new(&[&[SHORT_JMP, distance]]))]
            }
            // Too small for that: never recognised as such.
            Way::Whole => [(site.begin, Code::new(&[])), (site.begin, Code::new(&[]))],
        }
    }

    fn original(&self, site: &Site) -> Code {
        match site.way {
            Way::Load(number) => Code::new(&[&[MOV_EAX], &number.to_le_bytes()]),
            Way::Padding(_) | Way::Whole => Code::new(&[&SYSCALL]),
        }
    }

    fn trap(&self) -> Option<(u8, u64)> {
        Some((INT3, 1))
    }
}

/// movabs $syscall,%r11; jmp *entry(%rip)
fn way_in(at: u64, syscall: u64, entry: u64) -> Code {
    let distance = entry.wrapping_sub(at.wrapping_add(WAY_IN_LEN)) as u32;
    Code::new(&[&[0x49, 0xbb], &syscall.to_le_bytes(), &[0xff, 0x25], &distance.to_le_bytes()])
}

/// jmp to
fn jump(at: u64, to: u64) -> Code {
    Code::new(&[&[JMP], &(to.wrapping_sub(at.wrapping_add(JMP_LEN)) as u32).to_le_bytes()])
}

/// Where in what follows a `syscall` there is room for a long jump that nothing gets to: instructions that do nothing,
/// behind one that does not go on, and nothing before jumps there. Only compilers and assemblers put such a
/// thing there, to align what comes next.
fn padding(code: &[u8]) -> Option<u64> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut unreachable = false;
    let mut begin = 0;
    let mut targets = [0u64; 16];
    let mut count = 0;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return None;
        }
        let end = instruction.next_ip();
        if begin > i8::MAX as u64 {
            return None;
        }
        let nothing = matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        if unreachable && nothing {
            let jumped_to = targets.iter().take(count).any(|target| (begin..end).contains(target));
            if end - begin >= JMP_LEN && !jumped_to {
                return Some(begin);
            }
            continue;
        }
        unreachable = matches!(
            instruction.flow_control(),
            FlowControl::Return | FlowControl::UnconditionalBranch | FlowControl::IndirectBranch
        );
        begin = end;
        if matches!(instruction.flow_control(), FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch) {
            *targets.get_mut(count)? = instruction.near_branch_target();
            count += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const FSTATAT: [u8; 8] = [0x90, 0xb8, 0x06, 0x01, 0x00, 0x00, 0x0f, 0x05];

    fn recognise(before: &[u8], after: &[u8], number: u32) -> Option<Site> {
        SITES.recognise(Window { before, after }, 0x1008, number)
    }

    fn written(site: &Site, stub: u64) -> Vec<(u64, Vec<u8>)> {
        SITES.jumps(site, stub).iter().map(|(at, code)| (*at, code.bytes().to_vec())).collect()
    }

    #[test]
    fn the_load_of_the_number_before_a_syscall_is_replaced() {
        let site = recognise(&FSTATAT, &[], 262).unwrap();
        assert_eq!(site, Site { begin: 0x1001, pc: 0x1008, way: Way::Load(262) });
        assert_eq!(written(&site, 0x2000)[0], (0x1001, [0xe9, 0xfa, 0x0f, 0x00, 0x00].to_vec()));
        let stub = [
            &[0xb8, 0x06, 0x01, 0, 0][..],
            &[0x49, 0xbb, 0x06, 0x10, 0, 0, 0, 0, 0, 0],
            &[0xff, 0x25, 0xe3, 0xff, 0xff, 0xff],
        ];
        assert_eq!(SITES.stub(&site, 0x2000, 0x1ff8).bytes(), stub.concat());
        assert_eq!(SITES.stub_way_in(&site), 21);
    }

    #[test]
    fn another_register_another_number_and_no_syscall_are_left_alone() {
        assert_eq!(recognise(&FSTATAT, &[], 5), None);
        let mut rex = FSTATAT;
        rex[0] = 0x41;
        assert_eq!(recognise(&rex, &[], 262), None);
        let mut other = FSTATAT;
        other[7] = 0x34;
        assert_eq!(recognise(&other, &[0xc3, 0x0f, 0x1f, 0x44, 0, 0], 262), None);
        assert_eq!(recognise(&FSTATAT[1..], &[], 262), None);
    }

    /// What follows the instruction in a libc's `syscall`.
    const AFTER: [u8; 41] = [
        0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, // cmp $-4095,%rax
        0x73, 0x01, // jae 1f
        0xc3, // ret
        0x48, 0x8b, 0x0d, 0xa7, 0x15, 0x0d, 0x00, // 1: mov errno(%rip),%rcx
        0xf7, 0xd8, // neg %eax
        0x64, 0x89, 0x01, // mov %eax,%fs:(%rcx)
        0x48, 0x83, 0xc8, 0xff, // or $-1,%rax
        0xc3, // ret
        0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, // nop
        0x0f, 0x1f, 0x44, 0, 0, // nop
    ];
    const ANY: [u8; 8] = [0x8b, 0x4c, 0x24, 0x08, 0x90, 0x90, 0x0f, 0x05];

    #[test]
    fn a_padding_behind_the_function_takes_the_long_jump() {
        let site = recognise(&ANY, &AFTER, 262).unwrap();
        assert_eq!(site, Site { begin: 0x1006, pc: 0x1008, way: Way::Padding(0x1008 + 26) });
        let expected = [(0x1008 + 26, [0xe9, 0xd9, 0x0f, 0, 0].to_vec()), (0x1006, [0xeb, 26].to_vec())];
        assert_eq!(written(&site, 0x2000), expected);
        let stub = [
            &[0x49, 0xbb, 0x10, 0x20, 0, 0, 0, 0, 0, 0][..],
            &[0xff, 0x25, 0xe8, 0xff, 0xff, 0xff],
            &[0x0f, 0x05],
            &[0xe9, 0xf1, 0xef, 0xff, 0xff],
        ];
        assert_eq!(SITES.stub(&site, 0x2000, 0x1ff8).bytes(), stub.concat());
    }

    #[test]
    fn a_padding_that_can_be_reached_or_is_too_far_or_small_is_not_used() {
        // Falls through.
        assert_eq!(padding(&[0x90, 0x0f, 0x1f, 0x44, 0, 0]), None);
        // Jumped to.
        assert_eq!(padding(&[0x73, 0x01, 0xc3, 0x0f, 0x1f, 0x44, 0, 0]), None);
        assert_eq!(padding(&[0x73, 0x06, 0xc3, 0x0f, 0x1f, 0x44, 0, 0, 0xc3]), Some(3));
        assert_eq!(padding(&[0xc3, 0x0f, 0x1f, 0x40, 0, 0x55, 0xcc, 0xcc]), None);
        let mut far = [0x55; 140];
        far[130] = 0xc3;
        far[131..].fill(0xcc);
        assert_eq!(padding(&far), None);
        far[120] = 0xc3;
        far[121..].fill(0xcc);
        assert_eq!(padding(&far), Some(121));
    }

    #[test]
    fn a_return_byte_within_an_instruction_ends_nothing() {
        // mov $0xc3000000,%eax, then alignment that is executed.
        assert_eq!(padding(&[0xb8, 0, 0, 0, 0xc3, 0x0f, 0x1f, 0x44, 0, 0, 0xc3]), None);
    }
}
