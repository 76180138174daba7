# needs: cc
# Calls from threads with hardly any stack, from many threads at once, from a child that shares memory, and from forks
# of a process whose other threads are within a call.
cat > threads.c <<'END'
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop, bad;

static void *asker(void *name) {
  struct stat s;
  while (!stop)
    if (stat(name, &s) || s.st_uid != 1000) __sync_fetch_and_add(&bad, 1);
  return 0;
}

static void *owner(void *name) {
  struct stat s;
  for (int i = 0; i < 2000; i++) {
    if (chown(name, i, i + 1)) __sync_fetch_and_add(&bad, 1);
    if (stat(name, &s) || s.st_uid != (uid_t)i || s.st_gid != (gid_t)i + 1) __sync_fetch_and_add(&bad, 1);
  }
  return 0;
}

static int shared_child(void *name) {
  struct stat s;
  for (int i = 0; i < 200; i++)
    if (stat(name, &s) || s.st_uid != 1000) return 1;
  /* A process of its own, though it shares memory: the parent stays root. */
  if (syscall(SYS_setresuid, 5, 5, 5) || getuid() != 5) return 2;
  return stat(name, &s) || s.st_uid != 1000 ? 3 : 0;
}

int main(void) {
  chown("owned", 1000, 2000);
  pthread_t threads[8], owners[4];
  static char names[4][8];
  for (int i = 0; i < 8; i++) pthread_create(&threads[i], 0, asker, "owned");
  for (int i = 0; i < 4; i++) {
    sprintf(names[i], "f%d", i);
    fclose(fopen(names[i], "w"));
    pthread_create(&owners[i], 0, owner, names[i]);
  }
  int forks = 0;
  for (int i = 0; i < 60; i++) {
    pid_t child = fork();
    if (child == 0) {
      struct stat s;
      for (int k = 0; k < 20; k++)
        if (stat("owned", &s) || s.st_uid != 1000 || getuid()) _exit(1);
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    forks += status == 0;
  }
  for (int i = 0; i < 4; i++) pthread_join(owners[i], 0);
  stop = 1;
  for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
  printf("bad %d forks %d\n", bad, forks);

  char *stack = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(stack, 4096, PROT_NONE);
  int good = 0;
  for (int i = 0; i < 20; i++) {
    int status = -1;
    pid_t child = clone(shared_child, stack + 4096 + 2048, CLONE_VM | CLONE_VFORK | SIGCHLD, "owned");
    waitpid(child, &status, 0);
    good += status == 0 && getuid() == 0;
    if (status) printf("status %x\n", status);
  }
  printf("small stack %d\n", good);
  return 0;
}
END
: > owned
cc -O1 -pthread -o threads threads.c && ./threads
