// Q5_0: 32 weights, one scale, 5-bit codes offset by 16; the fifth bits lie together.
//
//   byte 0 .. 1    2 .. 5                  6 .. 21
//        d (f16)   bit i: bit 4 of code i  byte 6 + i:  bits 0-3 of code i, then of code i + 16
//                                                                          weight i = d * (code i - 16)
#pragma once

#include "quant/search.h"

namespace {

struct block_q5_0 {
  uint16_t d;
  uint8_t high[4];
  uint8_t codes[16];
};
static_assert(sizeof(block_q5_0) == 22, "Q5_0 is 22 bytes per 32 weights");

inline void pack_q5_0(block_q5_0* block, const uint8_t* codes) {
  const uint32_t high = gather_fifth_bits(codes);
  __builtin_memcpy(block->high, &high, sizeof high);
  pack_nibbles_16(codes, block->codes);
}

// The weight of largest magnitude becomes code 0 (-16 * d).
inline void encode_plain_q5_0(const float* x, block_q5_0* block, uint8_t* codes) {
  float extreme = 0.0f, magnitude = 0.0f;
  for (size_t i = 0; i < 32; ++i) {
    const float m = __builtin_fabsf(x[i]);
    if (magnitude < m) magnitude = m, extreme = x[i];
  }
  const float d = extreme / -16.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  block->d = float_to_half(d);
  for (size_t i = 0; i < 32; ++i) {
    const int code = static_cast<int8_t>(truncate_to_int(x[i] * inverse + 16.5f));
    codes[i] = static_cast<uint8_t>(code < 31 ? code : 31);
  }
}

// With importance: search for the scale with weights importance * sqrt(mean square of the row + x^2).
inline void quantize_row_q5_0_ref(const float* source, block_q5_0* blocks, size_t columns, const float* importance) {
  const float mean_square = importance ? row_mean_square(source, columns) : 0.0f;
  for (size_t b = 0; b < columns / 32; ++b) {
    const float* x = source + 32 * b;
    uint8_t codes[32];
    if (importance) {
      float weights[32];
      for (size_t i = 0; i < 32; ++i) {
        weights[i] = importance[32 * b + i] * __builtin_sqrtf(mean_square + x[i] * x[i]);
      }
      blocks[b].d = float_to_half(search_scale<32>(x, weights, 16, codes));
    } else {
      encode_plain_q5_0(x, blocks + b, codes);
    }
    pack_q5_0(blocks + b, codes);
  }
}

inline void dequantize_row_q5_0_ref(const block_q5_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const float d = half_to_float(blocks[b].d);
    uint32_t high;
    __builtin_memcpy(&high, blocks[b].high, sizeof high);
    for (size_t i = 0; i < 16; ++i) {
      const int low_code = (blocks[b].codes[i] & 15) | static_cast<int>((high >> i & 1u) << 4);
      const int high_code = (blocks[b].codes[i] >> 4) | static_cast<int>((high >> (i + 16) & 1u) << 4);
      target[i] = static_cast<float>(low_code - 16) * d;
      target[i + 16] = static_cast<float>(high_code - 16) * d;
    }
  }
}

inline bool scales_finite_q5_0(const block_q5_0& block) { return half_is_finite(block.d); }

}  // namespace
