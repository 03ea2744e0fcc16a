// Searches for the scale (and minimum) of one block: the part of quantization that costs time and decides quality.
//
// Each try rounds the weights with a slightly different scale, solves the weighted least-squares problem for the codes
// it got, and keeps the try with the smallest error. Sums run in order of the weights with one rounding per operation:
// the vector kernels reproduce exactly this order, one block per lane. Source of the algorithms: ggml-quants.c
// (make_qx_quants, make_q3_quants, make_qkx2_quants, make_qkx3_quants, make_qp_quants).
#pragma once

#include "quant/common.h"

namespace {

constexpr float kEmptyBlock = 1e-15f;  // a block whose largest magnitude is below this is written as zeros

// The tries of search_scale_min: with scale_inverse = (first + step * i + top) / (max - min), i = 0 .. last.
struct ScaleSteps {
  float first;
  float step;
  int last;
};
constexpr ScaleSteps kStepsQ2K = {-0.5f, 0.1f, 15};
constexpr ScaleSteps kStepsQ4K = {-1.0f, 0.1f, 20};
constexpr ScaleSteps kStepsQ5K = {-0.5f, 0.1f, 15};
constexpr ScaleSteps kStepsImportance = {-0.9f, 0.05f, 36};

// Symmetric codes: x ~ scale * (code - top), code in 0 .. 2 * top - 1. Minimizes sum w (x - scale * code)^2 with
// w = weights, or x^2 without. Returns the scale; 0 with all codes 0 for an empty block.
template <size_t N>
float search_scale(const float* x, const float* weights, int top, uint8_t* codes) {
  float extreme = 0.0f, magnitude = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    const float m = __builtin_fabsf(x[i]);
    if (m > magnitude) magnitude = m, extreme = x[i];
  }
  if (magnitude < kEmptyBlock) {
    for (size_t i = 0; i < N; ++i) codes[i] = 0;
    return 0.0f;
  }
  float scale = 0.0f, best = 0.0f;
  // The plain scale first, then nine smaller and nine larger ones.
  for (int attempt = 0; attempt < 19; ++attempt) {
    const int shift = attempt == 0 ? 0 : attempt <= 9 ? attempt - 10 : attempt - 9;
    const float inverse = -(static_cast<float>(top) + 0.1f * static_cast<float>(shift)) / extreme;
    float sum_xl = 0.0f, sum_ll = 0.0f;
    for (size_t i = 0; i < N; ++i) {
      const float code = static_cast<float>(clamp_int(round_to_int(inverse * x[i]), -top, top - 1));
      const float w = weights ? weights[i] : x[i] * x[i];
      sum_xl += w * x[i] * code;
      sum_ll += w * code * code;
    }
    const bool better = attempt == 0 || (sum_ll > 0.0f && sum_xl * sum_xl > best * sum_ll);
    if (!better) continue;
    scale = sum_ll != 0.0f ? sum_xl / sum_ll : 0.0f;
    best = scale * sum_xl;
    for (size_t i = 0; i < N; ++i) {
      codes[i] = static_cast<uint8_t>(top + clamp_int(round_to_int(inverse * x[i]), -top, top - 1));
    }
  }
  return scale;
}

// Symmetric codes as search_scale, weights x^2: starts with the plain scale, then up to five rounds move single codes
// while that makes the scale that fits them all better. Returns the scale; 0 with all codes 0 for an empty block.
template <size_t N>
float improve_scale(const float* x, int top, uint8_t* codes) {
  float extreme = 0.0f, magnitude = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    const float m = __builtin_fabsf(x[i]);
    if (m > magnitude) magnitude = m, extreme = x[i];
  }
  if (magnitude < kEmptyBlock) {
    for (size_t i = 0; i < N; ++i) codes[i] = 0;
    return 0.0f;
  }
  const float inverse = static_cast<float>(-top) / extreme;
  float code[N], sum_xl = 0.0f, sum_ll = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    code[i] = static_cast<float>(clamp_int(round_to_int(inverse * x[i]), -top, top - 1));
    const float w = x[i] * x[i];
    sum_xl += w * x[i] * code[i];
    sum_ll += w * code[i] * code[i];
  }
  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (size_t i = 0; i < N; ++i) {
      const float w = x[i] * x[i];
      float rest_xl = sum_xl - w * x[i] * code[i];
      float rest_ll = sum_ll - w * code[i] * code[i];
      if (!(rest_xl > 0.0f)) continue;
      const float moved = static_cast<float>(clamp_int(round_to_int(x[i] * rest_ll / rest_xl), -top, top - 1));
      if (moved == code[i]) continue;
      rest_xl += w * x[i] * moved;
      rest_ll += w * moved * moved;
      if (rest_ll > 0.0f && rest_xl * rest_xl * sum_ll > sum_xl * sum_xl * rest_ll) {
        code[i] = moved;
        sum_xl = rest_xl;
        sum_ll = rest_ll;
        changed = true;
      }
    }
  }
  for (size_t i = 0; i < N; ++i) codes[i] = static_cast<uint8_t>(top + static_cast<int>(code[i]));
  return sum_ll > 0.0f ? sum_xl / sum_ll : 0.0f;
}

// What search_scale_min minimizes: the sum of weighted squares, or of weighted magnitudes (the scale and minimum of a
// try are the least-squares ones in both cases).
enum ErrorOf { kSquaredError, kAbsoluteError };

