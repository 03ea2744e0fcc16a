// NVFP4: 64 weights in 4 sub-blocks of 16, an 8-bit float as scale of each (UE4M3: no sign, 4 exponent bits, 3 mantissa
// bits), 4-bit floats (e2m1.h).
//
//   byte 0 .. 3         4 .. 35
//        scale 0 .. 3   byte 4 + 8 * s + i:  bits 0-3 code i, bits 4-7 code i + 8 of sub-block s
//   weight i of sub-block s = scale s / 2 * kE2M1[code i]
//   A scale byte: eeee mmm in bits 0-6 is 2^(e - 7) * (1 + m / 8), or m * 2^-9 for e = 0; 0x7f means 0; bit 7 is not
//   looked at, except that 0xff is not 0x7f. Every byte is valid.
#pragma once

#include "quant/e2m1.h"

namespace {

struct block_nvfp4 {
  uint8_t scales[4];
  uint8_t codes[32];
};
static_assert(sizeof(block_nvfp4) == 36, "NVFP4 is 36 bytes per 64 weights");

// Half of the scale that a byte stands for.
inline float nvfp4_scale(uint8_t byte) {
  if (byte == 0x7f) return 0.0f;
  const uint32_t exponent = byte >> 3 & 15u, mantissa = byte & 7u;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1.0p-10f;
  return float_of((exponent + 127 - 8) << 23 | mantissa << 20);
}

// To the nearest byte, ties away from zero; but ggml takes the largest, 448 (0x7e), from 256 on, and no normal byte
// below 2^-6.
inline uint8_t float_to_ue4m3(float value) {
  if (!(value > 0.0f)) return 0;
  const uint32_t bits = bits_of(value);
  if (bits < 0x3c800000u) {  // below 2^-6: denormal, steps of 2^-9, at most 7 of them
    const int steps = static_cast<int>(value * 512.0f + 0.5f);
    return static_cast<uint8_t>(steps < 7 ? steps : 7);
  }
  // Exponent and mantissa together: a mantissa that rounds up to 8 raises the exponent.
  const uint32_t rounded = (bits + (1u << 19)) >> 20;
  const uint32_t byte = rounded - ((127u - 7u) << 3);
  return static_cast<uint8_t>(byte < 0x78 ? byte : 0x7e);
}

inline void quantize_row_nvfp4_ref(const float* source, block_nvfp4* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / 64; ++b) {
    for (size_t s = 0; s < 4; ++s, source += 16) {
      blocks[b].scales[s] = float_to_ue4m3(largest_magnitude(source, 16) / 6.0f);
      encode_e2m1(source, nvfp4_scale(blocks[b].scales[s]), 16, blocks[b].codes + 8 * s);
    }
  }
}

inline void dequantize_row_nvfp4_ref(const block_nvfp4* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 64; ++b) {
    for (size_t s = 0; s < 4; ++s, target += 16) {
      decode_e2m1(blocks[b].codes + 8 * s, nvfp4_scale(blocks[b].scales[s]), 16, target);
    }
  }
}

inline bool scales_finite_nvfp4(const block_nvfp4&) { return true; }

}  // namespace
