# needs: cc uname
# As registers_survive, where a syscall changes x0 and nothing else. And a call needs no stack: the pointer may be at the begin of
# what is mapped, point nowhere or be misaligned.
case $(uname -m) in aarch64) ;; *) echo "not for this CPU"; exit 0 ;; esac
cat > call.s <<'END'
        .globl  call
// long call(struct regs *in, struct regs *out): x0 to x30 at 0.., the flags at 248, 32 vectors at 256..
call:   stp x29, x30, [sp, -192]!
        stp x19, x20, [sp, 16]; stp x21, x22, [sp, 32]; stp x23, x24, [sp, 48]; stp x25, x26, [sp, 64]
        stp x27, x28, [sp, 80]; stp d8, d9, [sp, 96]; stp d10, d11, [sp, 112]; stp d12, d13, [sp, 128]
        stp d14, d15, [sp, 144]; str x1, [sp, 160]
        sub sp, sp, 768
        ldr x2, [x0, 248]; msr nzcv, x2
        .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        ldr q\n, [x0, 256+16*\n]
        .endr
        .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
        ldr x\n, [x0, 8*\n]
        .endr
        ldr x0, [x0]
        svc 0
        .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
        str x\n, [sp, 8*\n]
        .endr
        mrs x0, nzcv; str x0, [sp, 248]
        .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        str q\n, [sp, 256+16*\n]
        .endr
        ldr x0, [sp, 768+160]; mov x1, sp; mov x2, 768
        bl memcpy
        ldr x0, [sp]
        add sp, sp, 768
        ldp x19, x20, [sp, 16]; ldp x21, x22, [sp, 32]; ldp x23, x24, [sp, 48]; ldp x25, x26, [sp, 64]
        ldp x27, x28, [sp, 80]; ldp d8, d9, [sp, 96]; ldp d10, d11, [sp, 112]; ldp d12, d13, [sp, 128]
        ldp d14, d15, [sp, 144]
        ldp x29, x30, [sp], 192
        ret
        .globl  call_at
// long call_at(void *sp, char *path, struct stat *buffer)
call_at: mov x9, sp
        mov sp, x0
        mov x0, -100; mov x3, 0; mov x8, 79
        svc 0
        mov sp, x9
        ret
        .section .note.GNU-stack,"",%progbits
END
cat > main.c <<'END'
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
struct regs { unsigned long x[31], nzcv; unsigned char vector[512]; };
long call(struct regs *, struct regs *);
long call_at(void *, char *, struct stat *);
static struct stat buffer;

static void stack(const char *where, char *sp) {
  buffer.st_uid = 77;
  long result = call_at(sp, "main.c", &buffer);
  printf("stack pointer %s: %ld owner %d\n", where, result, buffer.st_uid);
}

int main(void) {
  for (int round = 0; round < 50; round++) {
    struct regs in, out;
    memset(&out, 0, sizeof out);
    for (int i = 0; i < 31; i++) in.x[i] = 0x1000000 * i + round;
    for (int i = 0; i < 512; i++) in.vector[i] = i * 7 + round;
    in.nzcv = (round & 15ul) << 28;
    in.x[0] = -100; in.x[1] = (unsigned long)"main.c"; in.x[2] = (unsigned long)&buffer; in.x[3] = 0; in.x[8] = 79;
    buffer.st_uid = 77;
    long result = call(&in, &out);
    printf("%ld owner %d flags %lx registers %s vectors %s\n", result, buffer.st_uid, out.nzcv,
           memcmp(in.x + 1, out.x + 1, 30 * 8) ? "differ" : "same", memcmp(in.vector, out.vector, 512) ? "differ" : "same");
  }
  char *memory = mmap(0, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(memory, 65536, PROT_NONE);
  for (int round = 0; round < 3; round++) {
    stack("far from the begin", memory + 65536 + 4096);
    stack("at the begin", memory + 65536);
    stack("near the begin", memory + 65536 + 16);
    stack("misaligned", memory + 65536 + 4097);
    stack("null", 0);
  }
  return 0;
}
END
cc -shared -o libcall.so call.s && cc -O1 -o registers main.c ./libcall.so && ./registers
