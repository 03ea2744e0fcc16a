// What the K-quants share: a super-block of 256 weights whose sub-blocks of 16 or 32 weights have their own scales, and
// these are codes themselves. Every encoder goes the same way: weigh, search each sub-block, encode the scales, encode
// the weights again for the scales as stored.
#pragma once

#include "quant/search.h"

namespace {

// Twice the mean square of a super-block, summed in order.
inline float twice_mean_square(const float* x) {
  float sum = 0.0f;
  for (size_t i = 0; i < kSuperBlock; ++i) sum += x[i] * x[i];
  return 2.0f * sum / static_cast<float>(kSuperBlock);
}

// The weights of a search: importance * sqrt(mean_square + x^2). Returns their sum, which is the importance of the
// sub-block's scale.
template <size_t N>
float spread_importance(const float* x, const float* importance, float mean_square, float* weights) {
  float sum = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    weights[i] = importance[i] * __builtin_sqrtf(mean_square + x[i] * x[i]);
    sum += weights[i];
  }
  return sum;
}

// Non-negative scales (or minimums) as codes 0 .. top in units of the result. `importance_sums` (one per sub-block)
// selects the weighted search; without it the largest becomes `top`. Negative values, which a degenerate sub-block can
// have, wrap to large codes; the plain encoding then writes `limit`.
template <size_t N>
float encode_positive_scales(const float* values, const float* importance_sums, int top, uint8_t limit,
                             uint8_t* codes) {
  if (importance_sums) return search_positive_scale<N>(values, importance_sums, top, codes);
  float max = 0.0f;
  for (size_t j = 0; j < N; ++j) {
    if (values[j] > max) max = values[j];
  }
  const float inverse = max > 0.0f ? static_cast<float>(top) / max : 0.0f;
  for (size_t j = 0; j < N; ++j) {
    const uint8_t code = static_cast<uint8_t>(round_to_int(inverse * values[j]));
    codes[j] = code < limit ? code : limit;
  }
  return max / static_cast<float>(top);
}

// Codes again, 0 .. 2 * top - 1, for weight = step * (code - top) with one step per sub-block of N. A sub-block whose
// step became 0 keeps the codes of its search.
template <size_t N>
void encode_again(const float* x, const float* steps, int top, uint8_t* codes) {
  for (size_t w = 0; w < kSuperBlock; ++w) {
    const float step = steps[w / N];
    if (step == 0.0f) continue;
    codes[w] = static_cast<uint8_t>(top + clamp_int(round_to_int(x[w] / step), -top, top - 1));
  }
}

// The same for weight = step * code - offset, codes 0 .. top.
template <size_t N>
void encode_again_with_offsets(const float* x, const float* steps, const float* offsets, int top, uint8_t* codes) {
  for (size_t w = 0; w < kSuperBlock; ++w) {
    const float step = steps[w / N];
    if (step == 0.0f) continue;
    codes[w] = static_cast<uint8_t>(clamp_int(round_to_int((x[w] + offsets[w / N]) / step), 0, top));
  }
}

// 256 codes of two bits in 64 bytes: the four of a byte are 32 weights apart.
inline void pack_two_bits(const uint8_t* codes, uint8_t* packed) {
  for (size_t h = 0; h < 2; ++h) {
    const uint8_t* c = codes + 128 * h;
    for (size_t i = 0; i < 32; ++i) {
      packed[32 * h + i] = static_cast<uint8_t>(c[i] | c[i + 32] << 2 | c[i + 64] << 4 | c[i + 96] << 6);
    }
  }
}

}  // namespace
