// Adds time to the clocks that a process reads; a file says how much. Hours pass in seconds.
// Never: a wait that lasts longer because of it; deadlines for the kernel are corrected.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

// Milliseconds: of all clocks, and of the wall clock in addition.
static volatile int64_t *added_ms;

__attribute__((constructor)) static void open_file(void) {
  const char *path = getenv("SHIFTED_CLOCK");
  int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void *memory = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (memory != MAP_FAILED) added_ms = memory;
}

static int64_t added(clockid_t clock) {
  if (added_ms == NULL) return 0;
  switch (clock) {
  case CLOCK_REALTIME:
  case CLOCK_REALTIME_COARSE:
    return added_ms[0] + added_ms[1];
  case CLOCK_MONOTONIC:
  case CLOCK_MONOTONIC_COARSE:
  case CLOCK_MONOTONIC_RAW:
  case CLOCK_BOOTTIME:
    return added_ms[0];
  default:
    return 0;
  }
}

static void add(struct timespec *time, int64_t ms) {
  int64_t ns = time->tv_nsec + ms % 1000 * 1000000;
  time->tv_sec += ms / 1000 + ns / SECOND_NS;
  time->tv_nsec = ns % SECOND_NS;
  if (time->tv_nsec < 0) {
    time->tv_nsec += SECOND_NS;
    time->tv_sec -= 1;
  }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (result == 0) add(time, added(clock));
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *seconds) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != NULL) *seconds = now.tv_sec;
  return now.tv_sec;
}

// The standard library of Rust waits on futexes until a moment of the clock that it has read.
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  struct timespec until;
  if (number == SYS_futex && (b & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && d != 0) {
    clockid_t clock = (b & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    until = *(const struct timespec *)d;
    add(&until, -added(clock));
    d = (long)&until;
  }
  return real(number, a, b, c, d, e, f);
}
