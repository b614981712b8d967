#define GN_SET gn_baseline
#define GN_NAME "baseline"
#define GN_LANES 4
#include "set.h"
