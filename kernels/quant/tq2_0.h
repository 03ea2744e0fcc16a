// TQ2_0: super-block of 256 ternary weights in two bits each, one scale.
//
//   byte 0 .. 63                                          64 .. 65
//        two halves h of 128 weights                      d (f16)
//   byte 32 * h + m:  bits 2 * n .. + 1 = trit of weight 128 * h + 32 * n + m (n = 0 .. 3)       weight = d * (trit -
//   1)
#pragma once

#include "quant/trits.h"

namespace {

struct block_tq2_0 {
  uint8_t codes[64];
  uint16_t d;
};
static_assert(sizeof(block_tq2_0) == 66, "TQ2_0 is 66 bytes per 256 weights");

inline void quantize_row_tq2_0_ref(const float* source, block_tq2_0* blocks, size_t columns, const float*) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    const float d = trit_scale(source);
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    blocks[b].d = float_to_half(d);
    for (size_t k = 0; k < 64; ++k) {
      const float* x = source + 128 * (k / 32) + k % 32;
      unsigned byte = 0;
      for (size_t n = 0; n < 4; ++n) byte |= trit(x[32 * n] * inverse) << (2 * n);
      blocks[b].codes[k] = static_cast<uint8_t>(byte);
    }
  }
}

inline void dequantize_row_tq2_0_ref(const block_tq2_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    for (size_t w = 0; w < kSuperBlock; ++w) {
      const int code = blocks[b].codes[32 * (w / 128) + w % 32] >> (2 * (w / 32 % 4)) & 3;
      target[w] = static_cast<float>(code - 1) * d;
    }
  }
}

inline bool scales_finite_tq2_0(const block_tq2_0& block) { return half_is_finite(block.d); }

}  // namespace
