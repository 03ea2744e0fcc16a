// TQ1_0: super-block of 256 ternary weights, five in a byte (3^5 = 243), one scale.
//
//   byte 0 .. 31            32 .. 47                 48 .. 51                 52 .. 53
//        weights 0 .. 159   weights 160 .. 239       weights 240 .. 255       d (f16)
//        32 columns of 5    16 columns of 5          4 columns of 4           weight = d * (trit - 1)
//   Weight n * width + m of a part is trit n of byte m. With q = the trits as a base-3 number, trit 0 first and padded
//   to five, the byte is ceil(q * 256 / 243): trit n is the integer part of 3 * ((byte * 3^n) mod 256) / 256.
#pragma once

#include "quant/trits.h"

namespace {

struct block_tq1_0 {
  uint8_t codes[52];
  uint16_t d;
};
static_assert(sizeof(block_tq1_0) == 54, "TQ1_0 is 54 bytes per 256 weights");

struct TritPart {
  size_t first_weight, first_byte, width, trits;
};
constexpr TritPart kTritParts[3] = {{0, 0, 32, 5}, {160, 32, 16, 5}, {240, 48, 4, 4}};

inline void quantize_row_tq1_0_ref(const float* source, block_tq1_0* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    const float d = trit_scale(source);
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    blocks[b].d = float_to_half(d);
    for (const TritPart& part : kTritParts) {
      for (size_t m = 0; m < part.width; ++m) {
        unsigned number = 0;
        for (size_t n = 0; n < 5; ++n) {
          number *= 3;
          if (n < part.trits) number += trit(source[part.first_weight + part.width * n + m] * inverse);
        }
        blocks[b].codes[part.first_byte + m] = static_cast<uint8_t>((number * 256 + 242) / 243);
      }
    }
  }
}

inline void dequantize_row_tq1_0_ref(const block_tq1_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float d = half_to_float(blocks[b].d);
    for (const TritPart& part : kTritParts) {
      unsigned power = 1;
      for (size_t n = 0; n < part.trits; ++n, power *= 3) {
        for (size_t m = 0; m < part.width; ++m) {
          const unsigned fraction = blocks[b].codes[part.first_byte + m] * power & 255u;
          *target++ = static_cast<float>(static_cast<int>(fraction * 3 >> 8) - 1) * d;
        }
      }
    }
  }
}

inline bool scales_finite_tq1_0(const block_tq1_0& block) { return half_is_finite(block.d); }

}  // namespace
