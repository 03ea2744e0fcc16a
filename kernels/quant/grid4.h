// The sixteen values of IQ4_NL and IQ4_XS, denser around zero, and the search for a block's scale over them.
//
// weight = scale * kGrid4[code]. Source of the algorithm: ggml-quants.c (best_index_int8, quantize_row_iq4_nl_impl).
#pragma once

#include "quant/search.h"

namespace {

constexpr int8_t kGrid4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr int kGrid4Tries = 7;  // scales tried on either side of the one that maps the largest weight to -127

// Where the nearest value changes from `code` to `code + 1`; exact, like both distances of a weight that lies there.
constexpr float grid4_midpoint(int code) { return 0.5f * static_cast<float>(kGrid4[code] + kGrid4[code + 1]); }

// The code of the nearest value, the larger one of two that are equally near; 15 for NaN (a scale so small that its
// inverse is infinite).
inline int nearest_grid4(float value) {
  int code = 0;
  for (int k = 0; k < 15; ++k) code += value < grid4_midpoint(k) ? 0 : 1;
  return code;
}

// The weight of largest magnitude, with its sign. False: the block is empty.
inline bool extreme_weight(const float* x, float* extreme) {
  float magnitude = 0.0f;
  for (size_t i = 0; i < 32; ++i) {
    const float m = __builtin_fabsf(x[i]);
    if (m > magnitude) magnitude = m, *extreme = x[i];
  }
  return magnitude >= kEmptyBlock;
}

// The least-squares problem for the codes that `inverse` gives: scale = xq / qq minimizes sum w (x - scale * value)^2.
struct Grid4Fit {
  float xq, qq;
};

inline Grid4Fit fit_grid4(const float* x, const float* weights, float inverse) {
  Grid4Fit fit = {0.0f, 0.0f};
  for (size_t i = 0; i < 32; ++i) {
    const float value = static_cast<float>(kGrid4[nearest_grid4(inverse * x[i])]);
    const float w = weights ? weights[i] : x[i] * x[i];
    fit.xq += w * value * x[i];
    fit.qq += w * value * value;
  }
  return fit;
}

// The best scale of 32 weights, 0 for an empty block. Without `weights` they are x^2. The first try maps the largest
// weight to +127, which is beyond the grid; the others map it to -134 .. -120.
inline float search_grid4_scale(const float* x, const float* weights) {
  float extreme = 0.0f;
  if (!extreme_weight(x, &extreme)) return 0.0f;
  const Grid4Fit first = fit_grid4(x, weights, 1.0f / (extreme / 127.0f));
  float scale = first.qq > 0.0f ? first.xq / first.qq : 0.0f;
  float best = scale * first.xq;
  for (int shift = -kGrid4Tries; shift <= kGrid4Tries; ++shift) {
    const Grid4Fit fit = fit_grid4(x, weights, static_cast<float>(shift - 127) / extreme);
    if (!(fit.qq > 0.0f && fit.xq * fit.xq > best * fit.qq)) continue;
    scale = fit.xq / fit.qq;
    best = scale * fit.xq;
  }
  return scale;
}

// importance * sqrt(twice the mean square of the block or super-block + x^2)
inline void grid4_weights(const float* x, const float* importance, float twice_mean_square, float* weights) {
  for (size_t i = 0; i < 32; ++i) weights[i] = importance[i] * __builtin_sqrtf(twice_mean_square + x[i] * x[i]);
}

// Codes of 32 weights for a scale; 8 (value 1) where the scale is 0.
inline void encode_grid4(const float* x, float scale, uint8_t* packed) {
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  uint8_t codes[32];
  for (size_t i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(nearest_grid4(inverse * x[i]));
  pack_nibbles_16(codes, packed);
}

inline void decode_grid4(const uint8_t* packed, float scale, float* target) {
  for (size_t i = 0; i < 16; ++i) {
    target[i] = scale * static_cast<float>(kGrid4[packed[i] & 15]);
    target[i + 16] = scale * static_cast<float>(kGrid4[packed[i] >> 4]);
  }
}

}  // namespace
