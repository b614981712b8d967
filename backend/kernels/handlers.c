// The handlers that compiled programs call: they check what they are given,
// cut the work into chunks and leave the rest to a set of kernels.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

// --- instruction sets ---

static const gn_set *_Atomic chosen;

static const gn_set *find(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if ((!name || !strcmp(name, "avx512")) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) {
    return &gn_avx512;
  }
  if ((!name || !strcmp(name, "avx2")) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return &gn_avx2;
  }
#endif
  return !name || !strcmp(name, "baseline") ? &gn_baseline : NULL;
}

const gn_set *gn_best(void) {
  const gn_set *s = atomic_load_explicit(&chosen, memory_order_acquire);
  if (!s) atomic_store_explicit(&chosen, s = find(NULL), memory_order_release);
  return s;
}

int gn_choose(const char *name) {
  const gn_set *s = find(name);
  if (s) atomic_store_explicit(&chosen, s, memory_order_release);
  return s != NULL;
}

// --- what a handler is given ---

static ffi_error *fail(const ffi_frame *f, int code, const char *message) {
  ffi_error_create e = {sizeof e, NULL, message, code};
  return f->api->error_create(&e);
}

// Answers the question which version of the interface the handler speaks.
static int is_question(ffi_frame *f) {
  if (!f->extensions || f->extensions->type != FFI_EXTENSION_METADATA) return 0;
  ffi_metadata *m = ((ffi_metadata_extension *)f->extensions)->metadata;
  m->version.major = f->api ? f->api->version.major : FFI_MAJOR;
  m->version.minor = f->api ? f->api->version.minor : FFI_MINOR;
  m->traits = 0;
  return 1;
}

// Buffer i of the list where it is float32 and of this rank (0: any but 0).
static const ffi_buffer *buffer(const ffi_list *list, int64_t i, int64_t rank) {
  if (i >= list->count || list->types[i] != FFI_BUFFER) return NULL;
  const ffi_buffer *b = list->items[i];
  if (b->dtype != FFI_F32 || b->rank < 1 || (rank && b->rank != rank)) return NULL;
  return b;
}

static const void *attribute(const ffi_frame *f, const char *name, int type) {
  for (int64_t i = 0; i < f->attributes.count; i++) {
    const ffi_span *s = f->attributes.names[i];
    if (s->length == strlen(name) && !memcmp(s->text, name, s->length)) {
      return f->attributes.types[i] == type ? f->attributes.items[i] : NULL;
    }
  }
  return NULL;
}

// The handler's integers: an array attribute named "p" of this length.
static const int64_t *integers(const ffi_frame *f, size_t count) {
  const ffi_array *a = attribute(f, "p", FFI_ATTR_ARRAY);
  return a && a->dtype == FFI_S64 && a->count == count ? a->data : NULL;
}

static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t at_least_one(int64_t a) { return a < 1 ? 1 : a; }

// Steps, dilations and windows are positive and small.
static int sane(const int64_t *p, int n) {
  for (int i = 0; i < n; i++) {
    if (p[i] < 1 || p[i] > 1 << 20) return 0;
  }
  return 1;
}

static int sane_padding(const int64_t *p) {
  return p[0] > -(1 << 20) && p[0] < 1 << 20 && p[1] > -(1 << 20) && p[1] < 1 << 20;
}

// Below so many multiplications, or bytes moved, one thread is faster.
enum { SERIAL_WORK = 400000, SERIAL_ELEMENTS = 50000 };

#define BEGIN(question)                                \
  if (is_question(question)) return NULL;              \
  if ((question)->stage != FFI_STAGE_EXECUTE) return NULL

// Sums elements from to end of the chunks' partial sums, always in their order.
static void add_partial(const float *partial, int64_t chunks, int64_t size, float *out, int64_t from, int64_t to) {
  enum { STRIP = 256 };
  for (; from < to; from += STRIP) {
    double sum[STRIP] = {0};
    int64_t n = at_most(STRIP, to - from);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      const float *p = partial + chunk * size + from;
      for (int64_t j = 0; j < n; j++) sum[j] += p[j];
    }
    for (int64_t j = 0; j < n; j++) out[from + j] = (float)sum[j];
  }
}

// --- depthwise convolution ---

