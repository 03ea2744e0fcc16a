// Vector functions for avx2.
#define QS_VECTOR_TABLE vector_avx2
#include "simd/avx2.h"

#include "vector/vector-inl.h"
