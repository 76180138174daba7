//! Machine code by which 64-bit code issues a call of this convention, for tests: `int $0x80` is open to it, too
//! (`arch/x86/entry/entry_64_compat.S: entry_INT80_compat`).

/// A function of the 64-bit System V calling convention, `extern "C" fn(number: u32, args: *const [u32; 6]) -> i32`. Position
/// independent. The upper halves of the argument registers get a bit set, which the kernel must not look at.
pub const FROM_64_BIT_CODE: &[u8] = &[
    0x53, // push %rbx
    0x55, // push %rbp
    0x89, 0xf8, // mov %edi,%eax
    0x8b, 0x1e, // mov (%rsi),%ebx
    0x8b, 0x4e, 0x04, // mov 4(%rsi),%ecx
    0x8b, 0x56, 0x08, // mov 8(%rsi),%edx
    0x8b, 0x7e, 0x10, // mov 16(%rsi),%edi
    0x8b, 0x6e, 0x14, // mov 20(%rsi),%ebp
    0x8b, 0x76, 0x0c, // mov 12(%rsi),%esi
    0x48, 0x0f, 0xba, 0xeb, 0x28, // bts $40,%rbx
    0x48, 0x0f, 0xba, 0xe9, 0x28, // bts $40,%rcx
    0x48, 0x0f, 0xba, 0xea, 0x28, // bts $40,%rdx
    0x48, 0x0f, 0xba, 0xee, 0x28, // bts $40,%rsi
    0x48, 0x0f, 0xba, 0xef, 0x28, // bts $40,%rdi
    0x48, 0x0f, 0xba, 0xed, 0x28, // bts $40,%rbp
    0xcd, 0x80, // int $0x80
    0x5d, // pop %rbp
    0x5b, // pop %rbx
    0xc3, // ret
];
