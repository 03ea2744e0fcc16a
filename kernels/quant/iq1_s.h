// IQ1_S: super-block of 8 sub-blocks x 32 weights; per sub-block one scale and one shift, per 8 weights one of 2048
// points.
//
//   byte 0 .. 1   2 .. 33                                    34 .. 49
//        d (f16)  low 8 bits of the index of weights 8g ..   one 16-bit word per sub-block
//   word of a sub-block:  bits 3 * k .. 3 * k + 2 = high 3 bits of index k (k = 0 .. 3)
//                         bits 12 .. 14 = scale, bit 15 = the shift is negative
//   weight = d * (2 * scale + 1) * (level - 1 + shift)
#pragma once

#include "quant/iq1.h"

namespace {

struct block_iq1_s {
  uint16_t d;
  uint8_t low[32];
  uint16_t words[8];
};
static_assert(sizeof(block_iq1_s) == 50, "IQ1_S is 50 bytes per 256 weights");

constexpr float kEmptyIq1S = 1e-12f;  // a sub-block whose largest magnitude is below this gets scale 0

// What the search finds for a sub-block; an empty one keeps the initial values.
struct Iq1SSubBlock {
  float scale = 0.0f;
  bool minus = false;
  uint16_t points[4] = {};  // packed
};

struct Iq1SCuts {
  float scale = 0.0f;
  int first = -1;  // -1: no pair of cuts has a positive score
  int second = -1;
  bool minus = false;
};

// The cuts and shift that minimize sum w (x - scale * value)^2: largest (sum w x value)^2 / sum w value^2.
inline Iq1SCuts search_iq1_s_cuts(const float* x, const float* weights, const uint8_t* order) {
  float sum_x[33], sum_w[33];
  sum_x[0] = sum_w[0] = 0.0f;
  for (size_t k = 0; k < 32; ++k) {
    const size_t i = order[k];
    sum_x[k + 1] = sum_x[k] + weights[i] * x[i];
    sum_w[k + 1] = sum_w[k] + weights[i];
  }
  Iq1SCuts found;
  float best = -__FLT_MAX__;
  for (int i1 = 0; i1 <= 32; ++i1) {
    for (int i2 = i1; i2 <= 32; ++i2) {
      for (int minus = 0; minus < 2; ++minus) {
        const float* v = minus ? kIq1Minus : kIq1Plus;
        const float sum_xq = sum_x[i1] * v[0] + (sum_x[i2] - sum_x[i1]) * v[1] + (sum_x[32] - sum_x[i2]) * v[2];
        const float sum_qq =
            sum_w[i1] * v[0] * v[0] + (sum_w[i2] - sum_w[i1]) * v[1] * v[1] + (sum_w[32] - sum_w[i2]) * v[2] * v[2];
        if (!(sum_qq > 0.0f && sum_xq * sum_xq > best * sum_qq)) continue;
        found.scale = sum_xq / sum_qq;
        best = found.scale * sum_xq;
        found.first = i1;
        found.second = i2;
        found.minus = minus != 0;
      }
    }
  }
  return found;
}

inline Iq1SSubBlock search_iq1_s(const Neighbours& neighbours, const float* x, const float* weights) {
  Iq1SSubBlock result;
  if (largest_magnitude(x, 32) < kEmptyIq1S) return result;
  uint8_t order[32], levels[32];
  ascending_order<32>(x, order);
  const Iq1SCuts cuts = search_iq1_s_cuts(x, weights, order);
  if (cuts.first < 0) return result;
  const bool mirrored = cuts.scale < 0.0f;
  levels_of_cuts<32>(order, static_cast<size_t>(cuts.first), static_cast<size_t>(cuts.second), mirrored, levels);
  result.scale = mirrored ? -cuts.scale : cuts.scale;
  result.minus = cuts.minus != mirrored;
  const float* values = result.minus ? kIq1Minus : kIq1Plus;
  bool exact = true;
  for (size_t k = 0; k < 4; ++k) {
    result.points[k] =
        iq1_point_for(neighbours, levels + 8 * k, x + 8 * k, weights + 8 * k, result.scale, values, &exact);
  }
  if (exact) return result;
  float sum_xq = 0.0f, sum_qq = 0.0f;
  for (size_t k = 0; k < 4; ++k) {
    iq1_add_point(result.points[k], values, 1.0f, x + 8 * k, weights + 8 * k, &sum_xq, &sum_qq);
  }
  if (sum_xq > 0.0f && sum_qq > 0.0f) result.scale = sum_xq / sum_qq;
  return result;
}

// Turns the scales of the search into d and 3-bit scales.
inline void pack_iq1_s(const Neighbours& neighbours, block_iq1_s* block, const Iq1SSubBlock* found) {
  __builtin_memset(block, 0, sizeof *block);
  float largest = 0.0f;
  for (size_t j = 0; j < 8; ++j) largest = largest > found[j].scale ? largest : found[j].scale;
  for (size_t j = 0; j < 8; ++j) {
    for (size_t k = 0; k < 4; ++k) {
      const uint32_t index = neighbours.index_of(number_of_eight(found[j].points[k]));
      block->low[4 * j + k] = static_cast<uint8_t>(index);
      block->words[j] = static_cast<uint16_t>(block->words[j] | (index >> 8) << (3 * k));
    }
  }
  if (largest == 0.0f) return;
  const float step = largest / 15.0f;
  const float inverse = 1.0f / step;
  block->d = float_to_half(step * 1.125f);  // ggml's factor: found by trial
  for (size_t j = 0; j < 8; ++j) {
    const int scale = clamp_int(round_to_int(0.5f * (inverse * found[j].scale - 1.0f)), 0, 7);
    block->words[j] = static_cast<uint16_t>(block->words[j] | (scale | (found[j].minus ? 8 : 0)) << 12);
  }
}

// ggml does not encode IQ1_S without importance; here that is as if every importance were 1.
inline void quantize_row_iq1_s_ref(const float* source, block_iq1_s* blocks, size_t columns, const float* importance) {
  const Neighbours& neighbours = neighbours_iq1_s();
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    const float mean_square = iq1_mean_square(source);
    Iq1SSubBlock found[8];
    for (size_t j = 0; j < 8; ++j) {
      const float* x = source + 32 * j;
      float weights[32];
      for (size_t i = 0; i < 32; ++i) {
        const float spread = __builtin_sqrtf(mean_square + x[i] * x[i]);
        weights[i] = importance ? importance[kSuperBlock * b + 32 * j + i] * spread : spread;
      }
      found[j] = search_iq1_s(neighbours, x, weights);
    }
    pack_iq1_s(neighbours, blocks + b, found);
  }
}

inline void dequantize_row_iq1_s_ref(const block_iq1_s* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float d = half_to_float(blocks[b].d);
    for (size_t g = 0; g < 32; ++g, target += 8) {
      const unsigned word = blocks[b].words[g / 4];
      const float step = d * static_cast<float>(2 * (word >> 12 & 7) + 1);
      const float* values = word & 0x8000 ? kIq1Minus : kIq1Plus;
      const uint16_t point = kIq1SGrid[blocks[b].low[g] | (word >> (3 * (g % 4)) & 7) << 8];
      for (size_t i = 0; i < 8; ++i) target[i] = step * iq1_value(point, i, values);
    }
  }
}

inline bool scales_finite_iq1_s(const block_iq1_s& block) { return half_is_finite(block.d); }

}  // namespace
