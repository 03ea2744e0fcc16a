// Products for avx2: which types, says kernels.inc.
#define QS_ISA_avx2
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) avx2
#include "product/lanes-avx2.h"

namespace {
using Lanes = Avx2Lanes;
}

#include "product/few-rows-inl.h"

#include "product/product-inl.h"