typedef struct {
  const gn_set *set;
  gn_conv a;
} conv_work;

// The least of a row that is a piece of its own.
enum { PIECE_COLUMNS = 64 };

// Lays images that are one pixel wide on their side, where the kernel is too:
// the memory is the same, and rows are what the kernels are good at. There are
// then few of them, so that they are cut into pieces.
static void lay_on_side(gn_conv *a) {
  a->pieces = 1;
  if (a->w != 1 || a->ow != 1 || a->kw != 1 || a->pw != 0) return;
  a->w = a->h, a->ow = a->oh, a->kw = a->kh, a->sw = a->sh, a->lw = a->lh, a->dw = a->dh, a->pw = a->ph;
  a->h = a->oh = a->kh = a->sh = a->lh = a->dh = 1;
  a->ph = 0;
  a->pieces = at_least_one(at_most((GN_CHUNKS + a->batch - 1) / a->batch, a->ow / (PIECE_COLUMNS * a->lw)));
}

static int64_t all_pieces(const gn_conv *a) { return a->batch * a->oh * a->pieces; }

static void conv_chunk(void *w, int phase, int64_t i) {
  (void)phase;
  const conv_work *k = w;
  int64_t pieces = all_pieces(&k->a);
  k->set->conv(&k->a, gn_from(pieces, k->a.chunks, i), gn_from(pieces, k->a.chunks, i + 1));
}

static ffi_error *depthwise(ffi_frame *f) {
  BEGIN(f);
  const ffi_buffer *in = buffer(&f->arguments, 0, 4), *kernel = buffer(&f->arguments, 1, 4),
                   *out = buffer(&f->results, 0, 4);
  const int64_t *p = integers(f, 8);
  if (!in || !kernel || !out || !p || !sane(p, 6) || !sane_padding(p + 6) || in->dims[0] != out->dims[0] ||
      in->dims[3] != out->dims[3] || kernel->dims[2] != 1 || kernel->dims[3] != in->dims[3] ||
      kernel->dims[0] > GN_MAX_WINDOW || kernel->dims[1] > GN_MAX_WINDOW || (p[3] > 1 && p[1] > 1)) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.depthwise: wrong shapes, types or attributes");
  }
  conv_work w = {gn_best(),
                 {.in = in->data,
                  .kernel = kernel->data,
                  .out = out->data,
                  .batch = in->dims[0],
                  .h = in->dims[1],
                  .w = in->dims[2],
                  .c = in->dims[3],
                  .oh = out->dims[1],
                  .ow = out->dims[2],
                  .kh = kernel->dims[0],
                  .kw = kernel->dims[1],
                  .sh = p[0],
                  .sw = p[1],
                  .lh = p[2],
                  .lw = p[3],
                  .dh = p[4],
                  .dw = p[5],
                  .ph = p[6],
                  .pw = p[7]}};
  int64_t rows = w.a.batch * w.a.oh, work = rows * w.a.ow * w.a.c * w.a.kh * w.a.kw / (w.a.lh * w.a.lw);
  lay_on_side(&w.a);
  w.a.chunks = at_most(all_pieces(&w.a), GN_CHUNKS);
  gn_job job = {conv_chunk, NULL, &w, 1, {w.a.chunks}, work < SERIAL_WORK};
  if (gn_run(f, &job)) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.depthwise: out of memory");
  return NULL;
}

static void conv_kernel_chunk(void *w, int phase, int64_t i) {
  const conv_work *k = w;
  const gn_conv *a = &k->a;
  int64_t size = a->kh * a->kw * a->c;
  if (!phase) {
    int64_t pieces = all_pieces(a);
    k->set->conv_kernel(a, gn_from(pieces, a->chunks, i), gn_from(pieces, a->chunks, i + 1), a->partial + i * size);
    return;
  }
  add_partial(a->partial, a->chunks, size, a->out, i * size / GN_CHUNKS, (i + 1) * size / GN_CHUNKS);
}

static void conv_kernel_finish(void *w, int phase) {
  if (phase) return;
  const gn_conv *a = &((conv_work *)w)->a;
  int64_t size = a->kh * a->kw * a->c;
  add_partial(a->partial, a->chunks, size, a->out, 0, size);
}

