// Q8_0: 32 weights, one scale, 8-bit signed codes (-127 .. 127; -128 is never written).
//
//   byte 0 .. 1    2 .. 33
//        d (f16)   code 0 .. 31          weight i = d * code i
#pragma once

#include "quant/common.h"

namespace {

struct block_q8_0 {
  uint16_t d;
  int8_t codes[32];
};
static_assert(sizeof(block_q8_0) == 34, "Q8_0 is 34 bytes per 32 weights");

inline void quantize_row_q8_0_ref(const float* source, block_q8_0* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / 32; ++b, source += 32) {
    float magnitude = 0.0f;
    for (size_t i = 0; i < 32; ++i) {
      const float m = __builtin_fabsf(source[i]);
      magnitude = magnitude > m ? magnitude : m;
    }
    const float d = magnitude / 127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    blocks[b].d = float_to_half(d);
    for (size_t i = 0; i < 32; ++i) blocks[b].codes[i] = static_cast<int8_t>(round_half_away(source[i] * inverse));
  }
}

inline void dequantize_row_q8_0_ref(const block_q8_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const float d = half_to_float(blocks[b].d);
    for (size_t i = 0; i < 32; ++i) target[i] = static_cast<float>(blocks[b].codes[i]) * d;
  }
}

inline bool scales_finite_q8_0(const block_q8_0& block) { return half_is_finite(block.d); }

}  // namespace
