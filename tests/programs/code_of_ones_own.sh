# needs: cc uname
# Code that a program makes itself stays what the program has made: shared with others, changed while it is used, with
# its own traps in it, and with the room behind it used later.
case $(uname -m) in x86_64 | aarch64) ;; *) echo "not for this CPU"; exit 0 ;; esac
cat > code.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__
/* mov %rcx,%r10; mov $262,%eax; syscall; ret */
static const unsigned char load[] = {0x49, 0x89, 0xca, 0xb8, 6, 1, 0, 0, 0x0f, 5, 0xc3};
/* mov %r8d,%eax; mov %rcx,%r10; syscall; ret */
static const unsigned char any[] = {0x44, 0x89, 0xc0, 0x49, 0x89, 0xca, 0x0f, 5, 0xc3};
/* mov $42,%eax; ret */
static const unsigned char next[] = {0xb8, 0x2a, 0, 0, 0, 0xc3};
static const unsigned char trap[] = {0xcc, 0xb8, 0x2a, 0, 0, 0, 0xc3};
enum { NUMBER = 262, TRAP_AT = 3, NOTHING = 0x90, BEHIND_TRAP = 0 };
#define PC(context) (context)->uc_mcontext.gregs[REG_RIP]
#else
/* mov x8,#79; svc #0; ret */
static const unsigned load[] = {0xd28009e8, 0xd4000001, 0xd65f03c0};
/* mov x8,x4; svc #0; ret */
static const unsigned any[] = {0xaa0403e8, 0xd4000001, 0xd65f03c0};
/* mov w0,#42; ret */
static const unsigned next[] = {0x52800540, 0xd65f03c0};
/* brk #0 */
static const unsigned trap[] = {0xd4200000, 0x52800540, 0xd65f03c0};
enum { NUMBER = 79, TRAP_AT = 4, NOTHING = 0, BEHIND_TRAP = 4 };
#define PC(context) (context)->uc_mcontext.pc
#endif
typedef long fstatat_code(long, const char *, struct stat *, long, long);

static volatile int traps;
static void trapped(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  if (++traps > 3) _exit(7);
  PC((ucontext_t *)context) += BEHIND_TRAP;
}

static void put(char *at, const void *code, size_t len) {
  memcpy(at, code, len);
  __builtin___clear_cache(at, at + len);
}

static void use(const char *what, char *code) {
  for (int i = 0; i < 3; i++) {
    struct stat s = {.st_uid = 77};
    long result = ((fstatat_code *)code)(AT_FDCWD, "code.c", &s, 0, NUMBER);
    printf("%s: %ld owner %d\n", what, result, s.st_uid);
  }
}

static char *memory(int flags, int file) {
  char *at = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, file, 0);
  if (at == MAP_FAILED) exit(1);
  return at;
}

int main(void) {
  int file = memfd_create("code", 0);
  if (ftruncate(file, 4096)) return 1;
  char *shared = memory(MAP_SHARED, file), copy[4096], now[4096];
  memset(shared, 0xcc, 4096);
  put(shared + 64, load, sizeof load);
  put(shared + 256, any, sizeof any);
  memcpy(copy, shared, 4096);
  use("shared load", shared + 64);
  use("shared", shared + 256);
  if (pread(file, now, 4096, 0) != 4096) return 1;
  printf("file: %s\n", memcmp(copy, now, 4096) ? "changed" : "same");

  char *grows = memory(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  memset(grows, 0xcc, 4096);
  put(grows, any, sizeof any);
  use("growing", grows);
  memset(grows + sizeof any, NOTHING, 64);
  put(grows + sizeof any + 64, next, sizeof next);
  use("grown", grows);

  /* A debugger's trap on the code of a file, which may have been changed. */
  FILE *out = fopen("load", "w");
  fwrite(load, 1, sizeof load, out);
  fclose(out);
  int loaded = open("load", O_RDONLY);
  char *own = memory(MAP_PRIVATE, loaded);
  use("of a file", own);
  struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
  sigaction(SIGTRAP, &action, 0);
  put(own + TRAP_AT, trap, sizeof trap);
  printf("trap: %ld\n", ((fstatat_code *)own)(0, 0, 0, 0, 0));
  printf("traps %d\n", traps);
  return 0;
}
END
cc -O1 -o code code.c && ./code
