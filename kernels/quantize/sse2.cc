// Quantize kernels for sse2: which types, says kernels.inc.
#define QS_ISA_sse2
#define QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon) sse2
#include "simd/sse2.h"

#include "quantize/quantize-e2m1-inl.h"
#include "quantize/quantize-grid4-inl.h"
#include "quantize/quantize-iq-grid-inl.h"
#include "quantize/quantize-iq1-inl.h"
#include "quantize/quantize-low-bit-inl.h"
#include "quantize/quantize-k-inl.h"
