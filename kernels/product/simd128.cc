// Products for simd128: which types, says kernels.inc.
#define QS_ISA_simd128
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) simd128
#include "product/lanes-simd128.h"

#include "product/few-along-inl.h"

#include "product/product-inl.h"
