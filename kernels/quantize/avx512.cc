// Quantize kernels for avx512: which types, says kernels.inc.
#define QS_ISA_avx512
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) avx512
#include "simd/avx512.h"

#include "quantize/quantize-e2m1-inl.h"
#include "quantize/quantize-grid4-inl.h"
#include "quantize/quantize-iq-grid-inl.h"
#include "quantize/quantize-iq1-inl.h"
#include "quantize/quantize-low-bit-inl.h"
#include "quantize/quantize-k-inl.h"
