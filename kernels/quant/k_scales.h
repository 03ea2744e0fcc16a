// The scales of Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minimums in 12 bytes.
//
//   byte 0 .. 3    bits 0-5 scale 0..3       bits 6-7 upper two bits of scale 4..7
//   byte 4 .. 7    bits 0-5 minimum 0..3     bits 6-7 upper two bits of minimum 4..7
//   byte 8 .. 11   bits 0-3 lower four bits of scale 4..7, bits 4-7 of minimum 4..7
#pragma once

#include "quant/super_block.h"

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

// Writes the header for scales and minimums in units of d and dmin, and returns in `steps` and `offsets` what a decoder
// will see: weight = steps * code - offsets. A code above 63 (a negative scale wraps) spills into its neighbours' bits,
// as in ggml.
inline void encode_k_header(KHeader* header, float d, float dmin, const uint8_t* scale_codes, const uint8_t* min_codes,
                            float* steps, float* offsets) {
  uint8_t scales[8], mins[8];
  header->d = float_to_half(d);
  header->dmin = float_to_half(dmin);
  pack_k_scales(header->scales, scale_codes, min_codes);
  unpack_k_scales(header->scales, scales, mins);
  for (size_t j = 0; j < 8; ++j) {
    steps[j] = half_to_float(header->d) * static_cast<float>(scales[j]);
    offsets[j] = half_to_float(header->dmin) * static_cast<float>(mins[j]);
  }
}

// The scales, minimums and codes of one super-block by search: sub-blocks of 32 with codes 0 .. top.
inline void search_k_super_block(const float* x, const float* importance, int top, ScaleSteps plain_steps,
                                 uint8_t* codes, KHeader* header) {
  float scales[8], mins[8], sums[8], steps[8], offsets[8];
  uint8_t scale_codes[8], min_codes[8];
  const float mean_square = importance ? twice_mean_square(x) : 0.0f;
  for (size_t j = 0; j < 8; ++j) {
    const float* sub = x + 32 * j;
    float weights[32], min;
    if (importance) {
      sums[j] = spread_importance<32>(sub, importance + 32 * j, mean_square, weights);
    } else {  // root mean square of the sub-block + |x|
      const float rms = __builtin_sqrtf(row_mean_square(sub, 32));
      for (size_t i = 0; i < 32; ++i) weights[i] = rms + __builtin_fabsf(sub[i]);
    }
    scales[j] =
        search_scale_min<32>(sub, weights, top, importance ? kStepsImportance : plain_steps, codes + 32 * j, &min);
    mins[j] = -min;
  }
  const float d = encode_positive_scales<8>(scales, importance ? sums : nullptr, 63, 63, scale_codes);
  const float dmin = encode_positive_scales<8>(mins, importance ? sums : nullptr, 63, 63, min_codes);
  encode_k_header(header, d, dmin, scale_codes, min_codes, steps, offsets);
  encode_again_with_offsets<32>(x, steps, offsets, top, codes);
}

}  // namespace
