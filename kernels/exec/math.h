// Sine and cosine whose bits are the same on every machine and in WebAssembly: no libm, no fused multiply-add. In
// double precision (error below 1e-14), so that the float they are rounded to is the nearest one but for cases in a
// hundred million. The other elementary functions are those of vector/.
#pragma once

#include <stdint.h>

namespace {

// Nearest integer, ties to even, of |value| < 2^51: adding 1.5 * 2^52 leaves it in the low bits.
inline double nearest(double value) { return value + 6755399441055744.0 - 6755399441055744.0; }

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
