// What features are computed with, for one set of instructions. Four frames at a time become sums of the filter bank: lane i of
// every vector belongs to frame i, so that the transform is plain code on vectors, and results are the same on all processors. Included once for each
// set of them, with GN_NAME set, and GN_SQRT where there is a square root of a vector.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "vectors.h"

#define L 4
#define INL static inline __attribute__((always_inline))

typedef double v __attribute__((vector_size(8 * L), aligned(8)));
typedef uint64_t vu __attribute__((vector_size(8 * L), aligned(8)));
typedef struct { v re, im; } cv;

INL cv add(cv a, cv b) { return (cv){a.re + b.re, a.im + b.im}; }
INL cv sub(cv a, cv b) { return (cv){a.re - b.re, a.im - b.im}; }
INL cv times_minus_i(cv a) { return (cv){a.im, -a.re}; }
INL cv scale(cv a, double f) { return (cv){a.re * f, a.im * f}; }
INL cv turn(cv a, double re, double im) { return (cv){a.re * re - a.im * im, a.re * im + a.im * re}; }

// Transforms of 2, 3, 4 and 5 points, in place.
INL void dft(cv *a, int radix) {
  switch (radix) {
    case 2: {
      cv s = add(a[0], a[1]);
      a[1] = sub(a[0], a[1]);
      a[0] = s;
      return;
    }
    case 3: {
      cv s = add(a[1], a[2]), d = times_minus_i(scale(sub(a[1], a[2]), 0.86602540378443864676));
      cv middle = add(a[0], scale(s, -0.5));
      a[0] = add(a[0], s);
      a[1] = add(middle, d);
      a[2] = sub(middle, d);
      return;
    }
    case 4: {
      cv s0 = add(a[0], a[2]), d0 = sub(a[0], a[2]), s1 = add(a[1], a[3]), d1 = times_minus_i(sub(a[1], a[3]));
      a[0] = add(s0, s1);
      a[1] = add(d0, d1);
      a[2] = sub(s0, s1);
      a[3] = sub(d0, d1);
      return;
    }
    default: {
      const double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410, s1 = 0.95105651629515357212, s2 = 0.58778525229247312917;
      cv p = add(a[1], a[4]), q = add(a[2], a[3]), m = sub(a[1], a[4]), n = sub(a[2], a[3]);
      cv u = add(a[0], add(scale(p, c1), scale(q, c2))), w = add(a[0], add(scale(p, c2), scale(q, c1)));
      cv x = times_minus_i(add(scale(m, s1), scale(n, s2))), y = times_minus_i(sub(scale(m, s2), scale(n, s1)));
      a[0] = add(a[0], add(p, q));
      a[1] = add(u, x);
      a[4] = sub(u, x);
      a[2] = add(w, y);
      a[3] = sub(w, y);
    }
  }
}

// One pass of Stockham's transform of n points that lie stride apart.
INL void pass(const cv *in, cv *out, const double *twiddles, int64_t n, int64_t stride, int radix) {
  int64_t m = n / radix;
  for (int64_t p = 0; p < m; p++) {
    const double *w = twiddles + p * (radix - 1) * 2;
    for (int64_t q = 0; q < stride; q++) {
      cv a[5];
      for (int j = 0; j < radix; j++) a[j] = in[q + stride * (p + m * j)];
      dft(a, radix);
      cv *to = out + q + stride * radix * p;
      to[0] = a[0];
      for (int k = 1; k < radix; k++) to[stride * k] = p ? turn(a[k], w[2 * k - 2], w[2 * k - 1]) : a[k];
    }
  }
}

// The transform of plan->half points of x, by way of y; returns that of the two in which it ends.
static cv *transform(const gn_plan *plan, const int32_t *radices, const double *twiddles, cv *x, cv *y) {
  int64_t n = plan->half, stride = 1;
  for (int i = 0; i < plan->passes; i++) {
    switch (radices[i]) {
      case 2: pass(x, y, twiddles, n, stride, 2); break;
      case 3: pass(x, y, twiddles, n, stride, 3); break;
      case 4: pass(x, y, twiddles, n, stride, 4); break;
      default: pass(x, y, twiddles, n, stride, 5);
    }
    twiddles += n / radices[i] * (radices[i] - 1) * 2;
    n /= radices[i];
    stride *= radices[i];
    cv *swap = x;
    x = y;
    y = swap;
  }
  return x;
}

#ifndef GN_SQRT
INL v square_root(v x) {
  for (int i = 0; i < L; i++) x[i] = sqrt(x[i]);
  return x;
}
#define GN_SQRT square_root
#endif

INL v magnitude(v power, int root) { return root ? GN_SQRT(power) : power; }

