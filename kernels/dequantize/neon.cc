// Dequantize kernels for neon: which types, says kernels.inc.
#define QS_ISA_neon
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) neon
#include "simd/neon.h"

#include "dequantize/dequantize-iq-grid-inl.h"
#include "dequantize/dequantize-inl.h"
