// Dequantize kernels for avx512: which types, says kernels.inc.
#define QS_ISA_avx512
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) avx512
#include "simd/avx512.h"

#include "dequantize/dequantize-iq-grid-inl.h"
#include "dequantize/dequantize-inl.h"
