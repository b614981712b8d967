#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define GN_SET gn_avx2
#define GN_NAME "avx2"
#define GN_LANES 8
#include "set.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
