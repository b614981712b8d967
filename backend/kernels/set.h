// The kernels for one instruction set. Included once for each, with GN_SET (the
// table to define), GN_NAME and GN_LANES (floats in a vector) set. Tensors are
// NHWC, so a vector holds neighbouring channels of one pixel; the last vector
// of a pixel may be partial.
#include <math.h>
#include <string.h>

#include "kernels.h"

#define L GN_LANES
#define INL static inline __attribute__((always_inline))
// As many pixels as are kept in registers together: the widths of the usual
// networks are multiples.
#define BLOCK 8
// Bytes of a tensor that are worked on while they are in the first cache.
#define CACHED 16384

typedef float vf __attribute__((vector_size(4 * L)));
typedef int32_t vi __attribute__((vector_size(4 * L)));
typedef float vf_any __attribute__((vector_size(4 * L), aligned(4), may_alias));

#if L == 16
typedef __mmask16 mask;
INL vf load(const float *p, int n) {
  if (n == L) return *(const vf_any *)p;
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
INL void store(float *p, vf v, int n) {
  if (n == L) {
    *(vf_any *)p = v;
  } else {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
  }
}
INL vf all(float x) { return (vf)_mm512_set1_ps(x); }
INL mask at_least(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ); }
INL mask always(void) { return 0xffff; }
INL mask both(mask a, mask b) { return _kand_mask16(a, b); }
INL mask but_not(mask a, mask b) { return _kandn_mask16(b, a); }
INL vf pick(mask m, vf a, vf b) { return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
INL vf add_where(mask m, vf a, vf b) { return (vf)_mm512_mask_add_ps((__m512)a, m, (__m512)a, (__m512)b); }
// The larger; not a number if either is not.
INL vf larger(vf a, vf b) {
  __m512 m = _mm512_max_ps((__m512)a, (__m512)b);  // b where unordered
  return (vf)_mm512_mask_mov_ps(m, _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q), (__m512)a);
}
#elif L == 8
typedef __m256 mask;
static const int32_t lanes_table[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
INL __m256i lanes(int n) { return _mm256_loadu_si256((const __m256i *)(lanes_table + L - n)); }
INL vf load(const float *p, int n) {
  if (n == L) return *(const vf_any *)p;
  return (vf)_mm256_maskload_ps(p, lanes(n));
}
INL void store(float *p, vf v, int n) {
  if (n == L) {
    *(vf_any *)p = v;
  } else {
    _mm256_maskstore_ps(p, lanes(n), (__m256)v);
  }
}
INL vf all(float x) { return (vf)_mm256_set1_ps(x); }
INL mask at_least(vf a, vf b) { return _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GE_OQ); }
INL mask always(void) { return (mask)_mm256_set1_epi32(-1); }
INL mask both(mask a, mask b) { return _mm256_and_ps(a, b); }
INL mask but_not(mask a, mask b) { return _mm256_andnot_ps(b, a); }
INL vf pick(mask m, vf a, vf b) { return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, m); }
INL vf add_where(mask m, vf a, vf b) { return a + (vf)_mm256_and_ps(m, (__m256)b); }
INL vf larger(vf a, vf b) {
  __m256 m = _mm256_max_ps((__m256)a, (__m256)b);
  return (vf)_mm256_blendv_ps(m, (__m256)a, _mm256_cmp_ps((__m256)a, (__m256)a, _CMP_UNORD_Q));
}
#else
typedef vi mask;
INL vf load(const float *p, int n) {
  if (n == L) return *(const vf_any *)p;
  vf v = {0};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
}
INL void store(float *p, vf v, int n) {
  if (n == L) {
    *(vf_any *)p = v;
  } else {
    for (int i = 0; i < n; i++) p[i] = v[i];
  }
}
INL vf all(float x) { return (vf){x, x, x, x}; }
INL mask at_least(vf a, vf b) { return a >= b; }
INL mask always(void) { return (mask){-1, -1, -1, -1}; }
INL mask both(mask a, mask b) { return a & b; }
INL mask but_not(mask a, mask b) { return a & ~b; }
INL vf pick(mask m, vf a, vf b) { return (vf)((m & (vi)a) | (~m & (vi)b)); }
INL vf add_where(mask m, vf a, vf b) { return a + (vf)(m & (vi)b); }
INL vf larger(vf a, vf b) { return pick((a > b) | (a != a), a, b); }
#endif

// Runs the body for each vector of channels, from c0 on: with n a constant for
// the whole ones, so that the partial one alone pays for its mask.
#define EACH_VECTOR(channels, c0, n, ...)                                 \
  do {                                                                    \
    int64_t c0 = 0;                                                       \
    for (; c0 + L <= (channels); c0 += L) {                               \
      const int n = L;                                                    \
      __VA_ARGS__;                                                        \
    }                                                                     \
    if (c0 < (channels)) {                                                \
      const int n = (int)((channels) - c0);                               \
      __VA_ARGS__;                                                        \
    }                                                                     \
  } while (0)

