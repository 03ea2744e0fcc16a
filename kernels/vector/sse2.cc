// Vector functions for sse2.
#define QS_VECTOR_TABLE vector_sse2
#include "simd/sse2.h"

#include "vector/vector-inl.h"
