// Drives the handlers as XLA's runtime does, with a thread pool of its own, so
// that the kernels can run under sanitizers, on every instruction set and with
// any number of threads.
//
//	driver check [large]          compares every kernel with its definition; exit 1 on a difference
//	driver bench [SET [THREADS]]  prints the fastest of many calls of each kernel, in ms
//	driver sound [SET [THREADS]]  the same of the convolutions of sound
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kernels.h"

// --- a runtime ---

typedef struct task {
  void (*run)(void *);
  void *data;
  struct task *next;
} task;

struct ffi_context {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  task *first, **last;
  int threads, stop;
  pthread_t thread[16];
};

struct ffi_error {
  char text[200];
};

static void *serve(void *p) {
  struct ffi_context *c = p;
  for (;;) {
    pthread_mutex_lock(&c->lock);
    while (!c->first && !c->stop) pthread_cond_wait(&c->wake, &c->lock);
    task *t = c->first;
    if (t && !(c->first = t->next)) c->last = &c->first;
    pthread_mutex_unlock(&c->lock);
    if (!t) return NULL;
    t->run(t->data);
    free(t);
  }
}

static struct ffi_context *pool_open(int threads) {
  struct ffi_context *c = calloc(1, sizeof *c);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->wake, NULL);
  c->last = &c->first;
  c->threads = threads;
  for (int i = 0; i < threads; i++) pthread_create(&c->thread[i], NULL, serve, c);
  return c;
}

static void pool_close(struct ffi_context *c) {
  pthread_mutex_lock(&c->lock);
  c->stop = 1;
  pthread_cond_broadcast(&c->wake);
  pthread_mutex_unlock(&c->lock);
  for (int i = 0; i < c->threads; i++) pthread_join(c->thread[i], NULL);
  free(c);
}

static ffi_error *schedule(ffi_schedule *s) {
  task *t = malloc(sizeof *t);
  *t = (task){s->task, s->data, NULL};
  pthread_mutex_lock(&s->context->lock);
  *s->context->last = t;
  s->context->last = &t->next;
  pthread_cond_signal(&s->context->wake);
  pthread_mutex_unlock(&s->context->lock);
  return NULL;
}

static ffi_error *threads(ffi_threads *t) {
  *t->threads = t->context->threads;
  return NULL;
}

static ffi_error *error_create(ffi_error_create *e) {
  ffi_error *error = malloc(sizeof *error);
  snprintf(error->text, sizeof error->text, "%s", e->message);
  return error;
}

static void error_destroy(ffi_error_destroy *e) { free(e->error); }

static const ffi_api api = {.size = sizeof api,
                            .version = {sizeof(ffi_version), NULL, 0, 3},
                            .error_create = error_create,
                            .error_destroy = error_destroy,
                            .schedule = schedule,
                            .threads = threads};

// --- tensors and calls ---

typedef struct {
  ffi_buffer buffer;
  int64_t dims[4];
  int64_t size;
} tensor;

// Memory aligned as the runtime's, of exactly the tensor's size, so that a
// sanitizer sees any overrun.
static tensor *make(int rank, const int64_t *dims) {
  tensor *t = calloc(1, sizeof *t);
  t->size = 1;
  for (int i = 0; i < rank; i++) t->size *= t->dims[i] = dims[i];
  t->buffer = (ffi_buffer){sizeof(ffi_buffer), NULL, FFI_F32, NULL, rank, t->dims};
  if (posix_memalign(&t->buffer.data, 64, sizeof(float) * t->size)) abort();
  for (int64_t i = 0; i < t->size; i++) ((float *)t->buffer.data)[i] = NAN;
  return t;
}

#define MAKE(...) make(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static float *data(tensor *t) { return t->buffer.data; }

static uint64_t state = 1;
static float uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(state >> 32) / 1073741824.0f;
}

static tensor *fill(tensor *t, float step) {
  for (int64_t i = 0; i < t->size; i++) data(t)[i] = step > 0 ? roundf(uniform() / step) * step : uniform();
  return t;
}

static void drop(tensor *t) {
  free(t->buffer.data);
  free(t);
}

