// Products for avx512vnni: which types, says kernels.inc.
#define QS_ISA_avx512vnni
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) avx512vnni
#include "product/lanes-avx512vnni.h"

#include "product/few-rows-inl.h"

#include "product/product-inl.h"
