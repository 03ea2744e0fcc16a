// Q3_K: super-block of 16 sub-blocks x 16 weights, 3-bit codes offset by 4, one 6-bit scale offset by 32 per sub-block.
//
//   byte 0 .. 31      32 .. 95     96 .. 107   108 .. 109
//        third bits   low 2 bits   scales      d (f16)
//   Weight w = 128 * h + 32 * g + i (h = 0 .. 1, g = 0 .. 3, i = 0 .. 31):
//   byte i:                bit 4h + g        = third bit of the code
//   byte 32 + 32 * h + i:  bits 2g .. 2g + 1 = low two bits of the code
//   Scale j = 8 * a + k and j = 4 * p + q:
//   byte  96 + k:          bits 4a .. 4a + 3 = low four bits (a = 0 .. 1, k = 0 .. 7)
//   byte 104 + q:          bits 2p .. 2p + 1 = high two bits (p = 0 .. 3, q = 0 .. 3)
//   weight = d * (scale - 32) * (code - 4)
#pragma once

#include "quant/k_scales.h"

namespace {

struct block_q3_K {
  uint8_t high[32];
  uint8_t codes[64];
  uint8_t scales[12];
  uint16_t d;
};
static_assert(sizeof(block_q3_K) == 110, "Q3_K is 110 bytes per 256 weights");

inline void pack_q3_K(block_q3_K* block, const uint8_t* codes) {
  for (size_t i = 0; i < 32; ++i) {
    unsigned high = 0;
    for (size_t g = 0; g < 8; ++g) high |= static_cast<unsigned>(codes[32 * g + i] >> 2) << g;
    block->high[i] = static_cast<uint8_t>(high);
  }
  uint8_t low[kSuperBlock];
  for (size_t w = 0; w < kSuperBlock; ++w) low[w] = codes[w] & 3;
  pack_two_bits(low, block->codes);
}

inline int q3_K_scale(const block_q3_K& block, size_t j) {
  const int low = block.scales[j % 8] >> (4 * (j / 8)) & 15;
  const int high = block.scales[8 + j % 4] >> (2 * (j / 4)) & 3;
  return (low | high << 4) - 32;
}

// Writes d and the scales (0 .. 63) and returns in `steps` what a decoder will see: weight = steps * (code - 4).
inline void encode_q3_K_header(block_q3_K* block, float d, const uint8_t* scales, float* steps) {
  block->d = float_to_half(d);
  for (size_t k = 0; k < 8; ++k) block->scales[k] = static_cast<uint8_t>((scales[k] & 15) | (scales[k + 8] & 15) << 4);
  for (size_t q = 0; q < 4; ++q) {
    block->scales[8 + q] = static_cast<uint8_t>(scales[q] >> 4 | (scales[q + 4] >> 4) << 2 | (scales[q + 8] >> 4) << 4 |
                                                (scales[q + 12] >> 4) << 6);
  }
  for (size_t j = 0; j < 16; ++j) steps[j] = half_to_float(block->d) * static_cast<float>(scales[j] - 32);
}

// Without importance: the scale of largest magnitude becomes -32. Only the lowest byte of the rounded value counts, as
// in ggml: it matters for scales so small that their inverse is infinite. Returns d.
inline float encode_q3_K_scales(const float* sub_scales, uint8_t* scales) {
  float extreme = 0.0f, magnitude = 0.0f;
  for (size_t j = 0; j < 16; ++j) {
    const float m = __builtin_fabsf(sub_scales[j]);
    if (m > magnitude) magnitude = m, extreme = sub_scales[j];
  }
  if (extreme == 0.0f) {
    for (size_t j = 0; j < 16; ++j) scales[j] = 0;
    return 0.0f;
  }
  const float inverse = -32.0f / extreme;
  for (size_t j = 0; j < 16; ++j) {
    const int rounded = static_cast<int8_t>(round_to_int(inverse * sub_scales[j]));
    scales[j] = static_cast<uint8_t>(clamp_int(rounded, -32, 31) + 32);
  }
  return 1.0f / inverse;
}

inline void quantize_row_q3_K_ref(const float* source, block_q3_K* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float* x = source + kSuperBlock * b;
    const float* w = importance ? importance + kSuperBlock * b : nullptr;
    const float mean_square = w ? twice_mean_square(x) : 0.0f;
    uint8_t codes[kSuperBlock], scale_codes[16];
    float scales[16], sums[16], steps[16];
    for (size_t j = 0; j < 16; ++j) {
      const float* sub = x + 16 * j;
      if (w) {
        float weights[16];
        sums[j] = spread_importance<16>(sub, w + 16 * j, mean_square, weights);
        scales[j] = search_scale<16>(sub, weights, 4, codes + 16 * j);
      } else {
        scales[j] = improve_scale<16>(sub, 4, codes + 16 * j);
      }
    }
    const float d = w ? search_scale<16>(scales, sums, 32, scale_codes) : encode_q3_K_scales(scales, scale_codes);
    encode_q3_K_header(blocks + b, d, scale_codes, steps);
    encode_again<16>(x, steps, 4, codes);
    pack_q3_K(blocks + b, codes);
  }
}

inline void dequantize_row_q3_K_ref(const block_q3_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t w = 0; w < kSuperBlock; ++w) {
      const int low = blocks[b].codes[32 * (w / 128) + w % 32] >> (2 * (w / 32 % 4)) & 3;
      const int high = blocks[b].high[w % 32] >> (w / 32) & 1;
      target[w] = d * static_cast<float>(q3_K_scale(blocks[b], w / 16)) * static_cast<float>((low | high << 2) - 4);
    }
  }
}

inline bool scales_finite_q3_K(const block_q3_K& block) { return half_is_finite(block.d); }

}  // namespace