static void call(struct ffi_context *pool, const char *name, tensor **in, int ins, tensor **out, int outs,
                 const int64_t *p, int count, float epsilon) {
  int types[8] = {FFI_BUFFER, FFI_BUFFER, FFI_BUFFER, FFI_BUFFER, FFI_BUFFER, FFI_BUFFER, FFI_BUFFER, FFI_BUFFER};
  ffi_span epsilon_name = {"epsilon", 7}, p_name = {"p", 1};
  ffi_span *names[2] = {&epsilon_name, &p_name};
  ffi_scalar scalar = {FFI_F32, &epsilon};
  ffi_array array = {FFI_S64, (size_t)count, (void *)p};
  void *attributes[2] = {&scalar, &array};
  int attribute_types[2] = {FFI_ATTR_SCALAR, FFI_ATTR_ARRAY};
  ffi_frame f = {.size = sizeof f,
                 .api = &api,
                 .context = pool,
                 .stage = FFI_STAGE_EXECUTE,
                 .arguments = {sizeof(ffi_list), NULL, ins, types, (void **)in},
                 .results = {sizeof(ffi_list), NULL, outs, types, (void **)out},
                 .attributes = {sizeof(ffi_attributes), NULL, 2, attribute_types, names, attributes}};
  for (int i = 0; i < gn_handler_count; i++) {
    if (strcmp(gn_handlers[i].name, name)) continue;
    ffi_error *error = gn_handlers[i].handler(&f);
    if (!error) return;
    fprintf(stderr, "%s\n", error->text);
    exit(1);
  }
  fprintf(stderr, "no handler %s\n", name);
  exit(1);
}

// --- definitions ---

static int failures;

static void near(const char *what, const char *set, tensor *got, const double *want) {
  double largest = 0.1;  // the inputs are about 1: a result near 0 is a difference of such
  for (int64_t i = 0; i < got->size; i++) {
    if (fabs(want[i]) > largest) largest = fabs(want[i]);
  }
  for (int64_t i = 0; i < got->size; i++) {
    if (fabs(data(got)[i] - want[i]) <= 1e-5 * largest) continue;
    fprintf(stderr, "%s, %s: element %lld is %g, expected %g\n", what, set, (long long)i, data(got)[i], want[i]);
    failures++;
    return;
  }
}

// A window along one axis: size, step, dilation of the input and of the kernel, low and high padding.
typedef struct {
  int64_t k, s, l, d, low, high;
} window;

typedef struct {
  int64_t n, h, w, c;
  window y, x;
} shape;

// A shape whose window is the same along both axes.
#define SQUARE(n, h, w, c, ...) (shape){n, h, w, c, {__VA_ARGS__}, {__VA_ARGS__}}

static int64_t out_size(const window *v, int64_t in) {
  return ((in - 1) * v->l + 1 + v->low + v->high - v->d * (v->k - 1) - 1) / v->s + 1;
}

// Calls f for every pair of an output and an input that a window joins.
#define EACH_PAIR(v, oh, ow, ...)                                                                      \
  for (int64_t n = 0; n < v->n; n++)                                                                   \
    for (int64_t oy = 0; oy < oh; oy++)                                                                \
      for (int64_t ox = 0; ox < ow; ox++)                                                              \
        for (int64_t ky = 0; ky < v->y.k; ky++)                                                        \
          for (int64_t kx = 0; kx < v->x.k; kx++) {                                                    \
            int64_t iy = oy * v->y.s + ky * v->y.d - v->y.low, ix = ox * v->x.s + kx * v->x.d - v->x.low; \
            if (iy < 0 || ix < 0 || iy % v->y.l || ix % v->x.l) continue;                              \
            if ((iy /= v->y.l) >= v->h || (ix /= v->x.l) >= v->w) continue;                            \
            for (int64_t c = 0; c < v->c; c++) {                                                       \
              int64_t o = ((n * oh + oy) * ow + ox) * v->c + c;                                        \
              int64_t i = ((n * v->h + iy) * v->w + ix) * v->c + c;                                    \
              int64_t k = (ky * v->x.k + kx) * v->c + c;                                               \
              __VA_ARGS__;                                                                             \
            }                                                                                          \
          }

static const char *sets[] = {"baseline", "avx2", "avx512"};
static const int counts[] = {1, 2, 8};
static struct ffi_context *pools[3];

