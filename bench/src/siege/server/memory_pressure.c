/* Loaded into the server under siege: holds as many MiB as a file says, as a part of it that leaks
   would. Never: in the server itself. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1024UL * 1024UL)
#define LARGEST 1024
#define LOOK_EVERY_US 100000

static void *held[LARGEST];

static int wanted(const char *name) {
  int mib = 0;
  FILE *file = fopen(name, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%d", &mib) != 1) mib = 0;
  fclose(file);
  return mib < 0 ? 0 : mib > LARGEST ? LARGEST : mib;
}

static void *hold(void *name) {
  int have = 0;
  for (;;) {
    int want = wanted(name);
    for (; have < want; have++) {
      void *block = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) break;
      memset(block, 1, MIB);
      held[have] = block;
    }
    for (; have > want; have--) munmap(held[have - 1], MIB);
    usleep(LOOK_EVERY_US);
  }
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  static char name[4096];
  const char *given = getenv("SIEGE_MEMORY_PRESSURE");
  pthread_t thread;
  if (given == NULL || strlen(given) >= sizeof name) return;
  strcpy(name, given);
  pthread_create(&thread, NULL, hold, name);
}
