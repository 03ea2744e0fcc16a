// Q4_1: 32 weights, scale and minimum, 4-bit codes.
//
//   byte 0 .. 1    2 .. 3     4 .. 19
//        d (f16)   m (f16)    byte 4 + i:  bits 0-3 code i, bits 4-7 code i + 16        weight i = d * code i + m
#pragma once

#include "quant/search.h"

namespace {

struct block_q4_1 {
  uint16_t d;
  uint16_t m;
  uint8_t codes[16];
};
static_assert(sizeof(block_q4_1) == 20, "Q4_1 is 20 bytes per 32 weights");

inline void pack_q4_1(block_q4_1* block, const uint8_t* codes) { pack_nibbles_16(codes, block->codes); }

inline void encode_plain_q4_1(const float* x, block_q4_1* block, uint8_t* codes) {
  float min = __FLT_MAX__, max = -__FLT_MAX__;
  for (size_t i = 0; i < 32; ++i) {
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
  }
  const float d = (max - min) / 15.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  block->d = float_to_half(d);
  block->m = float_to_half(min);
  for (size_t i = 0; i < 32; ++i) {
    const int code = static_cast<int8_t>(truncate_to_int((x[i] - min) * inverse + 0.5f));
    codes[i] = static_cast<uint8_t>(code < 15 ? code : 15);
  }
}

// With importance: search with weights importance * sqrt(mean square of the row + x^2).
inline void quantize_row_q4_1_ref(const float* source, block_q4_1* blocks, size_t columns, const float* importance) {
  const float mean_square = importance ? row_mean_square(source, columns) : 0.0f;
  for (size_t b = 0; b < columns / 32; ++b) {
    const float* x = source + 32 * b;
    uint8_t codes[32];
    if (importance) {
      float weights[32], min;
      for (size_t i = 0; i < 32; ++i) {
        weights[i] = importance[32 * b + i] * __builtin_sqrtf(mean_square + x[i] * x[i]);
      }
      blocks[b].d = float_to_half(search_scale_min<32>(x, weights, 15, kStepsImportance, codes, &min));
      blocks[b].m = float_to_half(min);
    } else {
      encode_plain_q4_1(x, blocks + b, codes);
    }
    pack_q4_1(blocks + b, codes);
  }
}

inline void dequantize_row_q4_1_ref(const block_q4_1* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const float d = half_to_float(blocks[b].d), m = half_to_float(blocks[b].m);
    for (size_t i = 0; i < 16; ++i) {
      target[i] = static_cast<float>(blocks[b].codes[i] & 15) * d + m;
      target[i + 16] = static_cast<float>(blocks[b].codes[i] >> 4) * d + m;
    }
  }
}

inline bool scales_finite_q4_1(const block_q4_1& block) { return half_is_finite(block.d) && half_is_finite(block.m); }

}  // namespace
