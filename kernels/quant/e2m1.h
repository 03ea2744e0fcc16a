// The sixteen values of a 4-bit float with two exponent bits and one mantissa bit (E2M1), for MXFP4 and NVFP4: doubled,
// so that they are integers, which both formats undo by halving their scale.
//
// Sources: OCP Microscaling Formats (MX) v1.0; ggml-quants.c (best_index_mxfp4).
#pragma once

#include "quant/common.h"

namespace {

constexpr int8_t kE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// The first code whose value * d is nearest as float arithmetic sees it: that is a different one where d is 0, where
// value * d overflows, and where a weight is so far beyond 12 * d that the distances round to the same number. The
// negative zero, code 8, is never nearer than the positive one.
inline unsigned nearest_e2m1(float x, float d) {
  const float magnitude = __builtin_fabsf(x);
  float best = magnitude;
  unsigned code = 0;
  for (unsigned k = 1; k < 8; ++k) {
    const float error = __builtin_fabsf(static_cast<float>(kE2M1[k]) * d - magnitude);
    if (error < best) best = error, code = k;
  }
  return code != 0 && x < 0.0f ? code | 8u : code;
}

// `count` weights in count / 2 bytes: code i in the low nibble, code i + count / 2 in the high one.
inline void encode_e2m1(const float* x, float d, size_t count, uint8_t* packed) {
  for (size_t i = 0; i < count / 2; ++i) {
    packed[i] = static_cast<uint8_t>(nearest_e2m1(x[i], d) | nearest_e2m1(x[i + count / 2], d) << 4);
  }
}

inline void decode_e2m1(const uint8_t* packed, float d, size_t count, float* target) {
  for (size_t i = 0; i < count / 2; ++i) {
    target[i] = static_cast<float>(kE2M1[packed[i] & 15]) * d;
    target[i + count / 2] = static_cast<float>(kE2M1[packed[i] >> 4]) * d;
  }
}

}  // namespace
