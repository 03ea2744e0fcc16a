// Q2_K: super-block of 16 sub-blocks x 16 weights, 2-bit codes; scale and minimum per sub-block in 4 bits each.
//
//   byte 0 .. 15                              16 .. 79   80 .. 81   82 .. 83
//        bits 0-3 scale j, bits 4-7 minimum j codes      d (f16)    dmin (f16)
//   byte 16 + 32 * h + i:  bits 2g .. 2g + 1 = code of weight 128 * h + 32 * g + i  (h = 0 .. 1, g = 0 .. 3)
//   weight i of sub-block j = d * scale j * code - dmin * minimum j
#pragma once

#include "quant/k_scales.h"

namespace {

struct block_q2_K {
  uint8_t scales[16];
  uint8_t codes[64];
  uint16_t d;
  uint16_t dmin;
};
static_assert(sizeof(block_q2_K) == 84, "Q2_K is 84 bytes per 256 weights");

// Writes the header for scales and minimums in units of d and dmin, and returns in `steps` and `offsets` what a decoder
// will see. A code above 15 (a negative scale wraps) spills into the minimum's bits, as in ggml.
inline void encode_q2_K_header(block_q2_K* block, float d, float dmin, const uint8_t* scales, const uint8_t* mins,
                               float* steps, float* offsets) {
  block->d = float_to_half(d);
  block->dmin = float_to_half(dmin);
  for (size_t j = 0; j < 16; ++j) {
    block->scales[j] = static_cast<uint8_t>(scales[j] | mins[j] << 4);
    steps[j] = half_to_float(block->d) * static_cast<float>(block->scales[j] & 15);
    offsets[j] = half_to_float(block->dmin) * static_cast<float>(block->scales[j] >> 4);
  }
}

inline void quantize_row_q2_K_ref(const float* source, block_q2_K* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float* x = source + kSuperBlock * b;
    const float* w = importance ? importance + kSuperBlock * b : nullptr;
    const float mean_square = w ? row_mean_square(x, kSuperBlock) : 0.0f;
    uint8_t codes[kSuperBlock], scale_codes[16], min_codes[16];
    float scales[16], mins[16], sums[16], steps[16], offsets[16];
    for (size_t j = 0; j < 16; ++j) {
      const float* sub = x + 16 * j;
      float weights[16], min;
      if (w) {
        sums[j] = spread_importance<16>(sub, w + 16 * j, mean_square, weights);
        scales[j] = search_scale_min<16>(sub, weights, 3, kStepsImportance, codes + 16 * j, &min);
      } else {
        for (size_t i = 0; i < 16; ++i) weights[i] = __builtin_fabsf(sub[i]);
        scales[j] = search_scale_min<16, kAbsoluteError>(sub, weights, 3, kStepsQ2K, codes + 16 * j, &min);
      }
      mins[j] = -min;
    }
    const float d = encode_positive_scales<16>(scales, w ? sums : nullptr, 15, 255, scale_codes);
    const float dmin = encode_positive_scales<16>(mins, w ? sums : nullptr, 15, 255, min_codes);
    encode_q2_K_header(blocks + b, d, dmin, scale_codes, min_codes, steps, offsets);
    encode_again_with_offsets<16>(x, steps, offsets, 3, codes);
    pack_two_bits(codes, blocks[b].codes);
  }
}

inline void dequantize_row_q2_K_ref(const block_q2_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d), dmin = half_to_float(blocks[b].dmin);
    for (size_t w = 0; w < kSuperBlock; ++w) {
      const int scales = blocks[b].scales[w / 16];
      const int code = blocks[b].codes[32 * (w / 128) + w % 32] >> (2 * (w / 32 % 4)) & 3;
      const float step = d * static_cast<float>(scales & 15), offset = dmin * static_cast<float>(scales >> 4);
      target[w] = step * static_cast<float>(code) - offset;
    }
  }
}

inline bool scales_finite_q2_K(const block_q2_K& block) {
  return half_is_finite(block.d) && half_is_finite(block.dmin);
}

}  // namespace
