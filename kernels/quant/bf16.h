// BF16: the upper 16 bits of a float32 per weight.
//
//   bit 15   14 ... 7   6 ... 0
//       sign  exponent  mantissa      value = (-1)^sign * 2^(exponent - 127) * 1.mantissa
#pragma once

#include "quant/common.h"

namespace {

struct block_bf16 {
  uint16_t value;
};
static_assert(sizeof(block_bf16) == 2, "BF16 is 2 bytes per weight");

inline void quantize_row_bf16_ref(const float* source, block_bf16* blocks, size_t columns, const float*) {
  for (size_t i = 0; i < columns; ++i) blocks[i].value = float_to_bfloat(source[i]);
}

// Through integers: a signalling NaN must come out bit for bit.
inline void dequantize_row_bf16_ref(const block_bf16* blocks, float* target, size_t columns) {
  for (size_t i = 0; i < columns; ++i) {
    const uint32_t bits = static_cast<uint32_t>(blocks[i].value) << 16;
    __builtin_memcpy(target + i, &bits, sizeof bits);
  }
}

inline bool scales_finite_bf16(const block_bf16& block) { return (block.value & 0x7f80u) != 0x7f80u; }

}  // namespace