// Where a row of windows reads: tap i of output column j reads input column
// j*step + offset + i*offset_step, and is window column tap + i*tap_step. It is
// inside the input for low[i] <= j < high[i]; from to end (or, where no output
// has all taps inside, both = count) is where all are.
typedef struct {
  int64_t taps, count, step, from, to, tap, tap_step, offset, offset_step;
  int64_t low[GN_MAX_WINDOW], high[GN_MAX_WINDOW];
} columns;

INL int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
INL int64_t clamp(int64_t a, int64_t to) { return a < 0 ? 0 : a > to ? to : a; }

// Fills in the columns of outputs phase, phase+every, ... of a row of out.
static void set_columns(columns *t, int64_t phase, int64_t every, int64_t out, int64_t in, int64_t window,
                        int64_t step, int64_t dilation, int64_t pad) {
  *t = (columns){.step = every > 1 ? 1 : step, .count = (out - phase + every - 1) / every};
  for (int64_t k = 0; k < window; k++) {
    int64_t at = phase * step + k * dilation - pad, offset = floor_div(at, every);
    if (at != offset * every) continue;
    int64_t i = t->taps++;
    if (i == 0) {
      t->tap = k;
      t->offset = offset;
    } else if (i == 1) {
      t->tap_step = k - t->tap;
      t->offset_step = offset - t->offset;
    }
    t->low[i] = clamp(-floor_div(offset, t->step), t->count);
    t->high[i] = clamp(floor_div(in - 1 - offset, t->step) + 1, t->count);
  }
  t->from = t->to = t->count;
  if (t->taps && t->low[0] < t->high[t->taps - 1]) {
    t->from = t->low[0];
    t->to = t->high[t->taps - 1];
  }
}

// The taps of output j that are inside the input: from *a to *b.
INL void inside(const columns *t, int64_t j, int64_t *a, int64_t *b) {
  int64_t k = 0, e = t->taps;
  while (k < e && t->low[k] > j) k++;
  while (e > k && t->high[e - 1] <= j) e--;
  *a = k;
  *b = e;
}

// Runs block(size, edge) over the outputs of a row from begin to end in blocks
// of BLOCK, and over the rest in the smallest block that takes it. That one may
// overlap the one before: the same results twice cost less than short blocks.
// edge is a constant: whether some taps of some output of the block are outside.
#define ONE_BLOCK(t, j, size, block)                              \
  if (j >= (t)->from && j + size <= (t)->to) {                    \
    block(j, size, 0);                                            \
  } else {                                                        \
    block(j, size, 1);                                            \
  }
#define EACH_BLOCK(t, begin, end, block)                          \
  do {                                                            \
    int64_t j = begin;                                            \
    for (; j + BLOCK <= end; j += BLOCK) {                        \
      ONE_BLOCK(t, j, BLOCK, block)                               \
    }                                                             \
    int64_t rest = end - j;                                       \
    if (rest > 4 && end - begin >= BLOCK) {                       \
      j = end - BLOCK;                                            \
      ONE_BLOCK(t, j, BLOCK, block)                               \
      rest = 0;                                                   \
    } else if (rest > 4) {                                        \
      ONE_BLOCK(t, j, 4, block)                                   \
      j += 4;                                                     \
      rest -= 4;                                                  \
    }                                                             \
    if (rest > 2 && end - begin >= 4) {                           \
      j = end - 4;                                                \
      ONE_BLOCK(t, j, 4, block)                                   \
    } else {                                                      \
      for (; rest >= 2; rest -= 2, j += 2) {                      \
        ONE_BLOCK(t, j, 2, block)                                 \
      }                                                           \
      if (rest > 0) {                                             \
        ONE_BLOCK(t, j, 1, block)                                 \
      }                                                           \
    }                                                             \
  } while (0)

// The rows of the input, and of the kernel, that a row of windows reads.
typedef struct {
  int64_t rows;
  const float *in[GN_MAX_WINDOW], *kernel[GN_MAX_WINDOW];
} window_rows;

// --- depthwise convolution ---

