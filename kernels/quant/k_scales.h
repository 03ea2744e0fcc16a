// The scales of Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minimums in 12 bytes.
//
//   byte 0 .. 3    bits 0-5 scale 0..3       bits 6-7 upper two bits of scale 4..7
//   byte 4 .. 7    bits 0-5 minimum 0..3     bits 6-7 upper two bits of minimum 4..7
//   byte 8 .. 11   bits 0-3 lower four bits of scale 4..7, bits 4-7 of minimum 4..7
#pragma once

#include "quant/search.h"

namespace {

inline void pack_k_scales(uint8_t* packed, const uint8_t* scales, const uint8_t* mins) {
  for (size_t j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    packed[j + 4] = static_cast<uint8_t>(mins[j] | (mins[j + 4] >> 4) << 6);
    packed[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
  }
}

inline void unpack_k_scales(const uint8_t* packed, uint8_t* scales, uint8_t* mins) {
  for (size_t j = 0; j < 4; ++j) {
    scales[j] = packed[j] & 63;
    mins[j] = packed[j + 4] & 63;
    scales[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    mins[j + 4] = static_cast<uint8_t>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
}

// What both formats start with.
struct KHeader {
  uint16_t d;     // f16 scale of the scales
  uint16_t dmin;  // f16 scale of the minimums
  uint8_t scales[12];
};
static_assert(sizeof(KHeader) == 16, "Q4_K and Q5_K start with 16 bytes of scales");

// Turns the eight sub-block scales and (negated, so non-negative) minimums into the header, and returns in `steps` and
// `offsets` what a decoder will see: weight = steps * code - offsets. `importance_sums` (one per sub-block) selects the
// weighted search; without it the largest value becomes 63.
inline void encode_k_header(KHeader* header, const float* sub_scales, const float* sub_mins,
                            const float* importance_sums, float* steps, float* offsets) {
  uint8_t scales[8], mins[8];
  if (importance_sums) {
    header->d = float_to_half(search_positive_scale<8>(sub_scales, importance_sums, 63, scales));
    header->dmin = float_to_half(search_positive_scale<8>(sub_mins, importance_sums, 63, mins));
  } else {
    float max_scale = 0.0f, max_min = 0.0f;
    for (size_t j = 0; j < 8; ++j) {
      if (sub_scales[j] > max_scale) max_scale = sub_scales[j];
      if (sub_mins[j] > max_min) max_min = sub_mins[j];
    }
    const float inverse_scale = max_scale > 0.0f ? 63.0f / max_scale : 0.0f;
    const float inverse_min = max_min > 0.0f ? 63.0f / max_min : 0.0f;
    for (size_t j = 0; j < 8; ++j) {
      scales[j] = static_cast<uint8_t>(round_to_int(inverse_scale * sub_scales[j]));
      mins[j] = static_cast<uint8_t>(round_to_int(inverse_min * sub_mins[j]));
      if (scales[j] > 63) scales[j] = 63;
      if (mins[j] > 63) mins[j] = 63;
    }
    header->d = float_to_half(max_scale / 63.0f);
    header->dmin = float_to_half(max_min / 63.0f);
  }
  pack_k_scales(header->scales, scales, mins);
  unpack_k_scales(header->scales, scales, mins);
  const float d = half_to_float(header->d), dmin = half_to_float(header->dmin);
  for (size_t j = 0; j < 8; ++j) {
    steps[j] = d * static_cast<float>(scales[j]);
    offsets[j] = dmin * static_cast<float>(mins[j]);
  }
}

// The scales, minimums and codes of one super-block by search: sub-blocks of 32 with codes 0 .. top.
inline void search_k_super_block(const float* x, const float* importance, int top, ScaleSteps plain_steps,
                                 uint8_t* codes, KHeader* header) {
  float scales[8], mins[8], importance_sums[8];
  float super_mean = 0.0f;
  if (importance) {
    for (size_t i = 0; i < kSuperBlock; ++i) super_mean += x[i] * x[i];
    super_mean = 2.0f * super_mean / static_cast<float>(kSuperBlock);
  }
  for (size_t j = 0; j < 8; ++j) {
    const float* sub = x + 32 * j;
    float weights[32], min, sum = 0.0f;
    if (importance) {  // importance * sqrt(2 * mean square of the super-block + x^2)
      for (size_t i = 0; i < 32; ++i) {
        weights[i] = importance[32 * j + i] * __builtin_sqrtf(super_mean + sub[i] * sub[i]);
        sum += weights[i];
      }
      importance_sums[j] = sum;
    } else {  // root mean square of the sub-block + |x|
      for (size_t i = 0; i < 32; ++i) sum += sub[i] * sub[i];
      const float rms = __builtin_sqrtf(sum / 32.0f);
      for (size_t i = 0; i < 32; ++i) weights[i] = rms + __builtin_fabsf(sub[i]);
    }
    scales[j] =
        search_scale_min<32>(sub, weights, top, importance ? kStepsImportance : plain_steps, codes + 32 * j, &min);
    mins[j] = -min;
  }
  float steps[8], offsets[8];
  encode_k_header(header, scales, mins, importance ? importance_sums : nullptr, steps, offsets);
  // Codes again, for the scales as stored; a sub-block whose scale became 0 keeps the codes of the search.
  for (size_t j = 0; j < 8; ++j) {
    if (steps[j] == 0.0f) continue;
    for (size_t i = 0; i < 32; ++i) {
      const int code = round_to_int((x[32 * j + i] + offsets[j]) / steps[j]);
      codes[32 * j + i] = static_cast<uint8_t>(clamp_int(code, 0, top));
    }
  }
}

}  // namespace
