// Q4_K: super-block of 8 sub-blocks x 32 weights, 4-bit codes; scale and minimum per sub-block in 6 bits.
//
//   byte 0 .. 1    2 .. 3        4 .. 15               16 .. 143
//        d (f16)   dmin (f16)    scales (k_scales.h)   four times 32 bytes
//   byte 16 + 32 * p + i:  bits 0-3 code i of sub-block 2p, bits 4-7 code i of sub-block 2p + 1
//   weight i of sub-block j = d * scale j * code - dmin * minimum j
#pragma once

#include "quant/k_scales.h"

namespace {

struct block_q4_K {
  KHeader header;
  uint8_t codes[128];
};
static_assert(sizeof(block_q4_K) == 144, "Q4_K is 144 bytes per 256 weights");

inline void pack_q4_K(block_q4_K* block, const uint8_t* codes) {
  for (size_t p = 0; p < 4; ++p) {
    for (size_t i = 0; i < 32; ++i) {
      block->codes[32 * p + i] = static_cast<uint8_t>(codes[64 * p + i] | codes[64 * p + 32 + i] << 4);
    }
  }
}

inline void quantize_row_q4_K_ref(const float* source, block_q4_K* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    uint8_t codes[kSuperBlock];
    search_k_super_block(source + kSuperBlock * b, importance ? importance + kSuperBlock * b : nullptr, 15, kStepsQ4K,
                         codes, &blocks[b].header);
    pack_q4_K(blocks + b, codes);
  }
}

inline void dequantize_row_q4_K_ref(const block_q4_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].header.d), dmin = half_to_float(blocks[b].header.dmin);
    uint8_t scales[8], mins[8];
    unpack_k_scales(blocks[b].header.scales, scales, mins);
    for (size_t j = 0; j < 8; ++j) {
      const float step = d * static_cast<float>(scales[j]), offset = dmin * static_cast<float>(mins[j]);
      const uint8_t* packed = blocks[b].codes + 32 * (j / 2);
      for (size_t i = 0; i < 32; ++i) {
        const int code = j % 2 ? packed[i] >> 4 : packed[i] & 15;
        target[32 * j + i] = step * static_cast<float>(code) - offset;
      }
    }
  }
}

inline bool scales_finite_q4_K(const block_q4_K& block) {
  return half_is_finite(block.header.d) && half_is_finite(block.header.dmin);
}

}  // namespace
