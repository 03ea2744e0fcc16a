// Vector functions for neon.
#define QS_VECTOR_TABLE vector_neon
#include "simd/neon.h"

#include "vector/vector-inl.h"
