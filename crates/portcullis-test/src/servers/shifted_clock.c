// Adds time to the clocks that a process reads; a file says how much. Hours pass in seconds.
// Never: a wait of a timer or a lock that lasts longer because of it.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
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

// The kernel does not know the time that is added, so a wait is made of slices: it ends in time
// even if its deadline passes by an addition.
#define SLICE_MS 20

static int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * SECOND_NS + now.tv_nsec;
}

// The asynchronous runtime waits for its timers here.
int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms) {
  static int (*real)(int, struct epoll_event *, int, int);
  if (real == NULL)
    real = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
  int64_t until_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000LL;
  for (;;) {
    int64_t left_ms = (until_ns - now_ns(CLOCK_MONOTONIC) + 999999) / 1000000;
    int is_last = timeout_ms >= 0 && left_ms <= SLICE_MS;
    int slice_ms = is_last ? (left_ms > 0 ? (int)left_ms : 0) : SLICE_MS;
    int found = real(epoll, events, count, timeout_ms < 0 ? -1 : slice_ms);
    if (found != 0 || is_last) return found;
  }
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
  if (number != SYS_futex || (b & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET || d == 0)
    return real(number, a, b, c, d, e, f);
  clockid_t clock = (b & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  const struct timespec *deadline = (const struct timespec *)d;
  int64_t until_ns = deadline->tv_sec * SECOND_NS + deadline->tv_nsec;
  for (;;) {
    int64_t slice_ns = now_ns(clock) + SLICE_MS * 1000000LL;
    int is_last = until_ns <= slice_ns;
    int64_t end_ns = is_last ? until_ns : slice_ns;
    struct timespec end = {.tv_sec = end_ns / SECOND_NS, .tv_nsec = end_ns % SECOND_NS};
    add(&end, -added(clock));
    long result = real(number, a, b, c, (long)&end, e, f);
    if (is_last || result != -1 || errno != ETIMEDOUT) return result;
  }
}
