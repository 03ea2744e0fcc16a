// IQ2_XXS: super-block of 8 sub-blocks x 32 weights; per group of 8 weights one of 256 grid points and seven signs.
//
//   byte 0 .. 1   2 .. 65
//        d (f16)  sub-block 0 .. 7, 8 bytes each:
//                 byte 0 .. 3             byte 4 .. 7, a little-endian word
//                 index of group 0 .. 3   bit 7 * g .. 7 * g + 6: signs of group g; bit 28 .. 31: scale
//   weight = d * (scale + 1/2) / 4 * magnitude, with its sign (eight_signs, codebooks.h)
#pragma once

#include "quant/grid_search.h"

namespace {

struct block_iq2_xxs {
  uint16_t d;
  uint16_t words[8][4];  // halves of two words per sub-block: the block is aligned to 2 bytes
};
static_assert(sizeof(block_iq2_xxs) == 66, "IQ2_XXS is 66 bytes per 256 weights");

// Scales first by the search for non-negative codes 0 .. 4; that of the grid tries around it.
struct TriesIq2Xxs {
  static constexpr float step = 0.1f;
  static constexpr int last = 6;
  static constexpr Again again = Again::kAll;
};

template <class Search>
void encode_iq2_xxs(const float* source, block_iq2_xxs* block, const float* importance) {
  const Neighbours& grid = neighbours_iq2_xxs();
  const float spread = sum_of_squares(source) / static_cast<float>(kSuperBlock);
  SubBlock<32> subs[Search::kSubBlocks] = {};
  for (size_t b = 0; b < 8; ++b) {
    weigh<32, Unweighted::kOne>(source + 32 * b, importance ? importance + 32 * b : nullptr, spread, &subs[b]);
    split_signs<32, true>(source + 32 * b, &subs[b]);
  }
  float scales[Search::kSubBlocks];
  Search::positive_scales(subs, 4, scales);
  uint32_t words[8][2] = {};
  float max = 0.0f;
  for (size_t b = 0; b < 8; ++b) {
    SubBlock<32>& sub = subs[b];
    const float start = scales[b], extreme = start * 3.0f;
    scales[b] = 0.0f;
    if (sub.max < kEmptyBlock || extreme <= 0.0f) continue;
    uint16_t points[4];
    const float scale = Search::template grid<GridOfEight, TriesIq2Xxs>(grid, sub, extreme, start, points);
    scales[b] = positive_scale_of<32, true>(scale, &sub);
    max = max > scales[b] ? max : scales[b];
    for (size_t g = 0; g < 4; ++g) {
      words[b][0] |= grid.index_of(number_of_eight(points[g])) << (8 * g);
      words[b][1] |= static_cast<uint32_t>(sub.signs[g]) << (7 * g);
    }
  }
  __builtin_memset(block, 0, sizeof *block);
  if (max == 0.0f) return;
  const float d = max / 31.0f;
  block->d = float_to_half(d);
  for (size_t b = 0; b < 8; ++b) words[b][1] |= scale_code_4(1.0f / d, scales[b]) << 28;
  __builtin_memcpy(block->words, words, sizeof words);
}

inline void quantize_row_iq2_xxs_ref(const float* source, block_iq2_xxs* blocks, size_t columns,
                                     const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    encode_iq2_xxs<ScalarSearch>(source, blocks + b, importance ? importance + kSuperBlock * b : nullptr);
  }
}

template <class Decoder>
void decode_iq2_xxs(const block_iq2_xxs* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t g = 0; g < 32; ++g) {
      uint32_t words[2];
      __builtin_memcpy(words, &blocks[b].words[g / 4], sizeof words);
      const float step = d * (0.5f + static_cast<float>(words[1] >> 28)) * 0.25f;
      const uint16_t packed = kIq2XxsGrid[words[0] >> (8 * (g % 4)) & 255u];
      const unsigned signs = eight_signs(words[1] >> (7 * (g % 4)));
      Decoder::template eight<GridOfEight>(packed, kIq2XxsLevels, step, signs, target + 8 * g);
    }
  }
}

inline void dequantize_row_iq2_xxs_ref(const block_iq2_xxs* blocks, float* target, size_t columns) {
  decode_iq2_xxs<ScalarDecoder>(blocks, target, columns);
}

inline bool scales_finite_iq2_xxs(const block_iq2_xxs& block) { return half_is_finite(block.d); }

}  // namespace