static ffi_error *depthwise_kernel_gradient(ffi_frame *f) {
  BEGIN(f);
  const ffi_buffer *in = buffer(&f->arguments, 0, 4), *up = buffer(&f->arguments, 1, 4),
                   *out = buffer(&f->results, 0, 4);
  const int64_t *p = integers(f, 6);
  if (!in || !up || !out || !p || !sane(p, 4) || !sane_padding(p + 4) || in->dims[0] != up->dims[0] ||
      in->dims[3] != up->dims[3] || out->dims[2] != 1 || out->dims[3] != in->dims[3] ||
      out->dims[0] > GN_MAX_WINDOW || out->dims[1] > GN_MAX_WINDOW) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.depthwise_kernel_gradient: wrong shapes, types or attributes");
  }
  conv_work w = {gn_best(),
                 {.in = in->data,
                  .kernel = up->data,
                  .out = out->data,
                  .batch = in->dims[0],
                  .h = in->dims[1],
                  .w = in->dims[2],
                  .c = in->dims[3],
                  .oh = up->dims[1],
                  .ow = up->dims[2],
                  .kh = out->dims[0],
                  .kw = out->dims[1],
                  .sh = p[0],
                  .sw = p[1],
                  .lh = 1,
                  .lw = 1,
                  .dh = p[2],
                  .dw = p[3],
                  .ph = p[4],
                  .pw = p[5]}};
  int64_t pixels = w.a.batch * w.a.oh * w.a.ow, size = w.a.kh * w.a.kw * w.a.c;
  lay_on_side(&w.a);
  w.a.chunks = at_least_one(at_most(at_most(all_pieces(&w.a), GN_CHUNKS), pixels / 64));
  w.a.partial = malloc(sizeof(float) * at_least_one(w.a.chunks * size));
  if (!w.a.partial) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.depthwise_kernel_gradient: out of memory");
  gn_job job = {conv_kernel_chunk, NULL, &w, 2, {w.a.chunks, GN_CHUNKS}, pixels * size < SERIAL_WORK};
  if (w.a.chunks * size < 65536) {
    job.phases = 1;
    job.finish = conv_kernel_finish;
  }
  int failed = gn_run(f, &job);
  free(w.a.partial);
  if (failed) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.depthwise_kernel_gradient: out of memory");
  return NULL;
}

// --- max-pool ---

typedef struct {
  const gn_set *set;
  gn_pool a;
  int64_t chunks;
} pool_work;

static int pool_shapes(const ffi_frame *f, const ffi_buffer *in, const ffi_buffer *out, pool_work *w) {
  const int64_t *p = integers(f, 6);
  if (!in || !out || !p || !sane(p, 4) || !sane_padding(p + 4) || p[0] > GN_MAX_WINDOW || p[1] > GN_MAX_WINDOW ||
      in->dims[0] != out->dims[0] || in->dims[3] != out->dims[3]) {
    return 0;
  }
  w->set = gn_best();
  w->a = (gn_pool){.in = in->data,
                   .batch = in->dims[0],
                   .h = in->dims[1],
                   .w = in->dims[2],
                   .c = in->dims[3],
                   .oh = out->dims[1],
                   .ow = out->dims[2],
                   .kh = p[0],
                   .kw = p[1],
                   .sh = p[2],
                   .sw = p[3],
                   .ph = p[4],
                   .pw = p[5]};
  return 1;
}

static void pool_chunk(void *w, int phase, int64_t i) {
  (void)phase;
  const pool_work *k = w;
  int64_t rows = k->a.batch * k->a.oh;
  k->set->pool(&k->a, gn_from(rows, k->chunks, i), gn_from(rows, k->chunks, i + 1));
}

static ffi_error *max_pool(ffi_frame *f) {
  BEGIN(f);
  const ffi_buffer *in = buffer(&f->arguments, 0, 4), *out = buffer(&f->results, 0, 4);
  pool_work w = {0};
  if (!pool_shapes(f, in, out, &w)) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.max_pool: wrong shapes, types or attributes");
  }
  w.a.out = out->data;
  int64_t rows = w.a.batch * w.a.oh;
  w.chunks = at_most(rows, GN_CHUNKS);
  gn_job job = {pool_chunk, NULL, &w, 1, {w.chunks}, rows * w.a.ow * w.a.c * w.a.kh * w.a.kw < SERIAL_WORK};
  if (gn_run(f, &job)) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.max_pool: out of memory");
  return NULL;
}

