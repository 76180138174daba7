# needs: cc
# SIGSEGV and other signals that usually tell of a fault, sent by another process to one that issues calls: each runs its
# handler, with the sender's name on it.
cat > sent.c <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS, SIGUSR1, SIGALRM};
enum { COUNT = sizeof signals / sizeof *signals };
static volatile int seen[65], strange;
static pid_t sender;

static void handle(int signal, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_code != SI_USER || (sender && info->si_pid != sender)) strange++;
  seen[signal]++;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  for (int i = 0; i < COUNT; i++) sigaction(signals[i], &action, 0);
  pid_t parent = getpid();
  sender = fork();
  if (sender == 0) {
    for (int i = 0; i < 3000; i++) {
      kill(parent, signals[i % COUNT]);
      kill(parent, signals[(i * 5 + 1) % COUNT]);
      if (i % 7 == 0) usleep(100);
    }
    _exit(0);
  }
  int status, bad = 0;
  while (waitpid(sender, &status, WNOHANG) == 0)
    for (int i = 0; i < 20; i++) {
      struct stat s;
      uid_t real, effective, saved;
      bad += stat("sent.c", &s) != 0 || s.st_uid != 0;
      bad += chown("nothing", 1, 1) != -1 || errno != ENOENT;
      bad += getresuid(&real, &effective, &saved) != 0 || real || effective || saved;
    }
  for (int i = 0; i < COUNT; i++) bad += seen[signals[i]] == 0;
  printf("bad %d strange %d sender %d\n", bad, strange, status);
  return 0;
}
END
cc -O1 -o sent sent.c && ./sent
# And without a handler it dies of what was sent.
for signal in SEGV BUS TRAP FPE; do
    cat > dies.c <<END
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  for (int i = 0; i < 20; i++) {
    struct stat s;
    int status;
    pid_t child = fork();
    if (child == 0) for (;;) stat(".", &s);
    usleep(500 + i * 37);
    kill(child, SIG$signal);
    waitpid(child, &status, 0);
    if ((status & 0x7f) != SIG$signal) printf("$signal: %x\n", status);
  }
  return 0;
}
END
    cc -o dies dies.c && ./dies
done
