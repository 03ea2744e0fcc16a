// IQ3_XXS: super-block of 8 sub-blocks x 32 weights; per group of 4 weights one of 256 grid points, per 8 seven signs.
//
//   byte 0 .. 1   2 .. 65                    66 .. 97
//        d (f16)  index of group 0 .. 63     sub-block 0 .. 7, a little-endian word each:
//                                            bit 7 * i .. 7 * i + 6: signs of weights 8 i .. 8 i + 7; bit 28 .. 31:
//                                            scale
//   weight = d * (scale + 1/2) / 2 * magnitude, with its sign (eight_signs, codebooks.h)
#pragma once

#include "quant/grid_search.h"

namespace {

struct block_iq3_xxs {
  uint16_t d;
  uint8_t indices[64];
  uint8_t words[32];
};
static_assert(sizeof(block_iq3_xxs) == 98, "IQ3_XXS is 98 bytes per 256 weights");

struct TriesIq3Xxs {
  static constexpr float step = 0.2f;
  static constexpr int last = 15;
  static constexpr Again again = Again::kOffGrid;
};
constexpr float kEmptyIq3Xxs = 1e-8f;

template <class Search>
void encode_iq3_xxs(const float* source, block_iq3_xxs* block, const float* importance) {
  const Neighbours& grid = neighbours_iq3_xxs();
  const float spread = 2.0f * sum_of_squares(source) / static_cast<float>(kSuperBlock);
  float scales[8];
  uint32_t words[8] = {};
  __builtin_memset(block, 0, sizeof *block);
  for (size_t b = 0; b < 8; ++b) {
    SubBlock<32> sub;
    weigh<32, Unweighted::kSquare>(source + 32 * b, importance ? importance + 32 * b : nullptr, spread, &sub);
    split_signs<32, true>(source + 32 * b, &sub);
    scales[b] = 0.0f;
    if (sub.max < kEmptyIq3Xxs) continue;
    uint16_t points[8];
    const float scale = Search::template grid<GridOfFour, TriesIq3Xxs>(grid, sub, sub.max, sub.max / 15.0f, points);
    scales[b] = positive_scale_of<32, true>(scale, &sub);
    for (size_t g = 0; g < 8; ++g) block->indices[8 * b + g] = static_cast<uint8_t>(grid.index_of(points[g]));
    for (size_t i = 0; i < 4; ++i) words[b] |= static_cast<uint32_t>(sub.signs[i]) << (7 * i);
  }
  const float max = largest(scales);
  if (max == 0.0f) {
    __builtin_memset(block, 0, sizeof *block);
    return;
  }
  const float d = max / 31.0f;
  block->d = float_to_half(d * 1.0125f);
  for (size_t b = 0; b < 8; ++b) words[b] |= scale_code_4(1.0f / d, scales[b]) << 28;
  __builtin_memcpy(block->words, words, sizeof words);
}

inline void quantize_row_iq3_xxs_ref(const float* source, block_iq3_xxs* blocks, size_t columns,
                                     const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    encode_iq3_xxs<ScalarSearch>(source, blocks + b, importance ? importance + kSuperBlock * b : nullptr);
  }
}

template <class Decoder>
void decode_iq3_xxs(const block_iq3_xxs* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t g = 0; g < 32; ++g) {
      uint32_t word;
      __builtin_memcpy(&word, blocks[b].words + 4 * (g / 4), sizeof word);
      const float step = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
      const uint8_t* indices = blocks[b].indices + 2 * g;
      const uint32_t packed = kIq3XxsGrid[indices[0]] | static_cast<uint32_t>(kIq3XxsGrid[indices[1]]) << 12;
      const unsigned signs = eight_signs(word >> (7 * (g % 4)));
      Decoder::template eight<GridOfFour>(packed, kIq3XxsLevels, step, signs, target + 8 * g);
    }
  }
}

inline void dequantize_row_iq3_xxs_ref(const block_iq3_xxs* blocks, float* target, size_t columns) {
  decode_iq3_xxs<ScalarDecoder>(blocks, target, columns);
}

inline bool scales_finite_iq3_xxs(const block_iq3_xxs& block) { return half_is_finite(block.d); }

}  // namespace