// Runs the call on every set and number of threads, compares the bits between
// numbers of threads and the values with the definition.
static void every(const char *what, const char *name, tensor **in, int ins, tensor **out, int outs, const int64_t *p,
                  int count, double **want) {
  for (int s = 0; s < 3; s++) {
    if (!gn_choose(sets[s])) continue;
    float *first[3] = {0};
    for (int t = 0; t < 3; t++) {
      for (int i = 0; i < outs; i++) {
        for (int64_t j = 0; j < out[i]->size; j++) data(out[i])[j] = NAN;
      }
      call(pools[t], name, in, ins, out, outs, p, count, 1e-5f);
      for (int i = 0; i < outs; i++) {
        size_t bytes = sizeof(float) * out[i]->size;
        if (t == 0) {
          first[i] = memcpy(malloc(bytes), data(out[i]), bytes);
          near(what, sets[s], out[i], want[i]);
        } else if (memcmp(first[i], data(out[i]), bytes)) {
          fprintf(stderr, "%s, %s: other bits with %d threads\n", what, sets[s], counts[t]);
          failures++;
        }
      }
    }
    for (int i = 0; i < outs; i++) free(first[i]);
  }
}

static void check_conv(const shape *v) {
  const window *a = &v->y, *b = &v->x;
  int64_t oh = out_size(a, v->h), ow = out_size(b, v->w);
  char what[200];
  snprintf(what, sizeof what, "convolution %lldx%lldx%lldx%lld k%lldx%lld s%lld,%lld l%lld,%lld d%lld,%lld",
           (long long)v->n, (long long)v->h, (long long)v->w, (long long)v->c, (long long)a->k, (long long)b->k,
           (long long)a->s, (long long)b->s, (long long)a->l, (long long)b->l, (long long)a->d, (long long)b->d);
  tensor *in = fill(MAKE(v->n, v->h, v->w, v->c), 0), *kernel = fill(MAKE(a->k, b->k, 1, v->c), 0),
         *up = fill(MAKE(v->n, oh, ow, v->c), 0), *out = MAKE(v->n, oh, ow, v->c), *grad = MAKE(a->k, b->k, 1, v->c);
  double *y = calloc(out->size, sizeof *y), *dw = calloc(grad->size, sizeof *dw);
  EACH_PAIR(v, oh, ow, {
    y[o] += (double)data(in)[i] * data(kernel)[k];
    dw[k] += (double)data(in)[i] * data(up)[o];
  })
  int64_t p[8] = {a->s, b->s, a->l, b->l, a->d, b->d, a->low, b->low};
  every(what, "gonas.depthwise", (tensor *[]){in, kernel}, 2, &out, 1, p, 8, &y);
  if (a->l == 1 && b->l == 1) {
    int64_t q[6] = {a->s, b->s, a->d, b->d, a->low, b->low};
    every(what, "gonas.depthwise_kernel_gradient", (tensor *[]){in, up}, 2, &grad, 1, q, 6, &dw);
  }
  drop(in), drop(kernel), drop(up), drop(out), drop(grad);
  free(y), free(dw);
}

// The convolutions of sound: windows along one axis, also on images one pixel wide, and their inputs' gradients.
static void check_unidirectional(void) {
  const int64_t channels[] = {3, 8, 16, 24, 36, 40};
  for (int64_t k = 3; k <= 9; k += 2) {
    for (int64_t s = 0; s < 4; s++) {
      int64_t c = channels[(k + s) % 6], p = k / 2, sy = 1 + s % 2, sx = 1 + s / 2;
      window tall = {k, sy, 1, 1, p, p}, wide = {k, sx, 1, 1, p, p}, one_y = {1, sy, 1, 1, 0, 0}, one_x = {1, sx, 1, 1, 0, 0};
      window tall_back = {k, 1, sy, 1, p, p + 1}, wide_back = {k, 1, sx, 1, p, p + 1};
      window one_y_back = {1, 1, sy, 1, 0, 1}, one_x_back = {1, 1, sx, 1, 0, 1}, one = {1, 1, 1, 1, 0, 0};
      check_conv(&(shape){2, 13, 11, c, tall, one_x});
      check_conv(&(shape){2, 11, 13, c, one_y, wide});
      check_conv(&(shape){2, 6, 7, c, tall_back, one_x_back});
      check_conv(&(shape){2, 7, 6, c, one_y_back, wide_back});
      check_conv(&(shape){3, 21, 1, c, tall, one});
      check_conv(&(shape){3, 11, 1, c, tall_back, one});
      check_conv(&(shape){2, 12, 1, c, tall, one_x_back});
    }
  }
  window one = {1, 1, 1, 1, 0, 0}, five = {5, 1, 1, 1, 2, 2};
  check_conv(&(shape){1, 70, 1, 40, five, one});
  check_conv(&(shape){1, 2, 1, 20, {9, 1, 1, 1, 4, 4}, one});
  check_conv(&(shape){2, 20, 1, 16, {4, 1, 1, 3, 5, 4}, one});
  check_conv(&(shape){2, 20, 1, 16, {3, 1, 3, 2, 4, 3}, one});
  check_conv(&(shape){2, 9, 1, 16, five, {3, 1, 1, 1, 1, 1}});
  check_conv(&(shape){2, 9, 1, 16, five, {1, 1, 1, 1, 1, 0}});
  check_conv(&(shape){2, 9, 1, 16, five, {1, 1, 1, 1, 1, -1}});
  check_conv(&(shape){2, 9, 8, 17, {3, 1, 1, 1, 1, 1}, five});
}

