// The codebooks of the IQ1, IQ2 and IQ3 formats: which magnitudes (IQ1: values) a code index stands for.
//
// A codebook is a fact of its format, measured by decoding every index (measure.py) and kept in the generated grids.cc;
// test/kernels/codebooks.test.ts holds it to the SHA-256 of the decoded values. Absent on purpose: decoded tables
// (33 KB in every module; the levels are looked up instead) and what an encoder derives from a grid.
//
//   entry of a grid of 8 weights:  bit 2 * i .. 2 * i + 1 = level of weight i (0 .. 2)
//   entry of a grid of 4 weights:  bit 3 * i .. 3 * i + 2 = level of weight i (0 .. 7)
//   magnitude of weight i = k...Levels[level]; the encoder sees the level as the odd number 2 * level + 1
#pragma once

#include <stdint.h>

extern const int8_t kIq2XxsLevels[3];  // 8, 25, 43: nearly 1 : 3 : 5, as for IQ2_XS and IQ2_S
extern const uint16_t kIq2XxsGrid[256];
extern const int8_t kIq2XsLevels[3];
extern const uint16_t kIq2XsGrid[512];
extern const int8_t kIq2SLevels[3];
extern const uint16_t kIq2SGrid[1024];
extern const int8_t kIq3XxsLevels[8];  // 4, 12, 20, .. 52, 62
extern const uint16_t kIq3XxsGrid[256];
extern const int8_t kIq3SLevels[8];  // 1, 3, .. 15
extern const uint16_t kIq3SGrid[512];
extern const int8_t kIq1SLevels[3];  // -1, 0, 1; the grid of IQ1_M, too
extern const uint16_t kIq1SGrid[2048];

// IQ2_XXS, IQ2_XS and IQ3_XXS store seven of eight signs; the number of minus signs is even. Bit i set: weight i is
// negative.
static inline uint8_t eight_signs(unsigned seven) {
  return static_cast<uint8_t>((seven & 127u) | static_cast<unsigned>(__builtin_parity(seven & 127u)) << 7);
}
