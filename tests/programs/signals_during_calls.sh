# needs: cc
# Signals that arrive at any instruction of a call: handlers run with the program's registers and stack, on another stack,
# and may leave by a jump; the call's result is right; no handler runs twice for a signal or is forgotten.
cat > storm.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks, in_handler;
static sigjmp_buf back;
static volatile int jump;
static char *stack_low, *stack_high, *main_stack;
static volatile int off_stack;

static void tick(int signal) {
  char here;
  struct stat s;
  (void)signal;
  if (stack_low ? &here < stack_low || &here >= stack_high : labs(&here - main_stack) > 1 << 20) off_stack++;
  ticks++;
  if (stat("storm.c", &s) != 0 || s.st_uid != 0) _exit(3);
  if (jump && ticks % 3 == 0) siglongjmp(back, 1);
}

static void timer(int microseconds) {
  struct itimerval t = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &t, 0);
}

static int check(const char *path, uid_t owner) {
  struct stat s;
  s.st_uid = 12345;
  return lstat(path, &s) == 0 && s.st_uid == owner && s.st_ino != 0;
}

int main(void) {
  char on_stack;
  main_stack = &on_stack;
  if (chown("owned", 1000, 2000)) return 1;
  struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  volatile int bad = 0;
  /* As often as the calls allow: an engine that stops at each may take longer for one than the timer. */
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int i = 0; i < 200; i++) bad += !check("storm.c", 0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  long each = ((end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec) / 200 / 1000;
  timer(150 + 10 * (int)each);
  for (volatile int i = 0; ticks < 400 && i < 4000000; i++)
    bad += !check("owned", 1000) + !check("storm.c", 0) + (getuid() != 0);
  printf("plain: enough %d bad %d elsewhere %d\n", ticks >= 400, bad, off_stack);

  ticks = 0, jump = 1;
  for (volatile int i = 0; ticks < 400 && i < 4000000; i++)
    if (!sigsetjmp(back, 1)) bad += !check("owned", 1000) + !check("storm.c", 0);
  jump = 0;
  printf("jumping: enough %d bad %d elsewhere %d\n", ticks >= 400, bad, off_stack);

  ticks = 0;
  stack_low = malloc(65536), stack_high = stack_low + 65536;
  stack_t other = {.ss_sp = stack_low, .ss_size = 65536};
  sigaltstack(&other, 0);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGALRM, &action, 0);
  for (volatile int i = 0; ticks < 400 && i < 4000000; i++) bad += !check("owned", 1000);
  printf("other stack: enough %d bad %d elsewhere %d\n", ticks >= 400, bad, off_stack);
  timer(0);

  /* Each signal once, by a sender that waits for each. */
  stack_low = 0, ticks = 0;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, 0);
  pid_t parent = getpid();
  int pipes[2];
  if (pipe(pipes)) return 1;
  pid_t child = fork();
  if (child == 0) {
    char c;
    close(pipes[1]);
    for (int i = 0; i < 300; i++) {
      kill(parent, SIGUSR1);
      if (read(pipes[0], &c, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  close(pipes[0]);
  for (int seen = 0; seen < 300;) {
    bad += !check("owned", 1000);
    if (ticks > seen) {
      seen++;
      if (write(pipes[1], "x", 1) != 1) break;
    }
  }
  int status;
  waitpid(child, &status, 0);
  printf("each once: %d bad %d child %d elsewhere %d\n", (int)ticks, bad, status, off_stack);
  return 0;
}
END
: > owned
cc -O1 -o storm storm.c && ./storm
