#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#define GN_NAME gn_audio_avx2
#define GN_SQRT(x) ((v)_mm256_sqrt_pd((__m256d)(x)))
#include "vectors_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