INL void conv_block(const columns *t, const window_rows *r, int64_t c, int64_t c0, int64_t j, float *out,
                    int64_t out_step, int size, int edge, int n) {
  vf sum[BLOCK];
#pragma GCC unroll 8
  for (int i = 0; i < size; i++) sum[i] = all(0);
  int64_t step = t->step * c, next = t->offset_step * c, kernel_next = t->tap_step * c, taps = t->taps;
  for (int64_t y = 0; y < r->rows; y++) {
    const float *p = r->in[y] + (j * t->step + t->offset) * c + c0, *w = r->kernel[y] + t->tap * c + c0;
    for (int64_t k = 0; k < taps; k++, p += next, w += kernel_next) {
      vf v = load(w, n);
      const float *q = p + 4 * step;
      int64_t low = edge ? t->low[k] - j : 0, high = edge ? t->high[k] - j : size;
#pragma GCC unroll 8
      for (int i = 0; i < size; i++) {
        if (edge && (i < low || i >= high)) continue;
        sum[i] += load(i < 4 ? p + i * step : q + (i - 4) * step, n) * v;
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < size; i++) store(out + (j + i) * out_step + c0, sum[i], n);
}

// The same outputs from begin to end for windows of one row whose taps read
// neighbouring columns: each input is read once and added to all outputs that it
// belongs to, which are in registers until they have all their taps. So the
// row's ends need no care: what has no input there is never added. Of the vecs
// vectors the last has n channels.
INL void conv_slide(int taps, int vecs, const columns *t, const float *in, int64_t in_width, const float *w, int64_t c,
                    float *out, int64_t out_step, int64_t begin, int64_t end, int n) {
  vf sum[18];
  vf tap[18];
#pragma GCC unroll 2
  for (int v = 0; v < vecs; v++) {
#pragma GCC unroll 9
    for (int k = 0; k < taps; k++) {
      tap[v * taps + k] = load(w + (t->tap + k * t->tap_step) * c + v * L, v + 1 < vecs ? L : n);
      sum[v * taps + k] = all(0);
    }
  }
  int64_t first = begin + t->offset, last = end + t->offset + taps - 1;
  int64_t p = first < 0 ? 0 : first, whole = first + taps - 1;
  if (last > in_width) last = in_width;
  in += p * c;
  float *o = out + (p - whole + begin) * out_step;
  for (; p < last; p++, in += c, o += out_step) {
#pragma GCC unroll 2
    for (int v = 0; v < vecs; v++) {
      vf x = load(in + v * L, v + 1 < vecs ? L : n);
      vf *s = sum + v * taps;
#pragma GCC unroll 9
      for (int k = 0; k < taps; k++) s[k] += x * tap[v * taps + taps - 1 - k];
      if (p >= whole) store(o + v * L, s[0], v + 1 < vecs ? L : n);
#pragma GCC unroll 9
      for (int k = 0; k + 1 < taps; k++) s[k] = s[k + 1];
      s[taps - 1] = all(0);
    }
  }
  // What the inputs beyond the row's end would have completed.
  int64_t j = p - whole + begin;
#pragma GCC unroll 9
  for (int k = 0; k + 1 < taps; k++, j++, o += out_step) {
    if (j < begin || j >= end) continue;
#pragma GCC unroll 2
    for (int v = 0; v < vecs; v++) store(o + v * L, sum[v * taps + k], v + 1 < vecs ? L : n);
  }
}

// All channels of a row by conv_slide; returns 0 where it has no such window.
static int conv_slides(const columns *t, const float *in, int64_t in_width, const float *w, int64_t c, float *out,
                       int64_t out_step, int64_t begin, int64_t end) {
  int64_t c0 = 0;
#define SLIDE_PART(k, vecs, n) \
  conv_slide(k, vecs, t, in + c0, in_width, w + c0, c, out + c0, out_step, begin, end, n)
#define SLIDE(k, vecs)                                           \
  case k:                                                        \
    for (; c0 + vecs * L <= c; c0 += vecs * L) SLIDE_PART(k, vecs, L); \
    for (; c0 + L <= c; c0 += L) SLIDE_PART(k, 1, L);            \
    if (c0 < c) SLIDE_PART(k, 1, (int)(c - c0));                 \
    return 1
  switch (t->taps) {
    SLIDE(2, 2);
    SLIDE(3, 2);
    SLIDE(4, 2);
    SLIDE(5, 2);
    SLIDE(7, 2);
    SLIDE(9, 1);
  }
  return 0;
}

// Columns from begin to end of rows from to to of the outputs phase, phase+lw, ...
static void conv_columns(const gn_conv *a, const columns *t, int64_t phase, int64_t from, int64_t to, int64_t begin,
                         int64_t end) {
  window_rows r;
  int64_t c = a->c, out_step = a->lw * c, image = from / a->oh, y = from % a->oh;
  int slides = a->kh == 1 && t->taps > 1 && t->step == 1 && t->offset_step == 1 && t->low[t->taps - 1] == 0 &&
               t->high[0] == t->count;
  for (int64_t row = from; row < to; row++) {
    const float *in = a->in + image * a->h * a->w * c;
    r.rows = 0;
    for (int64_t k = 0; k < a->kh; k++) {
      int64_t at = y * a->sh + k * a->dh - a->ph;
      if (at < 0) continue;
      if (a->lh > 1) {
        if (at % a->lh) continue;
        at /= a->lh;
      }
      if (at >= a->h) break;
      r.in[r.rows] = in + at * a->w * c;
      r.kernel[r.rows++] = a->kernel + k * a->kw * c;
    }
    float *out = a->out + (row * a->ow + phase) * c;
    if (!slides || !r.rows ||
        !conv_slides(t, r.in[0], a->w, r.kernel[0], c, out, out_step, begin, end)) {
#define CONV_BLOCK(j, size, edge) conv_block(t, &r, c, c0, j, out, out_step, size, edge, n)
      EACH_VECTOR(c, c0, n, EACH_BLOCK(t, begin, end, CONV_BLOCK));
    }
    if (++y == a->oh) {
      y = 0;
      image++;
    }
  }
}

// Columns that are worked on together, so that the first cache holds what the
// windows of the next row read again: a multiple of BLOCK, or all.
INL int64_t strip_columns(const gn_conv *a, int64_t count) {
  int64_t rows = a->kh + 1, column = rows * a->c * a->sw * (int64_t)sizeof(float);
  if (a->kh == 1 || count * column <= 2 * CACHED) return count;
  int64_t n = CACHED / column / BLOCK * BLOCK;
  return n < BLOCK ? BLOCK : n;
}

// Runs body(from, to, begin, end) over the rows and columns of the pieces from
// from to to, a piece being a part of a row, in strips where rows are whole.
#define EACH_PIECE(a, count, pieces_from, pieces_to, body)                                   \
  do {                                                                                       \
    if ((a)->pieces > 1) {                                                                   \
      for (int64_t i = pieces_from; i < pieces_to; i++) {                                    \
        int64_t row = i / (a)->pieces;                                                       \
        int64_t piece = i % (a)->pieces;                                                     \
        body(row, row + 1, gn_from(count, (a)->pieces, piece), gn_from(count, (a)->pieces, piece + 1)); \
      }                                                                                      \
    } else {                                                                                 \
      int64_t width = strip_columns(a, count);                                               \
      for (int64_t j = 0; j < count;) {                                                      \
        int64_t next = count - j < 2 * width ? count : j + width;                            \
        body(pieces_from, pieces_to, j, next);                                               \
        j = next;                                                                            \
      }                                                                                      \
    }                                                                                        \
  } while (0)

static void conv(const gn_conv *a, int64_t from, int64_t to) {
  columns t;
  for (int64_t phase = 0; phase < a->lw && phase < a->ow; phase++) {
    set_columns(&t, phase, a->lw, a->ow, a->w, a->kw, a->sw, a->dw, a->pw);
#define CONV_PIECE(rows_from, rows_to, begin, end) conv_columns(a, &t, phase, rows_from, rows_to, begin, end)
    EACH_PIECE(a, t.count, from, to, CONV_PIECE);
  }
}

// --- its kernel's gradient ---

// Adds the products of a row of the upstream gradient, columns begin to end, and
// ky rows of the input to ky x kx sums, which are in registers meanwhile. Where
// these are few, every way has its own, so that additions need not wait for each
// other.
INL void kernel_span(int ky, int kx, int ways, const columns *t, const float *const *in, float *const *sums,
                     const float *g, int64_t begin, int64_t end, int64_t c, int64_t c0, int n) {
  vf s[25];
  const float *p[9];
  int64_t step = t->step * c, next = t->offset_step * c;
#pragma GCC unroll 25
  for (int i = ky * kx; i < ways * ky * kx; i++) s[i] = all(0);
#pragma GCC unroll 9
  for (int y = 0; y < ky; y++) {
    p[y] = in[y] + t->offset * c + c0;
#pragma GCC unroll 9
    for (int k = 0; k < kx; k++) s[y * kx + k] = load(sums[y] + k * c + c0, n);
  }
  g += c0;
  int64_t x = begin;
  for (int part = 0; part < 3; part++) {
    int64_t until = part == 0 ? t->from : part == 1 ? t->to : end;
    if (until > end) until = end;
    if (part == 1) {
      for (; x + ways <= until; x += ways) {
#pragma GCC unroll 4
        for (int w = 0; w < ways; w++) {
          vf v = load(g + (x + w) * c, n);
#pragma GCC unroll 9
          for (int y = 0; y < ky; y++) {
#pragma GCC unroll 9
            for (int k = 0; k < kx; k++) s[(w * ky + y) * kx + k] += load(p[y] + (x + w) * step + k * next, n) * v;
          }
        }
      }
    }
    for (; x < until; x++) {
      vf v = load(g + x * c, n);
#pragma GCC unroll 9
      for (int k = 0; k < kx; k++) {
        if (x < t->low[k] || x >= t->high[k]) continue;
#pragma GCC unroll 9
        for (int y = 0; y < ky; y++) s[y * kx + k] += load(p[y] + x * step + k * next, n) * v;
      }
    }
  }
#pragma GCC unroll 4
  for (int w = 1; w < ways; w++) {
#pragma GCC unroll 9
    for (int i = 0; i < ky * kx; i++) s[i] += s[w * ky * kx + i];
  }
#pragma GCC unroll 9
  for (int y = 0; y < ky; y++) {
#pragma GCC unroll 9
    for (int k = 0; k < kx; k++) store(sums[y] + k * c + c0, s[y * kx + k], n);
  }
}

// One tap of any window.
INL void kernel_tap(const columns *t, int64_t k, const float *in, float *sum, const float *g, int64_t begin,
                    int64_t end, int64_t c, int64_t c0, int n) {
  vf s = load(sum + c0, n);
  const float *p = in + (t->offset + k * t->offset_step) * c + c0;
  if (begin < t->low[k]) begin = t->low[k];
  if (end > t->high[k]) end = t->high[k];
  for (int64_t x = begin; x < end; x++) s += load(p + x * t->step * c, n) * load(g + x * c + c0, n);
  store(sum + c0, s, n);
}

INL void kernel_row(const columns *t, int64_t rows, const float *const *in, float *const *sums, const float *g,
                    int64_t begin, int64_t end, int64_t c, int64_t c0, int n) {
  int64_t y = 0;
#define SPAN(ky, kx, ways)                                                        \
  for (; y + ky <= rows; y += ky) {                                               \
    kernel_span(ky, kx, ways, t, in + y, sums + y, g, begin, end, c, c0, n);      \
  }
  switch (t->taps) {
    case 1:
      SPAN(9, 1, (L == 16 ? 2 : 1));
      SPAN(7, 1, (L == 16 ? 2 : 1));
      SPAN(5, 1, 2);
      SPAN(3, 1, 4);
      SPAN(1, 1, 4);
      break;
    case 3:
      SPAN(3, 3, 1);
      SPAN(1, 3, 4);
      break;
    case 5:
#if L == 16
      SPAN(5, 5, 1);
#endif
      SPAN(2, 5, 1);
      SPAN(1, 5, 2);
      break;
    case 7:
#if L == 16
      SPAN(3, 7, 1);
#endif
      SPAN(1, 7, (L == 16 ? 2 : 1));
      break;
    case 9:
      SPAN(1, 9, (L == 16 ? 2 : 1));
      break;
    default:
      for (; y < rows; y++) {
        for (int64_t k = 0; k < t->taps; k++) kernel_tap(t, k, in[y], sums[y] + k * c, g, begin, end, c, c0, n);
      }
  }
}

static void kernel_columns(const gn_conv *a, const columns *t, int64_t from, int64_t to, int64_t begin, int64_t end,
                           float *partial) {
  int64_t c = a->c, image = from / a->oh, y = from % a->oh;
  for (int64_t row = from; row < to; row++) {
    int64_t rows = 0;
    const float *in[GN_MAX_WINDOW];
    float *sums[GN_MAX_WINDOW];
    for (int64_t k = 0; k < a->kh; k++) {
      int64_t at = y * a->sh + k * a->dh - a->ph;
      if (at < 0) continue;
      if (at >= a->h) break;
      in[rows] = a->in + (image * a->h + at) * a->w * c;
      sums[rows++] = partial + k * a->kw * c;
    }
    const float *g = a->kernel + row * a->ow * c;
    EACH_VECTOR(c, c0, n, kernel_row(t, rows, in, sums, g, begin, end, c, c0, n));
    if (++y == a->oh) {
      y = 0;
      image++;
    }
  }
}

static void conv_kernel(const gn_conv *a, int64_t from, int64_t to, float *partial) {
  columns t;
  set_columns(&t, 0, 1, a->ow, a->w, a->kw, a->sw, a->dw, a->pw);
  memset(partial, 0, sizeof(float) * a->kh * a->kw * a->c);
#define KERNEL_PIECE(rows_from, rows_to, begin, end) kernel_columns(a, &t, rows_from, rows_to, begin, end, partial)
  EACH_PIECE(a, a->ow, from, to, KERNEL_PIECE);
}

// --- max-pool ---

INL void pool_block(const columns *t, const window_rows *r, int64_t c, int64_t c0, int64_t j, float *out, int size,
                    int edge, int n) {
  vf best[BLOCK];
#pragma GCC unroll 8
  for (int i = 0; i < size; i++) best[i] = all(-INFINITY);
  int64_t step = t->step * c;
  for (int64_t y = 0; y < r->rows; y++) {
    const float *p = r->in[y] + (j * t->step + t->offset) * c + c0;
    for (int64_t k = 0; k < t->taps; k++, p += c) {
      const float *q = p + 4 * step;
      int64_t low = edge ? t->low[k] - j : 0, high = edge ? t->high[k] - j : size;
#pragma GCC unroll 8
      for (int i = 0; i < size; i++) {
        if (edge && (i < low || i >= high)) continue;
        best[i] = larger(best[i], load(i < 4 ? p + i * step : q + (i - 4) * step, n));
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < size; i++) store(out + (j + i) * c + c0, best[i], n);
}

static void pool(const gn_pool *a, int64_t from, int64_t to) {
  columns t;
  window_rows r;
  int64_t c = a->c;
  set_columns(&t, 0, 1, a->ow, a->w, a->kw, a->sw, 1, a->pw);
  for (int64_t row = from; row < to; row++) {
    int64_t image = row / a->oh, y = row % a->oh;
    r.rows = 0;
    for (int64_t k = 0; k < a->kh; k++) {
      int64_t at = y * a->sh + k - a->ph;
      if (at >= 0 && at < a->h) r.in[r.rows++] = a->in + (image * a->h + at) * a->w * c;
    }
    float *out = a->out + row * a->ow * c;
#define POOL_BLOCK(j, size, edge) pool_block(&t, &r, c, c0, j, out, size, edge, n)
    EACH_VECTOR(c, c0, n, EACH_BLOCK(&t, 0, t.count, POOL_BLOCK));
  }
}

// Finds the window's first largest element and adds the upstream gradient
// there, in those of its rows that are to be written (out is set). keep[i] says
// where tap i is no new largest: the last that is, is the window's.
INL void pool_window(int64_t rows, int64_t taps, const float *const *in, float *const *out, int64_t at, int64_t c,
                     vf g, mask *keep, int n) {
  vf best = load(in[0] + at, n);
  int64_t i = 0;
  for (int64_t y = 0; y < rows; y++) {
    for (int64_t k = 0; k < taps; k++, i++) {
      if (i == 0) continue;
      vf v = load(in[y] + at + k * c, n);
      keep[i] = at_least(best, v);
      best = pick(keep[i], best, v);
    }
  }
  mask left = always();
  for (int64_t y = rows - 1; y >= 0; y--) {
    for (int64_t k = taps - 1; k >= 0; k--) {
      mask here = left;
      if (--i > 0) {
        here = but_not(left, keep[i]);
        left = both(left, keep[i]);
      }
      if (!out[y]) continue;
      float *o = out[y] + at + k * c;
      store(o, add_where(here, load(o, n), g), n);
    }
  }
}

// The same for a row of 3x3 windows that all lie inside: what belongs to the
// input's next three columns stays in registers until no window adds to it.
INL void pool_windows(int step, const columns *t, const float *const *in, float *const *out, const float *g, int64_t c,
                      int64_t c0, int n) {
  vf sum[9];
  for (int i = 0; i < 9; i++) sum[i] = all(0);
  int64_t at = (t->from * step + t->offset) * c + c0;
  for (int64_t x = t->from; x < t->to; x++, at += step * c) {
    mask keep[9];
    vf best = load(in[0] + at, n);
#pragma GCC unroll 9
    for (int i = 1; i < 9; i++) {
      vf v = load(in[i / 3] + at + i % 3 * c, n);
      keep[i] = at_least(best, v);
      best = pick(keep[i], best, v);
    }
    vf v = load(g + x * c + c0, n);
    mask left = always();
#pragma GCC unroll 9
    for (int i = 8; i > 0; i--) {
      sum[i] = add_where(but_not(left, keep[i]), sum[i], v);
      left = both(left, keep[i]);
    }
    sum[0] = add_where(left, sum[0], v);
#pragma GCC unroll 3
    for (int y = 0; y < 3; y++) {
#pragma GCC unroll 3
      for (int k = 0; k < 3; k++) {
        if (k < step && out[y]) {
          float *o = out[y] + at + k * c;
          store(o, load(o, n) + sum[3 * y + k], n);
        }
        sum[3 * y + k] = k + step < 3 ? sum[3 * y + k + step] : all(0);
      }
    }
  }
  for (int y = 0; y < 3; y++) {
    for (int k = 0; k + step < 3; k++) {
      if (!out[y]) continue;
      float *o = out[y] + at + k * c;
      store(o, load(o, n) + sum[3 * y + k], n);
    }
  }
}

static void pool_gradient(const gn_pool *a, int64_t image, int64_t from, int64_t to) {
  columns t;
  int64_t c = a->c, line = a->w * c;
  const float *image_in = a->in + image * a->h * line;
  float *image_out = a->out + image * a->h * line;
  memset(image_out + from * line, 0, sizeof(float) * (to - from) * line);
  set_columns(&t, 0, 1, a->ow, a->w, a->kw, a->sw, 1, a->pw);
  int64_t first = -floor_div(-(from + a->ph - a->kh + 1), a->sh), last = floor_div(to - 1 + a->ph, a->sh);
  if (first < 0) first = 0;
  if (last >= a->oh) last = a->oh - 1;
  for (int64_t oy = first; oy <= last; oy++) {
    const float *in[GN_MAX_WINDOW];
    float *out[GN_MAX_WINDOW];
    int64_t rows = 0;
    for (int64_t k = 0; k < a->kh; k++) {
      int64_t y = oy * a->sh + k - a->ph;
      if (y < 0 || y >= a->h) continue;
      in[rows] = image_in + y * line;
      out[rows++] = y >= from && y < to ? image_out + y * line : NULL;
    }
    if (!rows) continue;
    const float *g = a->upstream + (image * a->oh + oy) * a->ow * c;
    EACH_VECTOR(c, c0, n, {
      int three = rows == 3 && t.taps == 3 && a->sw <= 2;
      for (int64_t x = 0; x < a->ow; x++) {
        if (three && x == t.from) {
          if (a->sw == 1) {
            pool_windows(1, &t, in, out, g, c, c0, n);
          } else {
            pool_windows(2, &t, in, out, g, c, c0, n);
          }
          x = t.to - 1;
          continue;
        }
        int64_t k0 = 0;
        int64_t k1 = t.taps;
        if (x < t.from || x >= t.to) inside(&t, x, &k0, &k1);
        if (k0 >= k1) continue;
        int64_t at = (x * a->sw + t.offset + k0) * c + c0;
        vf v = load(g + x * c + c0, n);
        mask keep[GN_MAX_WINDOW * GN_MAX_WINDOW];
        pool_window(rows, k1 - k0, in, out, at, c, v, keep, n);
      }
    });
  }
}

// --- batch norm ---

// Rows whose channels fill the first cache.
INL int64_t cached_rows(int64_t c) {
  int64_t n = CACHED / (int64_t)sizeof(float) / c;
  return n < 4 ? 4 : n;
}

INL vf sum_rows(const float *p, int64_t rows, int64_t c, int n) {
  vf s[4] = {all(0), all(0), all(0), all(0)};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) s[i] += load(p + (r + i) * c, n);
  }
  for (; r < rows; r++) s[0] += load(p + r * c, n);
  return (s[0] + s[1]) + (s[2] + s[3]);
}

INL vf sum_squares(const float *p, int64_t rows, int64_t c, vf mean, int n) {
  vf s[4] = {all(0), all(0), all(0), all(0)};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      vf d = load(p + (r + i) * c, n) - mean;
      s[i] += d * d;
    }
  }
  for (; r < rows; r++) {
    vf d = load(p + r * c, n) - mean;
    s[0] += d * d;
  }
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// Sum, and sum of squared deviations from their mean, of rows from to end, for
// each channel.
static void norm_sums(const gn_norm *a, int64_t from, int64_t to, double *sums) {
  int64_t c = a->c, step = cached_rows(c);
  double *sum = sums, *square = sums + c;
  memset(sums, 0, sizeof(double) * 2 * c);
  for (int64_t r = from; r < to; r += step) {
    int64_t rows = to - r < step ? to - r : step;
    const float *p = a->in + r * c;
    // Joining two groups: the squares grow by (n m / (n + m)) (difference of means)^2.
    double before = (double)(r - from), part = before ? 1 / before : 0, weight = before * rows / (before + rows);
    EACH_VECTOR(c, c0, n, {
      vf m = sum_rows(p + c0, rows, c, n) * all(1.0f / (float)rows);
      vf s = sum_squares(p + c0, rows, c, m, n);
      float block_mean[L];
      float block_square[L];
      store(block_mean, m, L);
      store(block_square, s, L);
      for (int i = 0; i < n; i++) {
        double d = block_mean[i] - sum[c0 + i] * part;
        sum[c0 + i] += (double)block_mean[i] * rows;
        square[c0 + i] += block_square[i] + d * d * weight;
      }
    });
  }
}

static void norm_apply(const gn_norm *a, int64_t from, int64_t to) {
  int64_t c = a->c, step = cached_rows(c);
  const float *mean = a->out_a, *factor = a->coefficients, *offset = a->offset;
  for (int64_t r = from; r < to; r += step) {
    int64_t rows = to - r < step ? to - r : step;
    const float *in = a->in + r * c;
    float *out = a->out + r * c;
    EACH_VECTOR(c, c0, n, {
      vf m = load(mean + c0, n);
      vf f = load(factor + c0, n);
      vf o = load(offset + c0, n);
      for (int64_t i = 0; i < rows; i++) {
        store(out + i * c + c0, (load(in + i * c + c0, n) - m) * f + o, n);
      }
    });
  }
}

// Sums of the upstream gradient and of its product with the deviation.
static void gradient_sums(const gn_norm *a, int64_t from, int64_t to, double *sums) {
  int64_t c = a->c, step = cached_rows(c);
  memset(sums, 0, sizeof(double) * 2 * c);
  for (int64_t r = from; r < to; r += step) {
    int64_t rows = to - r < step ? to - r : step;
    const float *in = a->in + r * c;
    const float *up = a->upstream + r * c;
    EACH_VECTOR(c, c0, n, {
      vf m = load(a->mean + c0, n);
      vf s[4] = {all(0), all(0), all(0), all(0)};
      vf p[4] = {all(0), all(0), all(0), all(0)};
      int64_t i = 0;
      for (; i + 4 <= rows; i += 4) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
          vf g = load(up + (i + j) * c + c0, n);
          s[j] += g;
          p[j] += g * (load(in + (i + j) * c + c0, n) - m);
        }
      }
      for (; i < rows; i++) {
        vf g = load(up + i * c + c0, n);
        s[0] += g;
        p[0] += g * (load(in + i * c + c0, n) - m);
      }
      float sum[L];
      float product[L];
      store(sum, (s[0] + s[1]) + (s[2] + s[3]), L);
      store(product, (p[0] + p[1]) + (p[2] + p[3]), L);
      for (int j = 0; j < n; j++) {
        sums[c0 + j] += sum[j];
        sums[c + c0 + j] += product[j];
      }
    });
  }
}