// Codes with a minimum: x ~ scale * code + min, code in 0 .. top, min <= 0. Minimizes sum weights (scale * code + min -
// x)^2, or the same with magnitudes. Returns the scale, `*minimum` = min.
template <size_t N, ErrorOf error_of = kSquaredError>
float search_scale_min(const float* x, const float* weights, int top, ScaleSteps steps, uint8_t* codes,
                       float* minimum) {
  float min = x[0], max = x[0];
  float sum_w = weights[0], sum_x = sum_w * x[0];
  for (size_t i = 1; i < N; ++i) {
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (min > 0.0f) min = 0.0f;
  if (max == min) {
    for (size_t i = 0; i < N; ++i) codes[i] = 0;
    *minimum = min;
    return 0.0f;
  }
  const float plain_inverse = static_cast<float>(top) / (max - min);
  float scale = 1.0f / plain_inverse;
  float best = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    const int code = clamp_int(round_to_int(plain_inverse * (x[i] - min)), 0, top);
    codes[i] = static_cast<uint8_t>(code);
    const float difference = scale * static_cast<float>(code) + min - x[i];
    best += weights[i] * (error_of == kSquaredError ? difference * difference : __builtin_fabsf(difference));
  }
  for (int attempt = 0; attempt <= steps.last; ++attempt) {
    const float numerator = steps.first + steps.step * static_cast<float>(attempt) + static_cast<float>(top);
    const float inverse = numerator / (max - min);  // min is the best one so far, not the smallest weight
    uint8_t tried[N];
    float sum_l = 0.0f, sum_ll = 0.0f, sum_xl = 0.0f;
    for (size_t i = 0; i < N; ++i) {
      const int rounded = clamp_int(round_to_int(inverse * (x[i] - min)), 0, top);
      tried[i] = static_cast<uint8_t>(rounded);
      const float code = static_cast<float>(rounded);
      sum_l += weights[i] * code;
      sum_ll += weights[i] * code * code;
      sum_xl += weights[i] * code * x[i];
    }
    const float determinant = sum_w * sum_ll - sum_l * sum_l;
    if (!(determinant > 0.0f)) continue;
    float try_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    float try_min = (sum_ll * sum_x - sum_l * sum_xl) / determinant;
    if (try_min > 0.0f) {
      try_min = 0.0f;
      try_scale = sum_xl / sum_ll;
    }
    float error = 0.0f;
    for (size_t i = 0; i < N; ++i) {
      const float difference = try_scale * static_cast<float>(tried[i]) + try_min - x[i];
      error += weights[i] * (error_of == kSquaredError ? difference * difference : __builtin_fabsf(difference));
    }
    if (error < best) {
      for (size_t i = 0; i < N; ++i) codes[i] = tried[i];
      best = error;
      scale = try_scale;
      min = try_min;
    }
  }
  *minimum = min;
  return scale;
}

// Non-negative codes for the scales of a super-block: x ~ scale * code, code in 0 .. top. Minimizes
// sum weights (x - scale * code)^2: nine scales, then up to five rounds that move single codes. Returns the scale.
template <size_t N>
float search_positive_scale(const float* x, const float* weights, int top, uint8_t* codes) {
  float max = 0.0f;
  for (size_t i = 0; i < N; ++i) max = max > x[i] ? max : x[i];
  if (max < kEmptyBlock) {
    for (size_t i = 0; i < N; ++i) codes[i] = 0;
    return 0.0f;
  }
  float inverse = static_cast<float>(top) / max;
  const float plain_scale = 1.0f / inverse;
  float best = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    const float code = static_cast<float>(static_cast<uint8_t>(round_to_int(inverse * x[i])));
    const float difference = x[i] - plain_scale * code;
    best += weights[i] * difference * difference;
  }
  for (int shift = -4; shift <= 4; ++shift) {
    if (shift == 0) continue;
    const float try_inverse = (0.1f * static_cast<float>(shift) + static_cast<float>(top)) / max;
    const float try_scale = 1.0f / try_inverse;
    float error = 0.0f;
    for (size_t i = 0; i < N; ++i) {
      const int rounded = round_to_int(try_inverse * x[i]);
      const float difference = x[i] - try_scale * static_cast<float>(rounded < top ? rounded : top);
      error += weights[i] * difference * difference;
    }
    if (error < best) best = error, inverse = try_inverse;
  }
  float sum_xl = 0.0f, sum_ll = 0.0f;
  for (size_t i = 0; i < N; ++i) {
    const int rounded = round_to_int(inverse * x[i]);
    const int code = rounded < top ? rounded : top;
    codes[i] = static_cast<uint8_t>(code);
    sum_xl += weights[i] * x[i] * static_cast<float>(code);
    sum_ll += weights[i] * static_cast<float>(code) * static_cast<float>(code);
  }
  for (int round = 0; round < 5; ++round) {
    bool changed = false;
    for (size_t i = 0; i < N; ++i) {
      const float w = weights[i];
      const float code = static_cast<float>(codes[i]);
      float rest_xl = sum_xl - w * x[i] * code;
      float rest_ll = sum_ll - w * code * code;
      if (!(rest_xl > 0.0f && rest_ll > 0.0f)) continue;
      const int rounded = round_to_int(x[i] * rest_ll / rest_xl);
      const int moved = rounded < top ? rounded : top;
      if (moved == codes[i]) continue;
      rest_xl += w * x[i] * static_cast<float>(moved);
      rest_ll += w * static_cast<float>(moved) * static_cast<float>(moved);
      if (rest_xl * rest_xl * sum_ll > sum_xl * sum_xl * rest_ll) {
        codes[i] = static_cast<uint8_t>(moved);
        sum_xl = rest_xl;
        sum_ll = rest_ll;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return sum_ll > 0.0f ? sum_xl / sum_ll : 0.0f;
}

}  // namespace