static void pool_gradient_chunk(void *w, int phase, int64_t i) {
  (void)phase;
  const pool_work *k = w;
  int64_t image = i / k->a.bands, band = i % k->a.bands;
  k->set->pool_gradient(&k->a, image, gn_from(k->a.h, k->a.bands, band), gn_from(k->a.h, k->a.bands, band + 1));
}

static ffi_error *max_pool_gradient(ffi_frame *f) {
  BEGIN(f);
  const ffi_buffer *in = buffer(&f->arguments, 0, 4), *up = buffer(&f->arguments, 1, 4),
                   *out = buffer(&f->results, 0, 4);
  pool_work w = {0};
  if (!pool_shapes(f, in, up, &w) || !out || memcmp(in->dims, out->dims, sizeof(int64_t) * 4)) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.max_pool_gradient: wrong shapes, types or attributes");
  }
  w.a.upstream = up->data;
  w.a.out = out->data;
  // Bands of fewer rows repeat too many of their neighbours' windows.
  w.a.bands = at_least_one(at_most(w.a.h / 8, GN_CHUNKS / at_least_one(w.a.batch)));
  w.chunks = w.a.batch * w.a.bands;
  int64_t work = w.a.batch * w.a.oh * w.a.ow * w.a.c * w.a.kh * w.a.kw;
  gn_job job = {pool_gradient_chunk, NULL, &w, 1, {w.chunks}, work < SERIAL_WORK};
  if (gn_run(f, &job)) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.max_pool_gradient: out of memory");
  return NULL;
}

// --- batch norm ---

typedef struct {
  const gn_set *set;
  gn_norm a;
} norm_work;

static double inverse_root(double variance, double epsilon) { return 1 / __builtin_sqrt(variance + epsilon); }

static void norm_chunk(void *w, int phase, int64_t i) {
  const norm_work *k = w;
  int64_t from = gn_from(k->a.rows, k->a.chunks, i), to = gn_from(k->a.rows, k->a.chunks, i + 1);
  if (phase) {
    k->set->norm_apply(&k->a, from, to);
  } else {
    k->set->norm_sums(&k->a, from, to, k->a.sums + i * 2 * k->a.c);
  }
}

// Joins the chunks' sums, in their order, into the first one's.
static void norm_finish(void *w, int phase) {
  if (phase) return;
  const gn_norm *a = &((norm_work *)w)->a;
  int64_t c = a->c;
  double *sum = a->sums, *square = sum + c, before = (double)gn_from(a->rows, a->chunks, 1);
  for (int64_t i = 1; i < a->chunks; i++) {
    const double *m = a->sums + i * 2 * c, *s = m + c;
    double rows = (double)(gn_from(a->rows, a->chunks, i + 1) - gn_from(a->rows, a->chunks, i));
    double part = 1 / before, own = 1 / rows, weight = before * rows / (before + rows);
    for (int64_t j = 0; j < c; j++) {
      double d = m[j] * own - sum[j] * part;
      sum[j] += m[j];
      square[j] += s[j] + d * d * weight;
    }
    before += rows;
  }
  for (int64_t j = 0; j < c; j++) {
    double variance = square[j] / before;
    a->out_a[j] = (float)(sum[j] / before);
    a->out_b[j] = (float)variance;
    a->coefficients[j] = (float)(a->scale[j] * inverse_root(variance, a->epsilon));
  }
}

static void gradient_chunk(void *w, int phase, int64_t i) {
  const norm_work *k = w;
  int64_t from = gn_from(k->a.rows, k->a.chunks, i), to = gn_from(k->a.rows, k->a.chunks, i + 1);
  if (phase) {
    k->set->gradient_apply(&k->a, from, to);
  } else {
    k->set->gradient_sums(&k->a, from, to, k->a.sums + i * 2 * k->a.c);
  }
}