static void gradient_apply(const gn_norm *a, int64_t from, int64_t to) {
  int64_t c = a->c, step = cached_rows(c);
  const float *factor = a->coefficients, *sum = factor + c, *product = sum + c;
  for (int64_t r = from; r < to; r += step) {
    int64_t rows = to - r < step ? to - r : step;
    const float *in = a->in + r * c;
    const float *up = a->upstream + r * c;
    float *out = a->out + r * c;
    EACH_VECTOR(c, c0, n, {
      vf m = load(a->mean + c0, n);
      vf f = load(factor + c0, n);
      vf s = load(sum + c0, n);
      vf p = load(product + c0, n);
      for (int64_t i = 0; i < rows; i++) {
        vf d = load(in + i * c + c0, n) - m;
        store(out + i * c + c0, f * (load(up + i * c + c0, n) - s - d * p), n);
      }
    });
  }
}

// --- products ---

// vecs vectors of rows rows of a product; the last vector has n elements. Where
// add is set they are added to what is there.
INL void product_tile(const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t cols, int64_t depth,
                      float *out, int rows, int vecs, int n, int add) {
  vf sum[16];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < vecs; v++) {
      sum[i * vecs + v] = add ? load(out + i * cols + v * L, v + 1 < vecs ? L : n) : all(0);
    }
  }
  for (int64_t k = 0; k < depth; k++, a += a_step, b += cols) {
    vf w[4];
#pragma GCC unroll 4
    for (int v = 0; v < vecs; v++) w[v] = load(b + v * L, v + 1 < vecs ? L : n);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      vf x = all(a[i * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < vecs; v++) sum[i * vecs + v] += x * w[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < vecs; v++) store(out + i * cols + v * L, sum[i * vecs + v], v + 1 < vecs ? L : n);
  }
}

