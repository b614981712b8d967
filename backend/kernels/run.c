// The loop over a job's chunks.
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "kernels.h"

// Shared by the calling thread and its helpers. A helper may start after the
// call has returned: it then finds no chunk left and touches nothing else.
typedef struct {
  gn_job job;
  int64_t total;
  _Atomic int64_t next, done[2];
  _Atomic int ready;  // phases whose predecessor is finished
  _Atomic int holders;
} shared;

static void release(shared *s) {
  if (atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) == 1) free(s);
}

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits for something that another thread is running right now.
static void pause_turn(int turn) {
  if (turn < 200) {
    relax();
  } else if (turn < 2000) {
    sched_yield();
  } else {
    nanosleep(&(struct timespec){0, 20000}, NULL);
  }
}

static void take(shared *s) {
  for (;;) {
    int64_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
    if (i >= s->total) return;
    int phase = i >= s->job.chunks[0];
    // Chunks are handed out in order: all of the phase before are taken, so
    // they run on threads that do not wait for this one.
    for (int turn = 0; atomic_load_explicit(&s->ready, memory_order_acquire) < phase; turn++) {
      pause_turn(turn);
    }
    s->job.chunk(s->job.work, phase, phase ? i - s->job.chunks[0] : i);
    if (atomic_fetch_add_explicit(&s->done[phase], 1, memory_order_acq_rel) + 1 == s->job.chunks[phase]) {
      if (s->job.finish) s->job.finish(s->job.work, phase);
      atomic_store_explicit(&s->ready, phase + 1, memory_order_release);
    }
  }
}

static void help(void *data) {
  take(data);
  release(data);
}

static void drop(const ffi_frame *f, ffi_error *error) {
  if (!error) return;
  ffi_error_destroy e = {sizeof e, NULL, error};
  f->api->error_destroy(&e);
}

static int64_t pool_threads(const ffi_frame *f) {
  if (f->api->size < offsetof(ffi_api, threads) + sizeof f->api->threads) return 1;
  int64_t n = 1;
  ffi_threads t = {sizeof t, NULL, f->context, &n};
  ffi_error *error = f->api->threads(&t);
  if (!error) return n;
  drop(f, error);
  return 1;
}

// Jobs under way in this process: each has a thread already, so together they
// ask for no more helpers than the pool has threads left. Chunks are the same
// whoever takes them, so results do not depend on this.
static _Atomic int under_way;

static int run(const ffi_frame *f, const gn_job *job);

int gn_run(const ffi_frame *f, const gn_job *job) {
  atomic_fetch_add_explicit(&under_way, 1, memory_order_relaxed);
  int failed = run(f, job);
  atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
  return failed;
}

static int run(const ffi_frame *f, const gn_job *job) {
  int64_t helpers = job->serial ? 0 : pool_threads(f) - atomic_load_explicit(&under_way, memory_order_relaxed);
  int64_t total = job->chunks[0] + (job->phases > 1 ? job->chunks[1] : 0);
  if (helpers > job->chunks[0] - 1) helpers = job->chunks[0] - 1;
  if (helpers <= 0) {
    for (int p = 0; p < job->phases; p++) {
      for (int64_t i = 0; i < job->chunks[p]; i++) job->chunk(job->work, p, i);
      if (job->finish) job->finish(job->work, p);
    }
    return 0;
  }
  shared *s = malloc(sizeof *s);
  if (!s) return -1;
  s->job = *job;
  s->total = total;
  atomic_init(&s->next, 0);
  atomic_init(&s->done[0], 0);
  atomic_init(&s->done[1], 0);
  atomic_init(&s->ready, 0);
  atomic_init(&s->holders, 1 + (int)helpers);
  for (int64_t i = 0; i < helpers; i++) {
    ffi_schedule task = {sizeof task, NULL, f->context, help, s};
    ffi_error *error = f->api->schedule(&task);
    if (error) {
      drop(f, error);
      release(s);
    }
  }
  take(s);
  for (int turn = 0; atomic_load_explicit(&s->ready, memory_order_acquire) < job->phases; turn++) {
    pause_turn(turn);
  }
  release(s);
  return 0;
}
