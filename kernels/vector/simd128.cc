// Vector functions for simd128.
#define QS_VECTOR_TABLE vector_simd128
#include "simd/simd128.h"

#include "vector/vector-inl.h"
