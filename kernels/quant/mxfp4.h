// MXFP4: 32 weights, a power of two as scale, 4-bit floats (e2m1.h).
//
//   byte 0             1 .. 16
//        e (E8M0)      byte 1 + i:  bits 0-3 code i, bits 4-7 code i + 16        weight i = 2^(e - 128) * kE2M1[code i]
//   e = 255 is reserved (NaN); a file that contains it is invalid.
#pragma once

#include "quant/e2m1.h"

namespace {

struct block_mxfp4 {
  uint8_t e;
  uint8_t codes[16];
};
static_assert(sizeof(block_mxfp4) == 17, "MXFP4 is 17 bytes per 32 weights");

// 2^(e - 128); the first two are denormal.
inline float mxfp4_scale(uint8_t e) {
  return float_of(e < 2 ? 0x00200000u << e : (static_cast<uint32_t>(e) - 1) << 23);
}

// floor(log2f(x)) for x > 0, as a correctly rounded log2f gives it: that is the exponent, except just below a power of
// two 2^k, where the logarithm rounds up to k. With x = 2^k (1 - n * 2^-24), log2 x = k - n * 2^-24 / ln 2 rounds to k
// when that is less than half a step of the floats just below k: n < 2^q * ln 2, q the binary exponent of the numbers
// there. Such an n is never close to the limit (nearest: 11 of 11.09), so any log2f within 0.75 ulp agrees.
inline int floor_of_log2f(float x) {
  int shift = 0;
  if (bits_of(x) < 0x00800000u) x *= 0x1.0p+24f, shift = 24;  // denormal: exact
  const uint32_t bits = bits_of(x);
  const int exponent = static_cast<int>(bits >> 23) - 127 - shift;
  const uint32_t below = 0x00800000u - (bits & 0x007fffffu);  // n, if 2^k is the next power of two
  if (below > 88) return exponent;                            // 2^7 * ln 2 is the largest limit
  const int k = exponent + 1;
  const int size = k > 0 ? k - 1 : -k;  // |log2 x| rounded down to an integer
  int q = -1;
  while (size >> (q + 1)) ++q;
  const float limit = q >= 0 ? static_cast<float>(1 << q) * 0.693147181f : 0.0f;
  return static_cast<float>(below) < limit ? k : exponent;
}

// The largest weight gets the largest code exponent. What is below 2^-125 wraps around, as x86 converts a negative
// number to a byte: 2^-126 then gives the invalid 255, and smaller weights a huge scale with all codes 0.
inline uint8_t mxfp4_exponent(float magnitude) {
  return magnitude > 0.0f ? static_cast<uint8_t>(floor_of_log2f(magnitude) - 2 + 127) : 0;
}

inline void quantize_row_mxfp4_ref(const float* source, block_mxfp4* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / 32; ++b, source += 32) {
    blocks[b].e = mxfp4_exponent(largest_magnitude(source, 32));
    encode_e2m1(source, mxfp4_scale(blocks[b].e), 32, blocks[b].codes);
  }
}

inline void dequantize_row_mxfp4_ref(const block_mxfp4* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b) decode_e2m1(blocks[b].codes, mxfp4_scale(blocks[b].e), 32, target + 32 * b);
}

inline bool scales_finite_mxfp4(const block_mxfp4& block) { return block.e != 255; }

}  // namespace
