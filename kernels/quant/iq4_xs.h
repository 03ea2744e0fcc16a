// IQ4_XS: super-block of 8 sub-blocks x 32 weights, 4-bit codes of a non-linear grid (grid4.h), one 6-bit scale per
// sub-block, offset by 32.
//
//   byte 0 .. 1    2 .. 3         4 .. 7        8 .. 135
//        d (f16)   scales, high   scales, low   eight times 16 bytes
//   16 bits at 2:           bits 2 * j .. + 1       = high 2 bits of scale j
//   byte 4 + j / 2:         bits 4 * (j % 2) .. + 3 = low 4 bits of scale j
//   byte 8 + 16 * j + i:    bits 0-3 code i, bits 4-7 code i + 16 of sub-block j
//   weight i of sub-block j = d * (scale j - 32) * kGrid4[code i]
#pragma once

#include "quant/grid4.h"

namespace {

struct block_iq4_xs {
  uint16_t d;
  uint16_t scales_high;
  uint8_t scales_low[4];
  uint8_t codes[128];
};
static_assert(sizeof(block_iq4_xs) == 136, "IQ4_XS is 136 bytes per 256 weights");

// Turns the eight sub-block scales into d and 6-bit scales; the one of largest magnitude becomes -32. `steps` are the
// scales the codes are made with: 6 bits, but of the d before it is rounded to half precision.
inline void encode_iq4_xs_scales(block_iq4_xs* block, const float* sub_scales, float* steps) {
  float extreme = 0.0f, magnitude = 0.0f;
  for (size_t j = 0; j < 8; ++j) {
    const float m = __builtin_fabsf(sub_scales[j]);
    if (m > magnitude) magnitude = m, extreme = sub_scales[j];
  }
  const float d = -extreme / 32.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  block->d = float_to_half(d);
  block->scales_high = 0;
  __builtin_memset(block->scales_low, 0, sizeof block->scales_low);
  for (size_t j = 0; j < 8; ++j) {
    const int scale = clamp_int(round_to_int(inverse * sub_scales[j]), -32, 31);
    const int stored = scale + 32;
    steps[j] = d * static_cast<float>(scale);
    block->scales_low[j / 2] = static_cast<uint8_t>(block->scales_low[j / 2] | (stored & 15) << (4 * (j % 2)));
    block->scales_high = static_cast<uint16_t>(block->scales_high | (stored >> 4) << (2 * j));
  }
}

// What a decoder multiplies the grid with, per sub-block.
inline void decode_iq4_xs_scales(const block_iq4_xs& block, float* steps) {
  const float d = half_to_float(block.d);
  for (size_t j = 0; j < 8; ++j) {
    const int low = block.scales_low[j / 2] >> (4 * (j % 2)) & 15, high = block.scales_high >> (2 * j) & 3;
    steps[j] = d * static_cast<float>((low | high << 4) - 32);
  }
}

inline void quantize_row_iq4_xs_ref(const float* source, block_iq4_xs* blocks, size_t columns,
                                    const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float* x = source + kSuperBlock * b;
    float squares = 0.0f, scales[8], steps[8], weights[32];
    if (importance) {
      for (size_t i = 0; i < kSuperBlock; ++i) squares += x[i] * x[i];
    }
    for (size_t j = 0; j < 8; ++j) {
      if (importance) {
        grid4_weights(x + 32 * j, importance + kSuperBlock * b + 32 * j, squares * (2.0f / kSuperBlock), weights);
      }
      scales[j] = search_grid4_scale(x + 32 * j, importance ? weights : nullptr);
    }
    encode_iq4_xs_scales(blocks + b, scales, steps);
    for (size_t j = 0; j < 8; ++j) encode_grid4(x + 32 * j, steps[j], blocks[b].codes + 16 * j);
  }
}

inline void dequantize_row_iq4_xs_ref(const block_iq4_xs* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    float steps[8];
    decode_iq4_xs_scales(blocks[b], steps);
    for (size_t j = 0; j < 8; ++j) decode_grid4(blocks[b].codes + 16 * j, steps[j], target + 32 * j);
  }
}

inline bool scales_finite_iq4_xs(const block_iq4_xs& block) { return half_is_finite(block.d); }

}  // namespace