static void sums(const gn_plan *plan, const int32_t *radices, const double *twiddles, const double *turns, const double *window,
                 const int32_t *firsts, const int32_t *lengths, const double *weights, const float *sound, int64_t frames,
                 double *work, double *mels) {
  int64_t half = plan->half;
  cv *x = (cv *)work, *y = x + half;
  v *power = (v *)(y + half);
  for (int64_t frame = 0; frame < frames; frame += L) {
    // Behind the last frame the last one is computed again, and not stored.
    const float *s[L];
    int used = frames - frame < L ? (int)(frames - frame) : L;
    for (int i = 0; i < L; i++) s[i] = sound + (frame + (i < used ? i : used - 1)) * plan->hop;
    // Even samples are real, odd ones imaginary parts.
    v *flat = (v *)x;
    for (int64_t j = 0; j < plan->window; j++) flat[j] = (v){s[0][j], s[1][j], s[2][j], s[3][j]} * window[j];
    memset(flat + plan->window, 0, sizeof(v) * (size_t)(2 * half - plan->window));
    cv *z = transform(plan, radices, twiddles, x, y);
    // Bins k and half-k of the real transform come from these points of the complex one: their even part plus and minus their
    // odd part, turned.
    for (int64_t k = 0; k <= half / 2; k++) {
      cv a = z[k], b = z[k ? half - k : 0];
      cv even = {(a.re + b.re) * 0.5, (a.im - b.im) * 0.5}, odd = turn((cv){(a.im + b.im) * 0.5, (b.re - a.re) * 0.5}, turns[2 * k], turns[2 * k + 1]);
      cv up = add(even, odd), down = sub(even, odd);
      if (k >= plan->low && k <= plan->high) power[k] = magnitude(up.re * up.re + up.im * up.im, plan->root);
      if (half - k >= plan->low && half - k <= plan->high) power[half - k] = magnitude(down.re * down.re + down.im * down.im, plan->root);
    }
    const double *weight = weights;
    for (int64_t m = 0; m < plan->mels; m++) {
      v sum = {0};
      const v *from = power + firsts[m];
      for (int32_t i = 0; i < lengths[m]; i++) sum += from[i] * weight[i];
      weight += lengths[m];
      for (int i = 0; i < used; i++) mels[(frame + i) * plan->mels + m] = sum[i];
    }
  }
}

// The natural logarithm of normal positive numbers: x = 2^k m with m from sqrt(1/2) to sqrt(2), and log m = 2 atanh(r) with
// r = (m-1)/(m+1), |r| < 0.172, by its series.
INL v logarithm(v x) {
  const uint64_t half_root = 0x3fe6a09e667f3bcd, bias = 1024;
  vu from = (vu)x - half_root + (bias << 52);  // 2^52 (k + bias) and what is left of m
  vu exponent = from >> 52;
  v m = (v)((vu)x - (exponent << 52) + (bias << 52)), r = (m - 1.0) / (m + 1.0), s = r * r;
  // As the low bits of 2^52, an integer becomes a double without a conversion, of which AVX2 has none.
  v k = (v)(exponent | 0x4330000000000000) - (0x1p52 + (double)bias);
  v series = s * (1.0 / 19) + 1.0 / 17;
  series = series * s + 1.0 / 15;
  series = series * s + 1.0 / 13;
  series = series * s + 1.0 / 11;
  series = series * s + 1.0 / 9;
  series = series * s + 1.0 / 7;
  series = series * s + 1.0 / 5;
  series = series * s + 1.0 / 3;
  return k * 0.69314718055994530942 + 2.0 * (r + r * s * series);
}

INL v larger(v a, v b) {
  vu first = (vu)(a > b);
  return (v)(((vu)a & first) | ((vu)b & ~first));
}

INL v floored_logarithm(v x, double floor, int add_floor, double factor) {
  return logarithm(add_floor ? x + floor : larger(x, (v){0} + floor)) * factor;
}

static double logarithms(double *values, int64_t n, double floor, int add_floor, double factor) {
  v largest = (v){0} - INFINITY;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    v y = floored_logarithm(*(const v *)(values + i), floor, add_floor, factor);
    largest = larger(y, largest);
    *(v *)(values + i) = y;
  }
  double most = largest[0];
  for (int j = 1; j < L; j++) most = largest[j] > most ? largest[j] : most;
  for (; i < n; i++) {
    values[i] = floored_logarithm((v){0} + values[i], floor, add_floor, factor)[0];
    most = values[i] > most ? values[i] : most;
  }
  return most;
}

// Four vectors of columns at a time, whose sums stay in registers.
static void product(const double *in, const double *matrix, float *out, int64_t rows, int64_t inner, int64_t columns, int64_t stride) {
  for (int64_t row = 0; row < rows; row++, in += inner, out += columns) {
    for (int64_t c = 0; c < stride; c += 4 * L) {
      v s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
      for (int64_t m = 0; m < inner; m++) {
        const v *w = (const v *)(matrix + m * stride + c);
        s0 += w[0] * in[m];
        s1 += w[1] * in[m];
        s2 += w[2] * in[m];
        s3 += w[3] * in[m];
      }
      v all[4] = {s0, s1, s2, s3};
      int64_t used = columns - c < 4 * L ? columns - c : 4 * L;
      for (int64_t i = 0; i < used; i++) out[c + i] = (float)all[i / L][i % L];
    }
  }
}

const gn_audio GN_NAME = {sums, logarithms, product};
