# needs: cc
# Opening a fifo waits for the other end: a handler interrupts it, or lets it go on, as it was asked to; whenever the signal
# comes, the handler runs.
cat > waits.c <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int ticks;
static void tick(int signal) { (void)signal; ticks++; }
static void timer(int microseconds, int again) {
  struct itimerval t = {{0, again}, {0, microseconds}};
  setitimer(ITIMER_REAL, &t, 0);
}

static void round_with(int flags) {
  struct sigaction action = {.sa_handler = tick};
  sigaction(SIGALRM, &action, 0);
  int bad = 0;
  for (int i = 0; i < 3; i++) {
    timer(50000, 0);
    int fd = open("fifo", flags, 0600);
    int error = errno;
    timer(0, 0);
    printf("%d %s\n", fd, strerror(error));
  }
  /* At any instruction before and in the call. */
  timer(3000, 3000);
  for (int i = 0; i < 300; i++) bad += open("fifo", flags, 0600) != -1 || errno != EINTR;
  timer(0, 0);
  printf("bad %d\n", bad);
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, 0);
  ticks = 0;
  pid_t other = fork();
  if (other == 0) {
    usleep(200000);
    /* Stays there: who is interrupted just then has to meet it afterwards. */
    if (open("fifo", O_RDWR) < 0) _exit(1);
    for (;;) pause();
  }
  timer(20000, 20000);
  int fd = open("fifo", flags, 0600), status;
  timer(0, 0);
  kill(other, SIGKILL);
  waitpid(other, &status, 0);
  printf("open %d ticks %d other %d\n", fd >= 0, ticks > 0, status);
  close(fd);
}

int main(void) {
  if (mkfifo("fifo", 0600) || mknod("device", S_IFCHR | 0600, makedev(7, 7))) return 1;
  round_with(O_WRONLY | O_CREAT);
  /* Plain opens are looked at only because of the device. */
  round_with(O_WRONLY);
  return 0;
}
END
cc -O1 -o waits waits.c && ./waits
