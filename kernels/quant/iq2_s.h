// IQ2_S: super-block of 16 sub-blocks x 16 weights; per group of 8 weights one of 1024 grid points and eight signs.
//
//   byte 0 .. 1   2 .. 33                     34 .. 65                66 .. 73                  74 .. 81
//        d (f16)  low 8 bits of index 0 .. 31 signs of group 0 .. 31  high 2 bits of 4 indices  two scales each
//   group g: high bits = bit 2 * (g % 4) .. + 1 of byte 66 + g / 4
//   sub-block j: scale = low (j even) or high (j odd) nibble of byte 74 + j / 2
//   weight = d * (scale + 1/2) / 4 * magnitude, with its sign
#pragma once

#include "quant/grid_search.h"

namespace {

struct block_iq2_s {
  uint16_t d;
  uint8_t low[32];
  uint8_t signs[32];
  uint8_t high[8];
  uint8_t scales[8];
};
static_assert(sizeof(block_iq2_s) == 82, "IQ2_S is 82 bytes per 256 weights");

constexpr float kEmptyIq2S = 1e-8f;

template <class Search>
void encode_iq2_s(const float* source, block_iq2_s* block, const float* importance) {
  const Neighbours& grid = neighbours_iq2_s();
  const float spread = 2.0f * sum_of_squares(source) / static_cast<float>(kSuperBlock);
  float scales[16];
  __builtin_memset(block, 0, sizeof *block);
  for (size_t b = 0; b < 16; ++b) {
    SubBlock<16> sub;
    weigh<16, Unweighted::kSpread>(source + 16 * b, importance ? importance + 16 * b : nullptr, spread, &sub);
    split_signs<16, false>(source + 16 * b, &sub);
    scales[b] = 0.0f;
    if (sub.max < kEmptyIq2S) continue;
    uint16_t points[2];
    const float scale = Search::template grid<GridOfEight, TriesOfSixteen>(grid, sub, sub.max, sub.max / 5.0f, points);
    scales[b] = positive_scale_of<16, false>(scale, &sub);
    for (size_t i = 0; i < 2; ++i) {
      const size_t g = 2 * b + i;
      const uint32_t index = grid.index_of(number_of_eight(points[i]));
      block->low[g] = static_cast<uint8_t>(index);
      block->high[g / 4] = static_cast<uint8_t>(block->high[g / 4] | index >> 8 << (2 * (g % 4)));
      block->signs[g] = sub.signs[i];
    }
  }
  const float max = largest(scales);
  if (max == 0.0f) return;  // indices and signs stay
  const float d = max / 31.0f;
  block->d = float_to_half(d * 0.9875f);
  for (size_t b = 0; b < 16; ++b) {
    block->scales[b / 2] =
        static_cast<uint8_t>(block->scales[b / 2] | scale_code_4(1.0f / d, scales[b]) << (b % 2 * 4));
  }
}

inline void quantize_row_iq2_s_ref(const float* source, block_iq2_s* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    encode_iq2_s<ScalarSearch>(source, blocks + b, importance ? importance + kSuperBlock * b : nullptr);
  }
}

template <class Decoder>
void decode_iq2_s(const block_iq2_s* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t g = 0; g < 32; ++g) {
      const unsigned scale = blocks[b].scales[g / 4] >> (g / 2 % 2 * 4) & 15u;
      const float step = d * (0.5f + static_cast<float>(scale)) * 0.25f;
      const unsigned index = blocks[b].low[g] | (blocks[b].high[g / 4] >> (2 * (g % 4)) & 3u) << 8;
      Decoder::template eight<GridOfEight>(kIq2SGrid[index], kIq2SLevels, step, blocks[b].signs[g], target + 8 * g);
    }
  }
}

inline void dequantize_row_iq2_s_ref(const block_iq2_s* blocks, float* target, size_t columns) {
  decode_iq2_s<ScalarDecoder>(blocks, target, columns);
}

inline bool scales_finite_iq2_s(const block_iq2_s& block) { return half_is_finite(block.d); }

}  // namespace