static void check_pool(const shape *v, float step) {
  int64_t oh = out_size(&v->y, v->h), ow = out_size(&v->x, v->w);
  char what[200];
  snprintf(what, sizeof what, "max-pool %lldx%lldx%lldx%lld k%lld s%lld", (long long)v->n, (long long)v->h,
           (long long)v->w, (long long)v->c, (long long)v->y.k, (long long)v->y.s);
  tensor *in = fill(MAKE(v->n, v->h, v->w, v->c), step), *up = fill(MAKE(v->n, oh, ow, v->c), 0),
         *out = MAKE(v->n, oh, ow, v->c), *grad = MAKE(v->n, v->h, v->w, v->c);
  double *y = calloc(out->size, sizeof *y), *dx = calloc(grad->size, sizeof *dx);
  int64_t *at = malloc(sizeof *at * out->size);
  for (int64_t o = 0; o < out->size; o++) at[o] = -1;
  EACH_PAIR(v, oh, ow, {
    (void)k;
    if (at[o] < 0 || data(in)[i] > data(in)[at[o]]) at[o] = i;
  })
  for (int64_t o = 0; o < out->size; o++) {
    y[o] = at[o] < 0 ? -1e30 : data(in)[at[o]];
    if (at[o] >= 0) dx[at[o]] += data(up)[o];
  }
  int64_t p[6] = {v->y.k, v->x.k, v->y.s, v->x.s, v->y.low, v->x.low};
  every(what, "gonas.max_pool", &in, 1, &out, 1, p, 6, &y);
  every(what, "gonas.max_pool_gradient", (tensor *[]){in, up}, 2, &grad, 1, p, 6, &dx);
  drop(in), drop(up), drop(out), drop(grad);
  free(y), free(dx), free(at);
}

static void check_norm(int64_t rows, int64_t c) {
  char what[200];
  snprintf(what, sizeof what, "batch norm %lldx%lld", (long long)rows, (long long)c);
  tensor *in = fill(MAKE(rows, c), 0), *up = fill(MAKE(rows, c), 0), *scale = fill(MAKE(c), 0),
         *offset = fill(MAKE(c), 0), *out = MAKE(rows, c), *a = MAKE(c), *b = MAKE(c);
  double *y = calloc(out->size, sizeof *y), *dx = calloc(out->size, sizeof *dx), *mean = calloc(c, sizeof *mean),
         *variance = calloc(c, sizeof *variance), *dscale = calloc(c, sizeof *dscale),
         *doffset = calloc(c, sizeof *doffset);
  for (int64_t j = 0; j < c; j++) {
    for (int64_t r = 0; r < rows; r++) mean[j] += data(in)[r * c + j];
    mean[j] /= rows;
    for (int64_t r = 0; r < rows; r++) variance[j] += pow(data(in)[r * c + j] - mean[j], 2);
    variance[j] /= rows;
    double root = 1 / sqrt(variance[j] + 1e-5);
    for (int64_t r = 0; r < rows; r++) {
      double d = (data(in)[r * c + j] - mean[j]) * root, g = data(up)[r * c + j];
      y[r * c + j] = d * data(scale)[j] + data(offset)[j];
      dscale[j] += g * d;
      doffset[j] += g;
    }
    for (int64_t r = 0; r < rows; r++) {
      double d = (data(in)[r * c + j] - mean[j]) * root, g = data(up)[r * c + j];
      dx[r * c + j] = data(scale)[j] * root * (g - doffset[j] / rows - d * dscale[j] / rows);
    }
  }
  every(what, "gonas.batch_norm", (tensor *[]){in, scale, offset}, 3, (tensor *[]){out, a, b}, 3, NULL, 0,
        (double *[]){y, mean, variance});
  tensor *m = MAKE(c), *v = MAKE(c);
  for (int64_t j = 0; j < c; j++) data(m)[j] = (float)mean[j], data(v)[j] = (float)variance[j];
  every(what, "gonas.batch_norm_gradient", (tensor *[]){in, scale, m, v, up}, 5, (tensor *[]){out, a, b}, 3, NULL, 0,
        (double *[]){dx, dscale, doffset});
  drop(in), drop(up), drop(scale), drop(offset), drop(out), drop(a), drop(b), drop(m), drop(v);
  free(y), free(dx), free(mean), free(variance), free(dscale), free(doffset);
}

static void check_product(int64_t m, int64_t k, int64_t n) {
  char what[200];
  snprintf(what, sizeof what, "product %lldx%lldx%lld", (long long)m, (long long)k, (long long)n);
  tensor *x = fill(MAKE(m, k), 0), *w = fill(MAKE(k, n), 0), *g = fill(MAKE(m, n), 0), *y = MAKE(m, n), *dx = MAKE(m, k),
         *dw = MAKE(k, n);
  double *want = calloc(y->size, sizeof *want), *want_dx = calloc(x->size, sizeof *want),
         *want_dw = calloc(w->size, sizeof *want);
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < k; j++) {
      for (int64_t l = 0; l < n; l++) {
        want[i * n + l] += (double)data(x)[i * k + j] * data(w)[j * n + l];
        want_dx[i * k + j] += (double)data(g)[i * n + l] * data(w)[j * n + l];
        want_dw[j * n + l] += (double)data(x)[i * k + j] * data(g)[i * n + l];
      }
    }
  }
  every(what, "gonas.product", (tensor *[]){x, w}, 2, &y, 1, (int64_t[]){0}, 1, &want);
  every(what, "gonas.product", (tensor *[]){g, w}, 2, &dx, 1, (int64_t[]){1}, 1, &want_dx);
  every(what, "gonas.product", (tensor *[]){x, g}, 2, &dw, 1, (int64_t[]){2}, 1, &want_dw);
  drop(x), drop(w), drop(g), drop(y), drop(dx), drop(dw);
  free(want), free(want_dx), free(want_dw);
}

// Cases large enough for helpers to come in.
static void check_large(void) {
  check_conv(&SQUARE(8, 32, 32, 16, 3, 1, 1, 1, 1, 1));
  check_conv(&SQUARE(8, 17, 19, 36, 5, 2, 1, 2, 4, 4));
  check_conv(&SQUARE(8, 16, 16, 20, 5, 1, 2, 1, 2, 3));
  check_conv(&SQUARE(4, 14, 14, 600, 7, 1, 1, 1, 3, 3));
  window one = {1, 1, 1, 1, 0, 0};
  check_conv(&(shape){6, 64, 21, 36, {7, 1, 1, 1, 3, 3}, one});
  check_conv(&(shape){6, 41, 23, 36, {1, 2, 1, 1, 0, 0}, {5, 2, 1, 1, 2, 2}});
  check_conv(&(shape){40, 98, 1, 24, {9, 1, 1, 1, 4, 4}, one});
  check_conv(&(shape){1, 4000, 1, 40, {5, 2, 1, 1, 2, 2}, one});
  check_pool(&SQUARE(16, 32, 32, 16, 3, 1, 1, 1, 1, 1), 0.25f);
  check_pool(&SQUARE(1, 65, 63, 20, 3, 2, 1, 1, 1, 1), 0.25f);
  check_norm(4100, 40);
  check_product(2051, 36, 24);
  check_product(2500, 70, 66);
}

