//go:build linux && cgo

// XLA's CPU client takes and returns large buffers at every call. glibc's
// default maps and unmaps each, and the page faults then take up to a third of
// a step. A constructor, because the settings must stand before the first
// thread makes an arena of its own.

#include <malloc.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__

int gonas_malloc_tuned = 0;

static int from_environment(void) {
  static const char* names[] = {
      "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_",
      "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_",
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (getenv(names[i]) != NULL) return 1;
  }
  const char* tunables = getenv("GLIBC_TUNABLES");
  if (tunables != NULL && strstr(tunables, "glibc.malloc.") != NULL) return 1;
  const char* mine = getenv("GONAS_MALLOC");
  return mine != NULL && strcmp(mine, "default") == 0;
}

__attribute__((constructor)) static void tune_malloc(void) {
  if (from_environment()) return;
  mallopt(M_ARENA_MAX, 1);  // no slower, and a fifth less memory at the peak
  // Older glibc refuses a threshold above 32 MiB: no mapping at all says the same.
  if (!mallopt(M_MMAP_THRESHOLD, INT_MAX)) mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
  gonas_malloc_tuned = 1;
}

#else

int gonas_malloc_tuned = 0;

#endif
