// Sums and elementary functions whose bits are the same on every machine and in WebAssembly: no libm, no fused
// multiply-add, one order of summation. exp, sin and cos work in double precision and are then rounded to float once
// (error below 1e-14 before that, so the float is the nearest one but for cases in a hundred million).
#pragma once

#include "quant/common.h"

namespace {

// Sixteen partial sums, element i in sum i mod 16, folded 8, 4, 2, 1: every instruction set with 4, 8 or 16 lanes can
// do this order, and a compiler can vectorize it, which it may not do with a single ordered sum.
template <class Product>
inline float dot_of(size_t count, Product product) {
  float sums[16] = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (size_t j = 0; j < 16; ++j) sums[j] += product(i + j);
  }
  for (size_t j = 0; i + j < count; ++j) sums[j] += product(i + j);
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) sums[j] += sums[j + width];
  }
  return sums[0];
}

inline float dot(const float* a, const float* b, size_t count) {
  return dot_of(count, [a, b](size_t i) { return a[i] * b[i]; });
}

inline float sum(const float* a, size_t count) {
  return dot_of(count, [a](size_t i) { return a[i]; });
}

inline double double_of(uint64_t bits) {
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// Nearest integer, ties to even, of |value| < 2^51: adding 1.5 * 2^52 leaves it in the low bits.
inline double nearest(double value) { return value + 6755399441055744.0 - 6755399441055744.0; }

// x = k ln 2 + r with |r| <= ln 2 / 2, then the Taylor series of e^r to the 13th power (remainder 4e-18).
inline double exp_double(double x) {
  if (!(x > -745.0)) return x != x ? x : 0.0;
  if (x > 709.0) return double_of(0x7ff0000000000000u);
  const double k = nearest(x * 1.4426950408889634);
  const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double series = 1.0;
  for (int n = 13; n >= 1; --n) series = 1.0 + series * r / static_cast<double>(n);
  // In two steps: for k < -1022 the power itself would be denormal.
  const int64_t power = static_cast<int64_t>(k), half = power / 2;
  const double first = double_of(static_cast<uint64_t>(half + 1023) << 52);
  return series * first * double_of(static_cast<uint64_t>(power - half + 1023) << 52);
}

inline float exp_float(float x) { return static_cast<float>(exp_double(static_cast<double>(x))); }

// 1 - 2 / (e^2x + 1): exact to a few units in the last place of a double but near 0, where the float does not show it.
inline float tanh_float(float x) {
  if (x > 20.0f) return 1.0f;
  if (x < -20.0f) return -1.0f;
  return static_cast<float>(1.0 - 2.0 / (exp_double(2.0 * static_cast<double>(x)) + 1.0));
}

inline float silu(float x) {
  return static_cast<float>(static_cast<double>(x) / (1.0 + exp_double(-static_cast<double>(x))));
}

// GELU by its tanh form. Input and output are rounded to binary16, because llama.cpp looks it up in a table of those:
// with exact values the logits of the reference models differ by up to 1.8e-4 of their range, so by 4.8e-5.
inline float gelu(float x) {
  if (x <= -10.0f) return 0.0f;
  if (x >= 10.0f) return x;
  const double y = static_cast<double>(half_to_float(float_to_half(x)));
  const double inner = 0.79788456080286535588 * y * (1.0 + 0.044715 * y * y);
  const double exact = 0.5 * y * (2.0 - 2.0 / (exp_double(2.0 * inner) + 1.0));
  return half_to_float(float_to_half(static_cast<float>(exact)));
}

struct SinCos {
  double sine, cosine;
};

// x = k pi/2 + r, pi/2 in three parts (good to |x| = 1e8, far beyond any position), Taylor series on |r| <= pi/4.
inline SinCos sin_cos(double x) {
  const double k = nearest(x * 0.63661977236758134308);
  const double r = ((x - k * 1.57079632673412561417) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21;
  const double square = r * r;
  double sine = 1.0, cosine = 1.0;
  for (int n = 17; n >= 3; n -= 2) sine = 1.0 - sine * square / static_cast<double>(n * (n - 1));
  for (int n = 18; n >= 2; n -= 2) cosine = 1.0 - cosine * square / static_cast<double>(n * (n - 1));
  sine *= r;
  switch (static_cast<int64_t>(k) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace
