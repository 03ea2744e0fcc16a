// IQ1_M: super-block of 16 sub-blocks x 16 weights; per sub-block one scale, per 8 weights one shift and one of 2048
// points. There is no field for d: its 16 bits lie in the upper bits of the scales.
//
//   byte 0 .. 31                                  32 .. 47                48 .. 55
//        low 8 bits of the index of weights 8g ..  a byte per sub-block    four 16-bit words
//   byte of a sub-block:  bits 0 .. 2 = high bits of the first index, bit 3 = its shift is negative; 4 .. 6, 7: second
//   word j:  bits 3 * k .. 3 * k + 2 = scale of sub-block 4 * j + k;  bits 12 .. 15 = bits 4 * j .. 4 * j + 3 of d
//   (f16) weight = d * (2 * scale + 1) * (level - 1 + shift)
#pragma once

#include "quant/iq1.h"

namespace {

struct block_iq1_m {
  uint8_t low[32];
  uint8_t high[16];
  uint16_t words[4];
};
static_assert(sizeof(block_iq1_m) == 56, "IQ1_M is 56 bytes per 256 weights");

constexpr float kEmptyIq1M = 1e-7f;  // a sub-block whose largest magnitude is below this gets scale 0

// What the search finds for a sub-block; an empty one keeps the initial values. `shifts`: bit 1 = the shift of the
// first eight weights is negative, bit 0 = that of the second.
struct Iq1MSubBlock {
  float scale = 0.0f;
  unsigned shifts = 0;
  uint16_t points[2] = {};  // packed
};

inline const float* iq1_m_values(unsigned shifts, size_t half) {
  return (half == 0 ? shifts >> 1 : shifts & 1) ? kIq1Minus : kIq1Plus;
}

struct Iq1MCuts {
  float scale = 0.0f;
  int first = -1;  // -1: no pair of cuts has a positive score
  int second = -1;
  unsigned shifts = 0;
};

// As for IQ1_S, with a shift per half: every sum is kept per half h, for both shifts. A sum over the three ranges, such
// as
//   X(i1) (shift - 1) + (X(i2) - X(i1)) shift + (X(16) - X(i2)) (shift + 1)
// is simplified to X(16) (shift + 1) - (X(i1) + X(i2)); the order of operations is that of ggml 0.27.
inline Iq1MCuts search_iq1_m_cuts(const float* x, const float* weights, const uint8_t* order) {
  float sum_x[2][17], sum_w[2][17];
  for (size_t h = 0; h < 2; ++h) {
    sum_x[h][0] = sum_w[h][0] = 0.0f;
    for (size_t k = 0; k < 16; ++k) {
      const size_t i = order[k];
      const bool mine = i / 8 == h;
      sum_x[h][k + 1] = mine ? sum_x[h][k] + weights[i] * x[i] : sum_x[h][k];
      sum_w[h][k + 1] = mine ? sum_w[h][k] + weights[i] : sum_w[h][k];
    }
  }
  Iq1MCuts found;
  float best = -__FLT_MAX__;
  for (int i1 = 0; i1 <= 16; ++i1) {
    for (int i2 = i1; i2 <= 16; ++i2) {
      float xq[2][2], qq[2][2];  // [shift is negative][half]
      for (size_t h = 0; h < 2; ++h) {
        const float both = sum_x[h][i2] + sum_x[h][i1];
        xq[0][h] = 1.125f * sum_x[h][16] - both;
        xq[1][h] = 0.875f * sum_x[h][16] - both;
        qq[0][h] = sum_w[h][16] * 1.125f * 1.125f + 0.75f * sum_w[h][i1] - 1.25f * sum_w[h][i2];
        qq[1][h] = sum_w[h][16] * 0.875f * 0.875f + 1.25f * sum_w[h][i1] - 0.75f * sum_w[h][i2];
      }
      for (unsigned shifts = 0; shifts < 4; ++shifts) {
        const float sum_xq = xq[shifts >> 1][0] + xq[shifts & 1][1];
        const float sum_qq = qq[shifts >> 1][0] + qq[shifts & 1][1];
        if (!(sum_qq > 0.0f && sum_xq * sum_xq > best * sum_qq)) continue;
        found.scale = sum_xq / sum_qq;
        best = found.scale * sum_xq;
        found.first = i1;
        found.second = i2;
        found.shifts = shifts;
      }
    }
  }
  return found;
}

inline Iq1MSubBlock search_iq1_m(const Neighbours& neighbours, const float* x, const float* weights) {
  Iq1MSubBlock result;
  if (largest_magnitude(x, 16) < kEmptyIq1M) return result;
  uint8_t order[16], levels[16];
  ascending_order<16>(x, order);
  const Iq1MCuts cuts = search_iq1_m_cuts(x, weights, order);
  if (cuts.first < 0) return result;
  const bool mirrored = cuts.scale < 0.0f;
  levels_of_cuts<16>(order, static_cast<size_t>(cuts.first), static_cast<size_t>(cuts.second), mirrored, levels);
  result.scale = mirrored ? -cuts.scale : cuts.scale;
  result.shifts = mirrored ? 3 - cuts.shifts : cuts.shifts;
  bool exact = true;
  for (size_t h = 0; h < 2; ++h) {
    result.points[h] = iq1_point_for(neighbours, levels + 8 * h, x + 8 * h, weights + 8 * h, result.scale,
                                     iq1_m_values(result.shifts, h), &exact);
  }
  if (exact) return result;
  float sum_xq = 0.0f, sum_qq = 0.0f;
  for (size_t h = 0; h < 2; ++h) {
    iq1_add_point(result.points[h], iq1_m_values(result.shifts, h), 1.0f, x + 8 * h, weights + 8 * h, &sum_xq, &sum_qq);
  }
  if (sum_xq > 0.0f && sum_qq > 0.0f) result.scale = sum_xq / sum_qq;
  return result;
}

// Turns the scales of the search into d and 3-bit scales: d is fitted once more to the rounded scales. x, weights: the
// super-block.
inline void pack_iq1_m(const Neighbours& neighbours, block_iq1_m* block, const Iq1MSubBlock* found, const float* x,
                       const float* weights) {
  __builtin_memset(block, 0, sizeof *block);
  float largest = 0.0f;
  for (size_t j = 0; j < 16; ++j) {
    largest = largest > found[j].scale ? largest : found[j].scale;
    for (size_t h = 0; h < 2; ++h) {
      const uint32_t index = neighbours.index_of(number_of_eight(found[j].points[h]));
      block->low[2 * j + h] = static_cast<uint8_t>(index);
      block->high[j] = static_cast<uint8_t>(block->high[j] | (index >> 8) << (4 * h));
    }
  }
  if (largest == 0.0f) return;
  float d = largest / 15.0f;
  const float inverse = 1.0f / d;
  float sum_xq = 0.0f, sum_qq = 0.0f;
  for (size_t j = 0; j < 16; ++j) {
    const int scale = clamp_int(round_to_int(0.5f * (inverse * found[j].scale - 1.0f)), 0, 7);
    block->words[j / 4] = static_cast<uint16_t>(block->words[j / 4] | scale << (3 * (j % 4)));
    block->high[j] = static_cast<uint8_t>(block->high[j] | (found[j].shifts & 2) << 2 | (found[j].shifts & 1) << 7);
    for (size_t h = 0; h < 2; ++h) {
      const size_t at = 16 * j + 8 * h;
      iq1_add_point(found[j].points[h], iq1_m_values(found[j].shifts, h), static_cast<float>(2 * scale + 1), x + at,
                    weights + at, &sum_xq, &sum_qq);
    }
  }
  if (sum_qq > 0.0f) d = sum_xq / sum_qq;
  const unsigned half = float_to_half(d * 1.1125f);  // ggml's factor: found by trial
  for (size_t j = 0; j < 4; ++j) {
    block->words[j] = static_cast<uint16_t>(block->words[j] | (half >> (4 * j) & 15) << 12);
  }
}

inline void quantize_row_iq1_m_ref(const float* source, block_iq1_m* blocks, size_t columns, const float* importance) {
  const Neighbours& neighbours = neighbours_iq1_s();
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    float weights[kSuperBlock];
    const float mean_square = iq1_mean_square(source);
    for (size_t i = 0; i < kSuperBlock; ++i) {
      const float square = source[i] * source[i];
      weights[i] = importance ? importance[kSuperBlock * b + i] * __builtin_sqrtf(mean_square + square) : square;
    }
    Iq1MSubBlock found[16];
    for (size_t j = 0; j < 16; ++j) found[j] = search_iq1_m(neighbours, source + 16 * j, weights + 16 * j);
    pack_iq1_m(neighbours, blocks + b, found, source, weights);
  }
}

inline uint16_t iq1_m_d(const block_iq1_m& block) {
  unsigned half = 0;
  for (size_t j = 0; j < 4; ++j) half |= static_cast<unsigned>(block.words[j] >> 12) << (4 * j);
  return static_cast<uint16_t>(half);
}

inline void dequantize_row_iq1_m_ref(const block_iq1_m* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float d = half_to_float(iq1_m_d(blocks[b]));
    for (size_t g = 0; g < 32; ++g, target += 8) {
      const unsigned word = blocks[b].words[g / 8], high = blocks[b].high[g / 2] >> (4 * (g % 2));
      const float step = d * static_cast<float>(2 * (word >> (3 * (g / 2 % 4)) & 7) + 1);
      const float* values = high & 8 ? kIq1Minus : kIq1Plus;
      const uint16_t point = kIq1SGrid[blocks[b].low[g] | (high & 7) << 8];
      for (size_t i = 0; i < 8; ++i) target[i] = step * iq1_value(point, i, values);
    }
  }
}

inline bool scales_finite_iq1_m(const block_iq1_m& block) { return half_is_finite(iq1_m_d(block)); }

}  // namespace
