// Q6_K: super-block of 16 sub-blocks x 16 weights, 6-bit codes offset by 32, one 8-bit signed scale per sub-block.
//
//   byte 0 .. 127     128 .. 191    192 .. 207        208 .. 209
//        low 4 bits   high 2 bits   scale 0 .. 15     d (f16)
//   Two halves h of 128 weights; weight w = 32 * g + i of a half (g = 0 .. 3, i = 0 .. 31):
//   byte       64 * h + 32 * (g % 2) + i:  bits 4 * (g / 2) .. + 3 = low 4 bits of the code
//   byte 128 + 32 * h + i:                 bits 2 * g .. + 1       = high 2 bits of the code
//   weight = d * scale * (code - 32)
#pragma once

#include "quant/super_block.h"

namespace {

struct block_q6_K {
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;
};
static_assert(sizeof(block_q6_K) == 210, "Q6_K is 210 bytes per 256 weights");

inline void pack_q6_K(block_q6_K* block, const uint8_t* codes) {
  for (size_t h = 0; h < 2; ++h) {
    const uint8_t* c = codes + 128 * h;
    for (size_t i = 0; i < 32; ++i) {
      block->low[64 * h + i] = static_cast<uint8_t>((c[i] & 15) | (c[i + 64] & 15) << 4);
      block->low[64 * h + 32 + i] = static_cast<uint8_t>((c[i + 32] & 15) | (c[i + 96] & 15) << 4);
      block->high[32 * h + i] =
          static_cast<uint8_t>(c[i] >> 4 | (c[i + 32] >> 4) << 2 | (c[i + 64] >> 4) << 4 | (c[i + 96] >> 4) << 6);
    }
  }
}

// Turns the sixteen sub-block scales into d and 8-bit scales; the one of largest magnitude becomes -128. Returns in
// `steps` what a decoder will see: weight = steps * (code - 32). False: everything is tiny, the block is all zero
// bytes.
inline bool encode_q6_K_scales(block_q6_K* block, const float* sub_scales, float* steps) {
  float extreme = 0.0f, magnitude = 0.0f;
  for (size_t j = 0; j < 16; ++j) {
    const float m = __builtin_fabsf(sub_scales[j]);
    if (m > magnitude) magnitude = m, extreme = sub_scales[j];
  }
  if (magnitude < kEmptyBlock) {
    __builtin_memset(block, 0, sizeof *block);
    return false;
  }
  const float inverse = -128.0f / extreme;
  block->d = float_to_half(1.0f / inverse);
  const float d = half_to_float(block->d);
  for (size_t j = 0; j < 16; ++j) {
    const int scale = round_to_int(inverse * sub_scales[j]);
    block->scales[j] = static_cast<int8_t>(scale < 127 ? scale : 127);
    steps[j] = d * static_cast<float>(block->scales[j]);
  }
  return true;
}

// The weights of the search are the importance itself, or x^2 without.
inline void quantize_row_q6_K_ref(const float* source, block_q6_K* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    uint8_t codes[kSuperBlock];
    float scales[16], steps[16];
    for (size_t j = 0; j < 16; ++j) {
      const float* weights = importance ? importance + kSuperBlock * b + 16 * j : nullptr;
      scales[j] = search_scale<16>(source + 16 * j, weights, 32, codes + 16 * j);
    }
    if (!encode_q6_K_scales(blocks + b, scales, steps)) continue;
    encode_again<16>(source, steps, 32, codes);
    pack_q6_K(blocks + b, codes);
  }
}

inline void dequantize_row_q6_K_ref(const block_q6_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t w = 0; w < kSuperBlock; ++w) {
      const size_t h = w / 128, g = w / 32 % 4, i = w % 32;
      const int low = blocks[b].low[64 * h + 32 * (g % 2) + i] >> (4 * (g / 2)) & 15;
      const int high = blocks[b].high[32 * h + i] >> (2 * g) & 3;
      target[w] = d * static_cast<float>(blocks[b].scales[w / 16]) * static_cast<float>((low | high << 4) - 32);
    }
  }
}

inline bool scales_finite_q6_K(const block_q6_K& block) { return half_is_finite(block.d); }

}  // namespace
