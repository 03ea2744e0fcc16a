// What IQ1_S and IQ1_M share: the shifted values, the order of the weights, the nearest point of the codebook.
//
// Both write a weight as scale * (level - 1 + shift), level 0 .. 2 and shift +1/8 or -1/8; eight levels together are an
// index into 2048 points (codebooks.h), so most combinations of levels do not exist. An encoder first finds the best
// levels without the codebook: with the weights in ascending order, levels are two cuts (i1, i2) of that order, and
// sums over a range are differences of prefix sums, so every pair of cuts can be tried. Then each group of eight goes
// to the nearest point that exists. Source of the algorithm: ggml-quants.c (quantize_row_iq1_s_impl,
// quantize_row_iq1_m_impl).
#pragma once

#include "quant/codebooks/codebooks.h"
#include "quant/codebooks/neighbours.h"
#include "quant/common.h"

namespace {

constexpr float kIq1Shift = 0.125f;
constexpr float kIq1Plus[3] = {-1.0f + kIq1Shift, kIq1Shift, 1.0f + kIq1Shift};
constexpr float kIq1Minus[3] = {-1.0f - kIq1Shift, -kIq1Shift, 1.0f - kIq1Shift};

// order[k] = position of the k-th smallest of N values; equal values keep their order (ggml's qsort is a merge sort for
// so few), which matters because they may carry different importance.
template <size_t N>
void ascending_order(const float* x, uint8_t* order) {
  for (size_t i = 0; i < N; ++i) {
    size_t k = i;
    for (; k > 0 && x[order[k - 1]] > x[i]; --k) order[k] = order[k - 1];
    order[k] = static_cast<uint8_t>(i);
  }
}

// Levels of N weights from two cuts of their order; mirrored (2 - level) for a scale below 0.
template <size_t N>
void levels_of_cuts(const uint8_t* order, size_t first, size_t second, bool mirrored, uint8_t* levels) {
  for (size_t k = 0; k < N; ++k) {
    const unsigned level = k < first ? 0 : k < second ? 1 : 2;
    levels[order[k]] = static_cast<uint8_t>(mirrored ? 2 - level : level);
  }
}

// Twice the mean square of a super-block.
inline float iq1_mean_square(const float* x) {
  float sum = 0.0f;
  for (size_t i = 0; i < kSuperBlock; ++i) sum += x[i] * x[i];
  return 2.0f * sum / static_cast<float>(kSuperBlock);
}

// Value of weight i of a (packed) point of the codebook.
inline float iq1_value(uint32_t point, size_t i, const float* values) { return values[point >> (2 * i) & 3]; }

// Adds eight weights to the sums of a least-squares fit of x to the values of a point times `factor`.
inline void iq1_add_point(uint32_t point, const float* values, float factor, const float* x, const float* weights,
                          float* sum_xq, float* sum_qq) {
  for (size_t i = 0; i < 8; ++i) {
    const float q = iq1_value(point, i, values) * factor;
    *sum_xq += weights[i] * q * x[i];
    *sum_qq += weights[i] * q * q;
  }
}

// The point with these eight levels or, if the codebook lacks it (`*exact` becomes false), the candidate with the
// smallest sum w (scale * value - x)^2, the first of equals. Where no sum is below FLT_MAX (weights from about 1e9;
// ggml stops the program there) it is the first candidate.
inline uint16_t iq1_point_for(const Neighbours& neighbours, const uint8_t* levels, const float* x, const float* weights,
                              float scale, const float* values, bool* exact) {
  unsigned packed = 0;
  for (size_t i = 0; i < 8; ++i) packed |= static_cast<unsigned>(levels[i]) << (2 * i);
  const uint32_t entry = neighbours.points[number_of_eight(packed)];
  const size_t count = entry & 511;
  if (count == 0) return static_cast<uint16_t>(packed);
  *exact = false;
  const uint16_t* candidates = neighbours.candidates + (entry >> 9);
  uint16_t nearest = candidates[0];
  float best = __FLT_MAX__;
  for (size_t k = 0; k < count; ++k) {
    float distance = 0.0f;
    for (size_t i = 0; i < 8; ++i) {
      const float difference = scale * iq1_value(candidates[k], i, values) - x[i];
      distance += weights[i] * difference * difference;
    }
    if (distance < best) best = distance, nearest = candidates[k];
  }
  return nearest;
}

}  // namespace
