# needs: cc uname
# A syscall changes no register but those of the convention: not the flags, not the vector registers, and nothing below
# the stack pointer. Not the first time, and not when calls from this place have been answered before.
case $(uname -m) in x86_64) ;; *) echo "not for this CPU"; exit 0 ;; esac
cat > call.s <<'END'
        .globl  call
# long call(struct regs *in, struct regs *out): rbx rbp r8 r9 r10 r12-r15 rdi rsi rdx at 0.. and 16 vectors at 128..
call:   push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
        push %rsi
        mov %rdi, %rax
        .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        movdqu 128+16*\n(%rax), %xmm\n
        .endr
        mov 0(%rax), %rbx; mov 8(%rax), %rbp; mov 16(%rax), %r8; mov 24(%rax), %r9; mov 32(%rax), %r10
        mov 40(%rax), %r12; mov 48(%rax), %r13; mov 56(%rax), %r14; mov 64(%rax), %r15
        mov 72(%rax), %rdi; mov 80(%rax), %rsi; mov 88(%rax), %rdx
        movq $0x77777777, -8(%rsp); movq $0x66666666, -128(%rsp)
        xor %eax, %eax; stc
        mov $262, %eax
        syscall
        pushfq
        pop %rcx
        mov (%rsp), %r11
        mov %rbx, 0(%r11); mov %rbp, 8(%r11); mov %r8, 16(%r11); mov %r9, 24(%r11); mov %r10, 32(%r11)
        mov %r12, 40(%r11); mov %r13, 48(%r11); mov %r14, 56(%r11); mov %r15, 64(%r11)
        mov %rdi, 72(%r11); mov %rsi, 80(%r11); mov %rdx, 88(%r11)
        and $0x8d5, %ecx
        mov %rcx, 96(%r11)
        mov -128(%rsp), %rcx; mov %rcx, 112(%r11)
        .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        movdqu %xmm\n, 128+16*\n(%r11)
        .endr
        pop %rsi
        pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
        ret
        .section .note.GNU-stack,"",@progbits
END
cat > main.c <<'END'
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
struct regs { unsigned long word[16]; unsigned char vector[256]; };
long call(struct regs *, struct regs *);
static struct stat buffer;
int main(void) {
  for (int round = 0; round < 50; round++) {
    struct regs in, out;
    memset(&out, 0, sizeof out);
    for (int i = 0; i < 16; i++) in.word[i] = 0x1000000 * i + round;
    for (int i = 0; i < 256; i++) in.vector[i] = i * 7 + round;
    in.word[4] = 0;
    in.word[9] = -100; in.word[10] = (unsigned long)"main.c"; in.word[11] = (unsigned long)&buffer;
    buffer.st_uid = 77;
    long result = call(&in, &out);
    printf("%ld owner %d flags %lx below %lx registers %s vectors %s\n", result, buffer.st_uid, out.word[12], out.word[14],
           memcmp(in.word, out.word, 12 * 8) ? "differ" : "same", memcmp(in.vector, out.vector, 256) ? "differ" : "same");
  }
  return 0;
}
END
# In a library, which is in reach of the inline engine's stubs; a program of its own address is not.
cc -shared -o libcall.so call.s && cc -O1 -o registers main.c ./libcall.so && ./registers
