#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma")
#endif
#define GN_SET gn_avx512
#define GN_NAME "avx512"
#define GN_LANES 16
#include "set.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