static void gradient_finish(void *w, int phase) {
  if (phase) return;
  const gn_norm *a = &((norm_work *)w)->a;
  int64_t c = a->c;
  for (int64_t i = 1; i < a->chunks; i++) {
    for (int64_t j = 0; j < 2 * c; j++) a->sums[j] += a->sums[i * 2 * c + j];
  }
  for (int64_t j = 0; j < c; j++) {
    double root = inverse_root(a->variance[j], a->epsilon), sum = a->sums[j], product = a->sums[c + j];
    a->out_a[j] = (float)(product * root);
    a->out_b[j] = (float)sum;
    a->coefficients[j] = (float)(a->scale[j] * root);
    a->coefficients[c + j] = (float)(sum / (double)a->rows);
    a->coefficients[2 * c + j] = (float)(product * root * root / (double)a->rows);
  }
}

static int same_shape(const ffi_buffer *a, const ffi_buffer *b) {
  return a && b && a->rank == b->rank && !memcmp(a->dims, b->dims, sizeof(int64_t) * a->rank);
}

// Sets rows, channels and scratch memory; returns an error or NULL.
static ffi_error *norm_run(ffi_frame *f, const ffi_buffer *in, norm_work *w, gn_chunk *chunk,
                           void (*finish)(void *, int)) {
  gn_norm *a = &w->a;
  w->set = gn_best();
  a->c = in->dims[in->rank - 1];
  a->rows = 1;
  for (int64_t i = 0; i + 1 < in->rank; i++) a->rows *= in->dims[i];
  if (a->rows * a->c == 0) return fail(f, FFI_INVALID_ARGUMENT, "gonas.batch_norm: empty input");
  a->in = in->data;
  a->chunks = at_least_one(at_most(at_most(a->rows, GN_CHUNKS), a->rows * a->c / 4096));
  size_t sums = sizeof(double) * 2 * a->c * a->chunks;
  char *scratch = malloc(sums + sizeof(float) * 3 * a->c);
  if (!scratch) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.batch_norm: out of memory");
  a->sums = (double *)scratch;
  a->coefficients = (float *)(scratch + sums);
  gn_job job = {chunk, finish, w, 2, {a->chunks, a->chunks}, a->rows * a->c < SERIAL_ELEMENTS};
  int failed = gn_run(f, &job);
  free(scratch);
  return failed ? fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.batch_norm: out of memory") : NULL;
}

// The buffers of one number a channel: from argument first on, then results.
static int channel_buffers(const ffi_frame *f, const ffi_buffer *in, int64_t first, int64_t count, norm_work *w,
                           const float **to[]) {
  const ffi_scalar *epsilon = attribute(f, "epsilon", FFI_ATTR_SCALAR);
  if (!in || !epsilon || epsilon->dtype != FFI_F32) return 0;
  w->a.epsilon = *(const float *)epsilon->value;
  int64_t c = in->dims[in->rank - 1];
  for (int64_t i = 0; i < count; i++) {
    const ffi_buffer *b = buffer(&f->arguments, first + i, 1);
    if (!b || b->dims[0] != c) return 0;
    *to[i] = b->data;
  }
  const ffi_buffer *out = buffer(&f->results, 0, 0), *one = buffer(&f->results, 1, 1),
                   *two = buffer(&f->results, 2, 1);
  if (!same_shape(in, out) || !one || !two || one->dims[0] != c || two->dims[0] != c) return 0;
  w->a.out = out->data;
  w->a.out_a = one->data;
  w->a.out_b = two->data;
  return 1;
}

static ffi_error *batch_norm(ffi_frame *f) {
  BEGIN(f);
  norm_work w = {0};
  const ffi_buffer *in = buffer(&f->arguments, 0, 0);
  if (!channel_buffers(f, in, 1, 2, &w, (const float **[]){&w.a.scale, &w.a.offset})) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.batch_norm: wrong shapes, types or attributes");
  }
  return norm_run(f, in, &w, norm_chunk, norm_finish);
}

static ffi_error *batch_norm_gradient(ffi_frame *f) {
  BEGIN(f);
  norm_work w = {0};
  const ffi_buffer *in = buffer(&f->arguments, 0, 0), *up = buffer(&f->arguments, 4, 0);
  if (!same_shape(in, up) ||
      !channel_buffers(f, in, 1, 3, &w, (const float **[]){&w.a.scale, &w.a.mean, &w.a.variance})) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.batch_norm_gradient: wrong shapes, types or attributes");
  }
  w.a.upstream = up->data;
  return norm_run(f, in, &w, gradient_chunk, gradient_finish);
}

