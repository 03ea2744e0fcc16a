// Q1_0: 128 weights, one scale (their mean magnitude), one sign bit each.
//
//   byte 0 .. 1    2 .. 17
//        d (f16)   byte 2 + i / 8, bit i % 8: weight i is d (1) or -d (0)
#pragma once

#include "quant/common.h"

namespace {

struct block_q1_0 {
  uint16_t d;
  uint8_t signs[16];
};
static_assert(sizeof(block_q1_0) == 18, "Q1_0 is 18 bytes per 128 weights");

inline void quantize_row_q1_0_ref(const float* source, block_q1_0* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / 128; ++b, source += 128) {
    float sum = 0.0f;
    for (size_t i = 0; i < 128; ++i) sum += __builtin_fabsf(source[i]);
    blocks[b].d = float_to_half(sum / 128.0f);
    for (size_t k = 0; k < 16; ++k) {
      unsigned byte = 0;
      for (size_t i = 0; i < 8; ++i) byte |= (source[8 * k + i] >= 0.0f ? 1u : 0u) << i;
      blocks[b].signs[k] = static_cast<uint8_t>(byte);
    }
  }
}

inline void dequantize_row_q1_0_ref(const block_q1_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 128; ++b, target += 128) {
    const float d = half_to_float(blocks[b].d);
    for (size_t i = 0; i < 128; ++i) target[i] = blocks[b].signs[i / 8] >> (i % 8) & 1 ? d : -d;
  }
}

inline bool scales_finite_q1_0(const block_q1_0& block) { return half_is_finite(block.d); }

}  // namespace
