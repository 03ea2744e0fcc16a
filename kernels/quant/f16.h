// F16: IEEE binary16 per weight.
//
//   bit 15   14 ... 10   9 ... 0
//       sign  exponent   mantissa     value = (-1)^sign * 2^(exponent - 15) * 1.mantissa
#pragma once

#include "quant/common.h"

namespace {

struct block_f16 {
  uint16_t value;
};
static_assert(sizeof(block_f16) == 2, "F16 is 2 bytes per weight");

inline void quantize_row_f16_ref(const float* source, block_f16* blocks, size_t columns, const float*) {
  for (size_t i = 0; i < columns; ++i) blocks[i].value = float_to_half(source[i]);
}

inline void dequantize_row_f16_ref(const block_f16* blocks, float* target, size_t columns) {
  for (size_t i = 0; i < columns; ++i) target[i] = half_to_float(blocks[i].value);
}

inline bool scales_finite_f16(const block_f16& block) { return half_is_finite(block.value); }

}  // namespace
