// Dequantize kernels for simd128: which types, says kernels.inc.
#define QS_ISA_simd128
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) simd128
#include "simd/simd128.h"

#include "dequantize/dequantize-iq-grid-inl.h"
#include "dequantize/dequantize-inl.h"
