#define GN_NAME gn_audio_baseline
#include "vectors_set.h"
