#ifndef GONAS_AUDIO_VECTORS_H
#define GONAS_AUDIO_VECTORS_H

#include <stdint.h>

typedef struct {
  int64_t half;       // of the FFT's length
  int64_t window;     // samples, at most 2 half
  int64_t hop, mels;
  int64_t low, high;  // bins that the filters add up
  int32_t passes;     // of the transform
  int32_t root;       // magnitudes in the place of power
} gn_plan;

typedef struct {
  // Writes the filters' sums [frames, mels] of a sound. turns are half/2+1 complex exp(-pi i k/half), work has 5 half + 1
  // vectors of four doubles.
  void (*sums)(const gn_plan *plan, const int32_t *radices, const double *twiddles, const double *turns, const double *window,
               const int32_t *firsts, const int32_t *lengths, const double *weights, const float *sound, int64_t frames, double *work,
               double *mels);
  // Takes the logarithm, times factor, of n values: of the larger of value and floor, or of their sum. Returns the largest.
  double (*logarithms)(double *values, int64_t n, double floor, int add_floor, double factor);
  // Writes in [rows, inner] times matrix [inner, columns], whose rows lie stride apart, a multiple of 16.
  void (*product)(const double *in, const double *matrix, float *out, int64_t rows, int64_t inner, int64_t columns, int64_t stride);
} gn_audio;

extern const gn_audio gn_audio_baseline, gn_audio_avx2;

// The fastest that this processor runs.
static inline const gn_audio *gn_audio_best(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return &gn_audio_avx2;
#endif
  return &gn_audio_baseline;
}

// Go calls no pointers to functions.
static inline void gn_sums(const gn_audio *a, const gn_plan *plan, const int32_t *radices, const double *twiddles, const double *turns,
                           const double *window, const int32_t *firsts, const int32_t *lengths, const double *weights,
                           const float *sound, int64_t frames, double *work, double *mels) {
  a->sums(plan, radices, twiddles, turns, window, firsts, lengths, weights, sound, frames, work, mels);
}

static inline double gn_logarithms(const gn_audio *a, double *values, int64_t n, double floor, int add_floor, double factor) {
  return a->logarithms(values, n, floor, add_floor, factor);
}

static inline void gn_product(const gn_audio *a, const double *in, const double *matrix, float *out, int64_t rows, int64_t inner,
                              int64_t columns, int64_t stride) {
  a->product(in, matrix, out, rows, inner, columns, stride);
}

#endif
