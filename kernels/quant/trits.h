// Weights of -1, 0, 1 times one scale, for TQ1_0 and TQ2_0. Source of the algorithm: ggml-quants.c
// (quantize_row_tq1_0_ref, quantize_row_tq2_0_ref).
#pragma once

#include "quant/common.h"

namespace {

// Largest magnitude of a super-block: its scale.
inline float trit_scale(const float* x) {
  float magnitude = 0.0f;
  for (size_t i = 0; i < kSuperBlock; ++i) {
    const float m = __builtin_fabsf(x[i]);
    magnitude = magnitude > m ? magnitude : m;
  }
  return magnitude;
}

// C's lroundf(scaled) + 1 for |scaled| <= 1: 0, 1 or 2. A scale whose inverse is infinite gives infinities and NaN,
// which x86 turns into the least long, and its low 32 bits are 0: the middle trit.
inline unsigned trit(float scaled) {
  if (scaled >= 0.5f && scaled < 2.0f) return 2;
  if (scaled <= -0.5f && scaled > -2.0f) return 0;
  return 1;
}

}  // namespace