// --- products ---

typedef struct {
  const gn_set *set;
  gn_product a;
} product_work;

static void product_chunk(void *w, int phase, int64_t i) {
  (void)phase;
  const product_work *k = w;
  k->set->product(&k->a, gn_from(k->a.rows, k->a.chunks, i), gn_from(k->a.rows, k->a.chunks, i + 1));
}

static void product_part_chunk(void *w, int phase, int64_t i) {
  const product_work *k = w;
  const gn_product *a = &k->a;
  int64_t size = a->rows * a->cols;
  if (phase) {
    add_partial(a->partial, a->chunks, size, a->out, i * size / GN_CHUNKS, (i + 1) * size / GN_CHUNKS);
  } else {
    k->set->product_part(a, gn_from(a->depth, a->chunks, i), gn_from(a->depth, a->chunks, i + 1), a->partial + i * size);
  }
}

static void product_part_finish(void *w, int phase) {
  const gn_product *a = &((product_work *)w)->a;
  if (!phase) add_partial(a->partial, a->chunks, a->rows * a->cols, a->out, 0, a->rows * a->cols);
}

// The product of a and b (attribute 0), of a and b transposed (1), or of a
// transposed and b (2).
static ffi_error *product(ffi_frame *f) {
  BEGIN(f);
  const ffi_buffer *a = buffer(&f->arguments, 0, 2), *b = buffer(&f->arguments, 1, 2), *out = buffer(&f->results, 0, 2);
  const int64_t *p = integers(f, 1);
  if (!a || !b || !out || !p || p[0] < 0 || p[0] > 2) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.product: wrong types or attributes");
  }
  int64_t form = p[0], depth = a->dims[form == 2 ? 0 : 1];
  if (depth != b->dims[form == 1] || out->dims[0] != a->dims[form == 2] || out->dims[1] != b->dims[form != 1]) {
    return fail(f, FFI_INVALID_ARGUMENT, "gonas.product: wrong shapes");
  }
  product_work w = {gn_best(),
                    {.a = a->data,
                     .b = b->data,
                     .out = out->data,
                     .rows = out->dims[0],
                     .cols = out->dims[1],
                     .depth = depth,
                     .a_row = form == 2 ? 1 : depth,
                     .a_step = form == 2 ? out->dims[0] : 1}};
  gn_product *k = &w.a;
  int64_t work = k->rows * k->cols * depth;
  float *scratch = NULL;
  gn_job job = {product_chunk, NULL, &w, 1, {0}, work < SERIAL_WORK};
  if (form == 1) {
    float *t = scratch = malloc(sizeof(float) * at_least_one(depth * k->cols));
    if (!t) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.product: out of memory");
    for (int64_t i = 0; i < depth; i++) {
      for (int64_t j = 0; j < k->cols; j++) t[i * k->cols + j] = k->b[j * depth + i];
    }
    k->b = t;
  }
  if (form == 2) {
    k->chunks = at_least_one(at_most(GN_CHUNKS, depth / 64));
    k->partial = scratch = malloc(sizeof(float) * at_least_one(k->chunks * k->rows * k->cols));
    if (!scratch) return fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.product: out of memory");
    job.chunk = product_part_chunk;
    job.finish = product_part_finish;
    if (k->chunks * k->rows * k->cols > 65536) {
      job.finish = NULL;
      job.phases = 2;
      job.chunks[1] = GN_CHUNKS;
    }
  } else {
    k->chunks = at_most(k->rows, GN_CHUNKS);
  }
  job.chunks[0] = k->chunks;
  int failed = gn_run(f, &job);
  free(scratch);
  return failed ? fail(f, FFI_RESOURCE_EXHAUSTED, "gonas.product: out of memory") : NULL;
}

const gn_handler gn_handlers[] = {
    {"gonas.depthwise", depthwise},
    {"gonas.depthwise_kernel_gradient", depthwise_kernel_gradient},
    {"gonas.max_pool", max_pool},
    {"gonas.max_pool_gradient", max_pool_gradient},
    {"gonas.batch_norm", batch_norm},
    {"gonas.batch_norm_gradient", batch_norm_gradient},
    {"gonas.product", product},
};
const int gn_handler_count = sizeof gn_handlers / sizeof gn_handlers[0];
