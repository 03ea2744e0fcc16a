// IQ2_XS: super-block of 16 sub-blocks x 16 weights; per group of 8 weights one of 512 grid points and seven signs.
//
//   byte 0 .. 1   2 .. 65                                                   66 .. 73
//        d (f16)  group 0 .. 31: bit 0 .. 8 index, bit 9 .. 15 its signs    scale of sub-blocks 2 j (low) and 2 j + 1
//   weight = d * (scale + 1/2) / 4 * magnitude, with its sign (eight_signs, codebooks.h)
#pragma once

#include "quant/grid_search.h"

namespace {

struct block_iq2_xs {
  uint16_t d;
  uint16_t groups[32];
  uint8_t scales[8];
};
static_assert(sizeof(block_iq2_xs) == 74, "IQ2_XS is 74 bytes per 256 weights");

template <class Search>
void encode_iq2_xs(const float* source, block_iq2_xs* block, const float* importance) {
  const Neighbours& grid = neighbours_iq2_xs();
  const float spread = sum_of_squares(source) / static_cast<float>(kSuperBlock);
  float scales[16];
  __builtin_memset(block, 0, sizeof *block);
  for (size_t b = 0; b < 16; ++b) {
    SubBlock<16> sub;
    weigh<16, Unweighted::kOne>(source + 16 * b, importance ? importance + 16 * b : nullptr, spread, &sub);
    split_signs<16, true>(source + 16 * b, &sub);
    scales[b] = 0.0f;
    if (sub.max < kEmptyBlock) continue;
    uint16_t points[2];
    const float scale = Search::template grid<GridOfEight, TriesOfSixteen>(grid, sub, sub.max, sub.max / 5.0f, points);
    scales[b] = positive_scale_of<16, true>(scale, &sub);
    for (size_t g = 0; g < 2; ++g) {
      const uint32_t index = grid.index_of(number_of_eight(points[g]));
      block->groups[2 * b + g] = static_cast<uint16_t>(index | static_cast<uint32_t>(sub.signs[g]) << 9);
    }
  }
  const float max = largest(scales);
  if (max == 0.0f) {
    __builtin_memset(block, 0, sizeof *block);
    return;
  }
  const float d = max / 31.0f;
  block->d = float_to_half(d);
  for (size_t b = 0; b < 16; ++b) {
    block->scales[b / 2] =
        static_cast<uint8_t>(block->scales[b / 2] | scale_code_4(1.0f / d, scales[b]) << (b % 2 * 4));
  }
}

inline void quantize_row_iq2_xs_ref(const float* source, block_iq2_xs* blocks, size_t columns,
                                    const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    encode_iq2_xs<ScalarSearch>(source, blocks + b, importance ? importance + kSuperBlock * b : nullptr);
  }
}

template <class Decoder>
void decode_iq2_xs(const block_iq2_xs* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t g = 0; g < 32; ++g) {
      const unsigned scale = blocks[b].scales[g / 4] >> (g / 2 % 2 * 4) & 15u;
      const float step = d * (0.5f + static_cast<float>(scale)) * 0.25f;
      const unsigned group = blocks[b].groups[g];
      Decoder::template eight<GridOfEight>(kIq2XsGrid[group & 511u], kIq2XsLevels, step, eight_signs(group >> 9),
                                           target + 8 * g);
    }
  }
}

inline void dequantize_row_iq2_xs_ref(const block_iq2_xs* blocks, float* target, size_t columns) {
  decode_iq2_xs<ScalarDecoder>(blocks, target, columns);
}

inline bool scales_finite_iq2_xs(const block_iq2_xs& block) { return half_is_finite(block.d); }

}  // namespace
