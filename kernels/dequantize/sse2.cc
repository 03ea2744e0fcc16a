// Dequantize kernels for sse2: which types, says kernels.inc.
#define QS_ISA_sse2
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) sse2
#include "simd/sse2.h"

#include "dequantize/dequantize-iq-grid-inl.h"
#include "dequantize/dequantize-inl.h"
