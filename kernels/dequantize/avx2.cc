// Dequantize kernels for avx2: which types, says kernels.inc.
#define QS_ISA_avx2
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) avx2
#include "simd/avx2.h"

#include "dequantize/dequantize-iq-grid-inl.h"
#include "dequantize/dequantize-inl.h"
