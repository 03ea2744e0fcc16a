// What llama.cpp does to activations before a product: it rounds them to a format that suits the weights' type, and its
// logits contain that rounding. The same is done here, in place and in float32, so that a product with decoded weights
// differs from llama.cpp's integer arithmetic only in the order of a few float sums.
#pragma once

#include "exec/math.h"

namespace {

enum Rounding { kKeep, kToHalf, kToBfloat, kToBlocks32, kToBlocks256 };

// By ggml's type number: floats keep their own format, formats with super-blocks of 256 take Q8_K, the others Q8_0.
inline Rounding rounding_for(int32_t type) {
  switch (type) {
    case 0:
      return kKeep;
    case 1:
      return kToHalf;
    case 30:
      return kToBfloat;
    case 2:   // Q4_0
    case 3:   // Q4_1
    case 6:   // Q5_0
    case 7:   // Q5_1
    case 8:   // Q8_0
    case 20:  // IQ4_NL
    case 39:  // MXFP4
    case 40:  // NVFP4
    case 41:  // Q1_0
    case 42:  // Q2_0
      return kToBlocks32;
    default:
      return kToBlocks256;
  }
}

// Q8_0: 32 values, scale = largest magnitude / 127 as binary16, codes rounded half away from zero by the exact scale.
inline void round_blocks_32(float* x, size_t columns) {
  for (size_t b = 0; b < columns; b += 32) {
    float magnitude = 0.0f;
    for (size_t i = 0; i < 32; ++i) {
      const float m = __builtin_fabsf(x[b + i]);
      if (m > magnitude) magnitude = m;
    }
    const float d = magnitude / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const float stored = half_to_float(float_to_half(d));
    for (size_t i = 0; i < 32; ++i) x[b + i] = static_cast<float>(round_half_away(x[b + i] * inverse)) * stored;
  }
}

// Q8_K: 256 values, the extreme becomes code -127 or 127, the scale stays float32; codes rounded half to even.
inline void round_blocks_256(float* x, size_t columns) {
  for (size_t b = 0; b < columns; b += kSuperBlock) {
    float extreme = 0.0f, magnitude = 0.0f;
    for (size_t i = 0; i < kSuperBlock; ++i) {
      const float m = __builtin_fabsf(x[b + i]);
      if (m > magnitude) magnitude = m, extreme = x[b + i];
    }
    if (magnitude == 0.0f) continue;
    const float inverse = -127.0f / extreme, d = 1.0f / inverse;
    for (size_t i = 0; i < kSuperBlock; ++i) {
      const int code = round_to_int(inverse * x[b + i]);
      x[b + i] = static_cast<float>(code < 127 ? code : 127) * d;
    }
  }
}

// `columns` is a multiple of the weights' block size, which is a multiple of the block rounded here.
inline void round_row(Rounding rounding, float* x, size_t columns) {
  switch (rounding) {
    case kKeep:
      return;
    case kToHalf:
      for (size_t i = 0; i < columns; ++i) x[i] = half_to_float(float_to_half(x[i]));
      return;
    case kToBfloat:
      for (size_t i = 0; i < columns; ++i) x[i] = bfloat_to_float(float_to_bfloat(x[i]));
      return;
    case kToBlocks32:
      round_blocks_32(x, columns);
      return;
    case kToBlocks256:
      round_blocks_256(x, columns);
      return;
  }
}

}  // namespace