static int check(int large) {
  for (int i = 0; i < 3; i++) pools[i] = pool_open(counts[i]);
  const int64_t channels[] = {1, 3, 8, 16, 17, 36, 40, 96};
  check_large();
  if (large) goto end;
  for (int64_t k = 1; k <= 7; k += 2) {
    for (int64_t s = 1; s <= 2; s++) {
      for (int64_t d = 1; d <= 2; d++) {
        for (int i = 0; i < 8; i++) {
          int64_t p = d * (k - 1) / 2;
          check_conv(&SQUARE(1 + i % 3, 9 + i % 2, 7 + i, channels[i], k, s, 1, d, p, p));
          check_conv(&SQUARE(1 + i % 2, 6, 5 + i, channels[i], k, 1, 2, d, d * (k - 1) - p, d * (k - 1) - p + 1));
        }
      }
    }
  }
  check_unidirectional();
  check_conv(&SQUARE(1, 3, 3, 5, 3, 1, 1, 2, -1, 3));
  check_conv(&SQUARE(2, 5, 4, 20, 4, 3, 1, 1, 7, 2));
  check_conv(&SQUARE(1, 4, 4, 4, 5, 1, 3, 1, 2, 2));
  for (int i = 0; i < 8; i++) {
    for (int64_t s = 1; s <= 3; s++) {
      check_pool(&SQUARE(1 + i, 9 + i, 7 + i, channels[i], 3, s, 1, 1, 1, 1), i % 2 ? 0.5f : 0);
      check_pool(&SQUARE(1, 17, 6 + i, channels[i], 2 + i % 4, s, 1, 1, 1, 0), 0.5f);
    }
    for (int j = 0; j < 8; j++) check_product(1 + 37 * i, channels[i], channels[j]);
    for (int j = 0; j < 4; j++) check_norm((int64_t[]){7, 35, 1000, 4100}[j], channels[i]);
  }
end:
  for (int i = 0; i < 3; i++) pool_close(pools[i]);
  if (!failures) puts("all equal");
  return failures != 0;
}

// --- timing ---

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

static void timed(struct ffi_context *pool, const char *what, const char *name, tensor **in, int ins, tensor **out,
                  int outs, const int64_t *p, int count) {
  double best = 1e9;
  for (int i = 0; i < 300; i++) {
    double t = now();
    call(pool, name, in, ins, out, outs, p, count, 1e-5f);
    t = now() - t;
    if (t < best) best = t;
  }
  printf("%-28s %-36s %7.3f\n", name, what, best);
}

static void bench_size(struct ffi_context *pool, int64_t h, int64_t c) {
  tensor *in = fill(MAKE(16, h, h, c), 0), *out = MAKE(16, h, h, c);
  char what[100];
  for (int64_t k = 3; k <= 7; k += 2) {
    for (int64_t s = 1; s <= 2; s++) {
      for (int64_t d = 1; d <= 2; d++) {
        int64_t pad = d * (k - 1) / 2, back = d * (k - 1) - pad, oh = (h + s - 1) / s;
        tensor *kernel = fill(MAKE(k, k, 1, c), 0), *small = fill(MAKE(16, oh, oh, c), 0), *grad = MAKE(k, k, 1, c);
        snprintf(what, sizeof what, "%lldx%lldx%lld k%lld s%lld d%lld", (long long)h, (long long)h, (long long)c,
                 (long long)k, (long long)s, (long long)d);
        timed(pool, what, "gonas.depthwise", (tensor *[]){in, kernel}, 2, &small, 1,
              (int64_t[]){s, s, 1, 1, d, d, pad, pad}, 8);
        if (s == 2) {
          timed(pool, "  its input's gradient", "gonas.depthwise", (tensor *[]){small, kernel}, 2, &out, 1,
                (int64_t[]){1, 1, s, s, d, d, back, back}, 8);
        }
        timed(pool, what, "gonas.depthwise_kernel_gradient", (tensor *[]){in, small}, 2, &grad, 1,
              (int64_t[]){s, s, d, d, pad, pad}, 6);
        drop(kernel), drop(small), drop(grad);
      }
    }
  }
  for (int64_t s = 1; s <= 2; s++) {
    int64_t oh = (h + s - 1) / s;
    tensor *small = fill(MAKE(16, oh, oh, c), 0);
    snprintf(what, sizeof what, "%lldx%lldx%lld s%lld", (long long)h, (long long)h, (long long)c, (long long)s);
    timed(pool, what, "gonas.max_pool", &in, 1, &small, 1, (int64_t[]){3, 3, s, s, 1, 1}, 6);
    timed(pool, what, "gonas.max_pool_gradient", (tensor *[]){in, small}, 2, &out, 1, (int64_t[]){3, 3, s, s, 1, 1}, 6);
    drop(small);
  }
  tensor *a = fill(MAKE(c), 0), *b = fill(MAKE(c), 0), *m = MAKE(c), *v = MAKE(c), *up = fill(MAKE(16, h, h, c), 0);
  timed(pool, what, "gonas.batch_norm", (tensor *[]){in, a, b}, 3, (tensor *[]){out, m, v}, 3, NULL, 0);
  tensor *da = MAKE(c), *db = MAKE(c);
  timed(pool, what, "gonas.batch_norm_gradient", (tensor *[]){in, a, m, v, up}, 5, (tensor *[]){out, da, db}, 3, NULL, 0);
  tensor *x = fill(MAKE(16 * h * h, c), 0), *w = fill(MAKE(c, c), 0), *y = MAKE(16 * h * h, c);
  for (int64_t form = 0; form < 3; form++) {
    snprintf(what, sizeof what, "%lldx%lldx%lld form %lld", (long long)h, (long long)h, (long long)c, (long long)form);
    timed(pool, what, "gonas.product", form < 2 ? (tensor *[]){x, w} : (tensor *[]){x, y}, 2, form < 2 ? &y : &w, 1, &form, 1);
  }
  drop(x), drop(w), drop(y);
  drop(a), drop(b), drop(m), drop(v), drop(up), drop(da), drop(db), drop(in), drop(out);
}

