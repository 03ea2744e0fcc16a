// IQ3_S: super-block of 8 sub-blocks x 32 weights; per group of 4 weights one of 512 grid points, every sign.
//
//   byte 0 .. 1   2 .. 65                      66 .. 73                 74 .. 105               106 .. 109
//        d (f16)  low 8 bits of index 0 .. 63  high bit of 8 indices    signs of 8 weights each two scales each
//   group g: high bit = bit g % 8 of byte 66 + g / 8
//   sub-block j: scale = low (j even) or high (j odd) nibble of byte 106 + j / 2
//   weight = d * (2 * scale + 1) * magnitude, with its sign
#pragma once

#include "quant/grid_search.h"

namespace {

struct block_iq3_s {
  uint16_t d;
  uint8_t low[64];
  uint8_t high[8];
  uint8_t signs[32];
  uint8_t scales[4];
};
static_assert(sizeof(block_iq3_s) == 110, "IQ3_S is 110 bytes per 256 weights");

struct TriesIq3S {
  static constexpr float step = 0.2f;
  static constexpr int last = 9;
  static constexpr Again again = Again::kAllOrNone;
};

// A sub-block of zeros takes no room: low bits and signs of those after it move up by one sub-block (their high bits
// and scales do not), so that the block decodes wrongly. ggml writes such blocks; a reader of them sees what ggml's
// sees.
template <class Search>
void encode_iq3_s(const float* source, block_iq3_s* block, const float* importance) {
  const Neighbours& grid = neighbours_iq3_s();
  const float spread = 2.0f * sum_of_squares(source) / static_cast<float>(kSuperBlock);
  float scales[8];
  size_t place = 0;
  __builtin_memset(block, 0, sizeof *block);
  for (size_t b = 0; b < 8; ++b) {
    SubBlock<32> sub;
    weigh<32, Unweighted::kSquare>(source + 32 * b, importance ? importance + 32 * b : nullptr, spread, &sub);
    split_signs<32, false>(source + 32 * b, &sub);
    scales[b] = 0.0f;
    if (sub.max == 0.0f) continue;
    uint16_t points[8];
    const float scale = Search::template grid<GridOfFour, TriesIq3S>(grid, sub, sub.max, sub.max / 15.0f, points);
    scales[b] = positive_scale_of<32, false>(scale, &sub);
    for (size_t g = 0; g < 8; ++g) {
      const uint32_t index = grid.index_of(points[g]);
      block->low[8 * place + g] = static_cast<uint8_t>(index);
      block->high[b] = static_cast<uint8_t>(block->high[b] | index >> 8 << g);
    }
    for (size_t i = 0; i < 4; ++i) block->signs[4 * place + i] = sub.signs[i];
    ++place;
  }
  const float max = largest(scales);
  if (max == 0.0f) return;  // indices and signs stay
  const float d = max / 31.0f;
  block->d = float_to_half(d * 1.033f);
  for (size_t b = 0; b < 8; ++b) {
    block->scales[b / 2] =
        static_cast<uint8_t>(block->scales[b / 2] | scale_code_4(1.0f / d, scales[b]) << (b % 2 * 4));
  }
}

inline void quantize_row_iq3_s_ref(const float* source, block_iq3_s* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    encode_iq3_s<ScalarSearch>(source, blocks + b, importance ? importance + kSuperBlock * b : nullptr);
  }
}

template <class Decoder>
void decode_iq3_s(const block_iq3_s* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t g = 0; g < 32; ++g) {
      const unsigned scale = blocks[b].scales[g / 8] >> (g / 4 % 2 * 4) & 15u;
      const float step = d * static_cast<float>(1 + 2 * scale);
      const unsigned high = blocks[b].high[g / 4] >> (g % 4 * 2);
      const unsigned first = blocks[b].low[2 * g] | (high & 1u) << 8;
      const unsigned second = blocks[b].low[2 * g + 1] | (high & 2u) << 7;
      const uint32_t packed = kIq3SGrid[first] | static_cast<uint32_t>(kIq3SGrid[second]) << 12;
      Decoder::template eight<GridOfFour>(packed, kIq3SLevels, step, blocks[b].signs[g], target + 8 * g);
    }
  }
}

inline void dequantize_row_iq3_s_ref(const block_iq3_s* blocks, float* target, size_t columns) {
  decode_iq3_s<ScalarDecoder>(blocks, target, columns);
}

inline bool scales_finite_iq3_s(const block_iq3_s& block) { return half_is_finite(block.d); }

}  // namespace
