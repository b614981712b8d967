// What the handlers, the loop over chunks and the kernels share.
#ifndef GONAS_KERNELS_H
#define GONAS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "ffi.h"

// Work is cut by shape alone, so that sums do not depend on threads.
enum { GN_CHUNKS = 32, GN_MAX_WINDOW = 31 };

// Runs phase p's chunk i of a job.
typedef void gn_chunk(void *work, int phase, int64_t i);

// A job: phases in order, each with its own number of chunks; after the last
// chunk of phase p, finish(work, p) runs once before phase p+1 starts.
typedef struct {
  gn_chunk *chunk;
  void (*finish)(void *work, int phase);
  void *work;
  int phases;
  int64_t chunks[2];
  int serial;  // too small to be worth another thread
} gn_job;

// Runs the job on the calling thread and on those of the runtime's pool that
// come in time. Returns 0, or -1 where memory ran out.
int gn_run(const ffi_frame *frame, const gn_job *job);

static inline int64_t gn_from(int64_t n, int64_t chunks, int64_t i) {
  return n / chunks * i + (n % chunks < i ? n % chunks : i);
}

// A depthwise convolution, or its kernel's gradient, of NHWC tensors.
typedef struct {
  const float *in, *kernel;  // gradient: kernel is the upstream gradient
  float *out;
  int64_t batch, h, w, c;    // input
  int64_t oh, ow;            // output (gradient: upstream gradient)
  int64_t kh, kw;
  int64_t sh, sw;            // output step
  int64_t lh, lw;            // input dilation
  int64_t dh, dw;            // kernel dilation
  int64_t ph, pw;            // low padding
  int64_t pieces;            // parts that a row of the output is cut into
  int64_t chunks;            // of rows, or of their pieces
  float *partial;            // gradient: chunks x kh x kw x c
} gn_conv;

typedef struct {
  const float *in, *upstream;  // upstream: gradient only
  float *out;
  int64_t batch, h, w, c, oh, ow, kh, kw, sh, sw, ph, pw;
  int64_t bands;               // gradient: bands of rows an image
} gn_pool;

typedef struct {
  const float *in, *upstream, *scale, *offset, *mean, *variance;
  float *out, *out_a, *out_b;  // training: mean, variance; gradient: scale's, offset's
  int64_t rows, c;
  float epsilon;
  int64_t chunks;
  double *sums;                // chunks x (2 c): sums of a chunk, in double
  float *coefficients;         // 3 c: what the second phase needs of each channel
} gn_norm;

// A product of matrices: out[i][j] is the sum over k of a[i*a_row + k*a_step] *
// b[k*cols + j].
typedef struct {
  const float *a, *b;
  float *out;
  int64_t rows, cols, depth, a_row, a_step;
  int64_t chunks;
  float *partial;  // where the depth is cut: chunks x rows x cols
} gn_product;

// One instruction set's kernels.
typedef struct {
  const char *name;
  void (*conv)(const gn_conv *, int64_t from, int64_t to);            // pieces of batch x oh rows
  void (*conv_kernel)(const gn_conv *, int64_t from, int64_t to, float *partial);
  void (*pool)(const gn_pool *, int64_t from, int64_t to);            // rows of batch x oh
  void (*pool_gradient)(const gn_pool *, int64_t image, int64_t from, int64_t to);  // input rows
  void (*norm_sums)(const gn_norm *, int64_t from, int64_t to, double *sums);
  void (*norm_apply)(const gn_norm *, int64_t from, int64_t to);
  void (*gradient_sums)(const gn_norm *, int64_t from, int64_t to, double *sums);
  void (*gradient_apply)(const gn_norm *, int64_t from, int64_t to);
  void (*product)(const gn_product *, int64_t from, int64_t to);                      // rows
  void (*product_part)(const gn_product *, int64_t from, int64_t to, float *partial);  // depth
} gn_set;

extern const gn_set gn_baseline;
#if defined(__x86_64__)
extern const gn_set gn_avx2, gn_avx512;
#endif

// The best set that this processor has; gn_choose forces one by name
// ("baseline", "avx2", "avx512") and returns 0 where it cannot.
const gn_set *gn_best(void);
int gn_choose(const char *name);

// A handler and the name that programs call it by.
typedef struct {
  const char *name;
  ffi_handler *handler;
} gn_handler;
extern const gn_handler gn_handlers[];
extern const int gn_handler_count;

#endif
