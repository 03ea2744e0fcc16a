// IQ4_NL: 32 weights, one scale, 4-bit codes of a non-linear grid (grid4.h).
//
//   byte 0 .. 1    2 .. 17
//        d (f16)   byte 2 + i:  bits 0-3 code i, bits 4-7 code i + 16        weight i = d * kGrid4[code i]
#pragma once

#include "quant/grid4.h"

namespace {

struct block_iq4_nl {
  uint16_t d;
  uint8_t codes[16];
};
static_assert(sizeof(block_iq4_nl) == 18, "IQ4_NL is 18 bytes per 32 weights");

// The codes follow from the scale of the search, before it is rounded to half precision.
inline void quantize_row_iq4_nl_ref(const float* source, block_iq4_nl* blocks, size_t columns,
                                    const float* importance) {
  for (size_t b = 0; b < columns / 32; ++b) {
    const float* x = source + 32 * b;
    float weights[32];
    if (importance) {
      float squares = 0.0f;
      for (size_t i = 0; i < 32; ++i) squares += x[i] * x[i];
      grid4_weights(x, importance + 32 * b, squares * (2.0f / 32.0f), weights);
    }
    const float scale = search_grid4_scale(x, importance ? weights : nullptr);
    blocks[b].d = float_to_half(scale);
    encode_grid4(x, scale, blocks[b].codes);
  }
}

// Without the search: the largest weight becomes -127, and the scale is the best one for the codes that this gives. A
// block of zeros gets the codes of the block before it, as in ggml, whose first one is arbitrary: here 8. Its scale is
// 0.
inline void quantize_row_iq4_nl_plain(const float* source, block_iq4_nl* blocks, size_t columns) {
  uint8_t codes[32];
  __builtin_memset(codes, 8, sizeof codes);
  for (size_t b = 0; b < columns / 32; ++b) {
    const float* x = source + 32 * b;
    float extreme = 0.0f, scale = 0.0f;
    if (extreme_weight(x, &extreme)) {
      const float inverse = 1.0f / (extreme / -127.0f);
      const Grid4Fit fit = fit_grid4(x, nullptr, inverse);
      scale = fit.qq > 0.0f ? fit.xq / fit.qq : 0.0f;
      for (size_t i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(nearest_grid4(inverse * x[i]));
    }
    blocks[b].d = float_to_half(scale);
    pack_nibbles_16(codes, blocks[b].codes);
  }
}

inline void dequantize_row_iq4_nl_ref(const block_iq4_nl* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b) decode_grid4(blocks[b].codes, half_to_float(blocks[b].d), target + 32 * b);
}

inline bool scales_finite_iq4_nl(const block_iq4_nl& block) { return half_is_finite(block.d); }

}  // namespace
