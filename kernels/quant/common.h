// Float bits, rounding and half-precision conversions that every format shares.
//
// Everything in kernels/quant is `static inline` or in an unnamed namespace: the same header is compiled once per
// instruction set with other -m flags, and a shared symbol would let the linker put AVX-512 code under a baseline
// caller.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ggml blocks are little-endian and are read in place"
#endif
#if defined(__FAST_MATH__)
#error "the kernels are bit-exact: build without -ffast-math"
#endif

namespace {

constexpr size_t kSuperBlock = 256;  // weights in a K-quant super-block

inline uint32_t bits_of(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline bool is_finite(float value) { return (bits_of(value) & 0x7f800000u) != 0x7f800000u; }

// Nearest integer, ties to even, by adding 1.5 * 2^23: the sum's mantissa is then the integer. Defined through the bits
// for every input, because the search for a scale may overflow in a block whose result is discarded later.
inline int round_to_int(float value) {
  return static_cast<int>(bits_of(value + 12582912.0f) & 0x007fffffu) - 0x00400000;
}

// float -> int32 as x86 does it: toward zero, and INT_MIN for NaN or anything out of range. C++ leaves that undefined
// and WebAssembly saturates, but blocks of denormals (scale 1/d = infinity) depend on it.
inline int32_t truncate_to_int(float value) {
  if (value >= -2147483648.0f && value < 2147483648.0f) return static_cast<int32_t>(value);
  return INT32_MIN;
}

// Nearest integer, ties away from zero (C's roundf), then as truncate_to_int. `value + 0.5` would be wrong for
// 0.49999997f, so the fraction is compared instead: it is exact. It is 1 or more only where truncation failed.
inline int32_t round_half_away(float value) {
  const int32_t whole = truncate_to_int(value);
  const float fraction = value - static_cast<float>(whole);
  if (fraction >= 0.5f && fraction < 1.0f) return whole + 1;
  if (fraction <= -0.5f && fraction > -1.0f) return whole - 1;
  return whole;
}

inline int clamp_int(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

// IEEE binary16: s eeeee mmmmmmmmmm. Infinity and NaN keep their payload; a signalling NaN becomes quiet.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31u;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero or denormal: mantissa * 2^-24, exact in float32
    return float_of(sign | bits_of(static_cast<float>(mantissa) * 0x1.0p-24f));
  }
  if (exponent == 31) return float_of(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x00400000u : 0u));
  return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

// Rounds to nearest, ties to even; every NaN becomes 0x7e00 with its sign. The float addition does the rounding: `base`
// is the value pushed against a power of two 2^13 float steps above its own last kept bit.
inline uint16_t float_to_half(float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  // * 2^112 * 2^-110 turns what is too big for binary16 into infinity and leaves the rest scaled by 4.
  const float base = float_of(magnitude) * 0x1.0p+112f * 0x1.0p-110f;
  uint32_t exponent = magnitude & 0x7f800000u;
  if (exponent < 0x38800000u) exponent = 0x38800000u;  // below 2^-14: denormal step 2^-24
  const uint32_t rounded = bits_of(float_of(exponent + 0x07800000u) + base);
  return static_cast<uint16_t>(sign | (((rounded >> 13) & 0x7c00u) + (rounded & 0x0fffu)));
}

// bfloat16: the upper half of a float32, rounded to nearest, ties to even; a NaN stays a (quiet) NaN.
inline uint16_t float_to_bfloat(float value) {
  const uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float bfloat_to_float(uint16_t bfloat) { return float_of(static_cast<uint32_t>(bfloat) << 16); }

inline bool half_is_finite(uint16_t half) { return (half & 0x7c00u) != 0x7c00u; }

// The fifth bit of 32 five-bit codes, code i at bit i. Eight bytes at a time: the product moves bit 0 of byte k to bit
// 56 + k.
inline uint32_t gather_fifth_bits(const uint8_t* codes) {
  uint32_t result = 0;
  for (size_t group = 0; group < 4; ++group) {
    uint64_t bytes;
    __builtin_memcpy(&bytes, codes + 8 * group, 8);
    const uint64_t bits = (bytes >> 4) & 0x0101010101010101u;
    result |= static_cast<uint32_t>((bits * 0x0102040810204080u) >> 56) << (8 * group);
  }
  return result;
}

// Two halves of 16 four-bit codes in one 16-byte field: code i in the low nibble, code i + 16 in the high one.
inline void pack_nibbles_16(const uint8_t* codes, uint8_t* packed) {
  for (size_t i = 0; i < 16; ++i) {
    packed[i] = static_cast<uint8_t>((codes[i] & 15u) | static_cast<unsigned>(codes[i + 16]) << 4);
  }
}

// Largest magnitude. The bits of positive floats are in the order of their values, and an integer maximum may be taken
// in any order, which lets the compiler vectorize it.
inline float largest_magnitude(const float* x, size_t count) {
  int32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t m = static_cast<int32_t>(bits_of(x[i]) & 0x7fffffffu);
    largest = m > largest ? m : largest;
  }
  return float_of(static_cast<uint32_t>(largest));
}

// Mean square of a row, summed in order: part of the importance weights of the 32-weight formats.
inline float row_mean_square(const float* row, size_t columns) {
  float sum = 0.0f;
  for (size_t i = 0; i < columns; ++i) sum += row[i] * row[i];
  return sum / static_cast<float>(columns);
}

}  // namespace
