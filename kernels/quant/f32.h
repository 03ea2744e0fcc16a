// F32: the weights themselves, little-endian IEEE binary32. Encoding and decoding copy.
#pragma once

#include "quant/common.h"

namespace {

struct block_f32 {
  float value;
};
static_assert(sizeof(block_f32) == 4, "F32 is 4 bytes per weight");

inline void quantize_row_f32_ref(const float* source, block_f32* blocks, size_t columns, const float*) {
  __builtin_memcpy(blocks, source, columns * sizeof(float));
}

inline void dequantize_row_f32_ref(const block_f32* blocks, float* target, size_t columns) {
  __builtin_memcpy(target, blocks, columns * sizeof(float));
}

inline bool scales_finite_f32(const block_f32& block) { return is_finite(block.value); }

}  // namespace
