// Q2_0: 64 weights, one scale (their largest magnitude), two bits each.
//
//   byte 0 .. 1    2 .. 17
//        d (f16)   byte 2 + i / 4, bits 2 * (i % 4) .. + 1 = code i        weight i = d * (code i - 1)
//   The encoder writes the codes 0, 1, 2; 3 (twice the scale) is for files made otherwise.
#pragma once

#include "quant/common.h"

namespace {

struct block_q2_0 {
  uint16_t d;
  uint8_t codes[16];
};
static_assert(sizeof(block_q2_0) == 18, "Q2_0 is 18 bytes per 64 weights");

// round(scaled) + 1, ties away from zero, for |scaled| <= 1. A scale whose inverse is infinite gives infinities and
// NaN, which x86 turns into INT_MIN: the least code.
inline unsigned code_q2_0(float scaled) {
  if (scaled > -0.5f && scaled < 0.5f) return 1;
  return scaled >= 0.5f && scaled < 2.0f ? 2 : 0;
}

inline void quantize_row_q2_0_ref(const float* source, block_q2_0* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / 64; ++b, source += 64) {
    float d = 0.0f;
    for (size_t i = 0; i < 64; ++i) {
      const float m = __builtin_fabsf(source[i]);
      d = m > d ? m : d;
    }
    const float inverse = d > 0.0f ? 1.0f / d : 0.0f;
    blocks[b].d = float_to_half(d);
    for (size_t k = 0; k < 16; ++k) {
      unsigned byte = 0;
      for (size_t i = 0; i < 4; ++i) byte |= code_q2_0(source[4 * k + i] * inverse) << (2 * i);
      blocks[b].codes[k] = static_cast<uint8_t>(byte);
    }
  }
}

inline void dequantize_row_q2_0_ref(const block_q2_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 64; ++b, target += 64) {
    const float d = half_to_float(blocks[b].d);
    for (size_t i = 0; i < 64; ++i) {
      const int code = blocks[b].codes[i / 4] >> (2 * (i % 4)) & 3;
      target[i] = static_cast<float>(code - 1) * d;
    }
  }
}

inline bool scales_finite_q2_0(const block_q2_0& block) { return half_is_finite(block.d); }

}  // namespace