// The convolutions of sound: windows of k along height (tall) or width.
static void bench_sound(struct ffi_context *pool, int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int tall,
                        int64_t sh, int64_t sw) {
  int64_t kh = tall ? k : 1, kw = tall ? 1 : k, oh = (h + sh - 1) / sh, ow = (w + sw - 1) / sw;
  tensor *in = fill(MAKE(n, h, w, c), 0), *dx = MAKE(n, h, w, c), *kernel = fill(MAKE(kh, kw, 1, c), 0),
         *out = fill(MAKE(n, oh, ow, c), 0), *grad = MAKE(kh, kw, 1, c);
  char what[100];
  snprintf(what, sizeof what, "%lldx%lldx%lldx%lld k%lldx%lld s%lld,%lld", (long long)n, (long long)h, (long long)w,
           (long long)c, (long long)kh, (long long)kw, (long long)sh, (long long)sw);
  timed(pool, what, "gonas.depthwise", (tensor *[]){in, kernel}, 2, &out, 1,
        (int64_t[]){sh, sw, 1, 1, 1, 1, kh / 2, kw / 2}, 8);
  timed(pool, "  its input's gradient", "gonas.depthwise", (tensor *[]){out, kernel}, 2, &dx, 1,
        (int64_t[]){1, 1, sh, sw, 1, 1, kh / 2, kw / 2}, 8);
  timed(pool, "  its kernel's gradient", "gonas.depthwise_kernel_gradient", (tensor *[]){in, out}, 2, &grad, 1,
        (int64_t[]){sh, sw, 1, 1, kh / 2, kw / 2}, 6);
  drop(in), drop(dx), drop(kernel), drop(out), drop(grad);
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "check")) return check(argc > 2);
  int sound = argc > 1 && !strcmp(argv[1], "sound");
  if (argc < 2 || (strcmp(argv[1], "bench") && !sound)) {
    fputs("usage: driver check [large] | bench [SET [THREADS]] | sound [SET [THREADS]]\n", stderr);
    return 2;
  }
  if (argc > 2 && !gn_choose(argv[2])) {
    fputs("this processor has not that set\n", stderr);
    return 2;
  }
  struct ffi_context *pool = pool_open(argc > 3 ? atoi(argv[3]) : 2);
  if (sound) {
    for (int64_t k = 3; k <= 9; k += 2) {
      for (int tall = 0; tall < 2; tall++) {
        bench_sound(pool, 32, 64, 40, 48, k, tall, 1, 1);
        bench_sound(pool, 32, 64, 40, 48, k, tall, 2, 2);
        bench_sound(pool, 32, 16, 10, 96, k, tall, 1, 1);
      }
      bench_sound(pool, 64, 98, 1, 24, k, 1, 1, 1);
      bench_sound(pool, 64, 98, 1, 24, k, 1, 2, 1);
    }
    pool_close(pool);
    return 0;
  }
  bench_size(pool, 32, 16);
  bench_size(pool, 16, 32);
  bench_size(pool, 8, 64);
  bench_size(pool, 32, 36);
  pool_close(pool);
  return 0;
}
