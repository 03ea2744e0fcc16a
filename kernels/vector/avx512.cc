// Vector functions for avx512.
#define QS_VECTOR_TABLE vector_avx512
#include "simd/avx512.h"

#include "vector/vector-inl.h"