INL void product_rows(const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t cols, int64_t depth,
                      float *out, int64_t rows, int vecs, int n, int add) {
  int64_t i = 0;
#define TILES(size)                                                                                       \
  for (; i + size <= rows; i += size) {                                                                   \
    product_tile(a + i * a_row, a_row, a_step, b, cols, depth, out + i * cols, size, vecs, n, add);       \
  }
#if L == 16
  if (vecs <= 2) TILES(8);
  TILES(4);
#else
  if (vecs == 1) TILES(8);
  TILES(4);
#endif
  TILES(1);
}

// As many vectors of columns as fit the registers together.
#define VECTORS (L == 16 ? 4 : 2)

INL void product_columns(const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t cols, int64_t depth,
                         float *out, int64_t rows, int add) {
  int64_t j = 0;
  for (; j + VECTORS * L <= cols; j += VECTORS * L) {
    product_rows(a, a_row, a_step, b + j, cols, depth, out + j, rows, VECTORS, L, add);
  }
  if (j == cols) return;
  int last = (int)((cols - j - 1) % L + 1);
#define REST(vecs)                                                                              \
  case vecs:                                                                                    \
    if (last == L) {                                                                            \
      product_rows(a, a_row, a_step, b + j, cols, depth, out + j, rows, vecs, L, add);          \
    } else {                                                                                    \
      product_rows(a, a_row, a_step, b + j, cols, depth, out + j, rows, vecs, last, add);       \
    }                                                                                           \
    break
  switch ((cols - j + L - 1) / L) {
    REST(1);
    REST(2);
#if L == 16
    REST(3);
    REST(4);
#endif
  }
}

static void product(const gn_product *p, int64_t from, int64_t to) {
  product_columns(p->a + from * p->a_row, p->a_row, p->a_step, p->b, p->cols, p->depth, p->out + from * p->cols,
                  to - from, 0);
}

// The part of a long sum from depth from to end, for all of the product.
static void product_part(const gn_product *p, int64_t from, int64_t to, float *partial) {
  memset(partial, 0, sizeof(float) * p->rows * p->cols);
  int64_t step = cached_rows(p->rows + p->cols);
  for (int64_t k = from; k < to; k += step) {
    product_columns(p->a + k * p->a_step, p->a_row, p->a_step, p->b + k * p->cols, p->cols, to - k < step ? to - k : step,
                    partial, p->rows, 1);
  }
}

const gn_set GN_SET = {GN_NAME,   conv,       conv_kernel,   pool,           pool_gradient, norm_sums,
                       norm_apply, gradient_sums, gradient_apply, product,        product_part};
