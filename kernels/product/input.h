// What a product takes instead of activations in float32. llama.cpp rounds activations to a format that suits the
// weights' type before a product, and its logits contain that rounding; the same is done here, to the same values.
//
// A prepared row of `columns` values lies in `columns` floats of memory:
//   kFloats     float32, rounded to the weights' own float format where that is narrower
//   kBlocks32   int8 codes[columns] | int32 sums[columns / 32] of codes | float scales[columns / 32]        (ggml's
//   Q8_0) kBlocks256  int8 codes[columns] | int16 sums[columns / 16] of codes | float scales[columns / 256] (ggml's
//   Q8_K)
//
// Codes are -127 .. 127, so their signs can be turned. A block with a NaN or an infinity gets a NaN as scale and codes
// of 0: it makes every product NaN instead of hiding it. Q8_K proper gives the extreme value the code -127, whatever
// its sign; here its code has its own sign and the scale is positive: both change sign together, so no product differs
// by a bit.
#pragma once

#include "quant/common.h"

namespace {

// Floats keep their own format, formats with super-blocks of 256 take kBlocks256, the others kBlocks32.
enum class Input { kFloat32, kHalf, kBfloat, kBlocks32, kBlocks256 };

struct Blocks32 {
  const int8_t* codes;
  const int32_t* sums;
  const float* scales;

  static Blocks32 of(const void* row, size_t columns) {
    const int8_t* codes = static_cast<const int8_t*>(row);
    const int32_t* sums = reinterpret_cast<const int32_t*>(codes + columns);
    return {codes, sums, reinterpret_cast<const float*>(sums + columns / 32)};
  }
};

struct Blocks256 {
  const int8_t* codes;
  const int16_t* sums;
  const float* scales;

  static Blocks256 of(const void* row, size_t columns) {
    const int8_t* codes = static_cast<const int8_t*>(row);
    const int16_t* sums = reinterpret_cast<const int16_t*>(codes + columns);
    return {codes, sums, reinterpret_cast<const float*>(sums + columns / 16)};
  }
};

// The largest magnitude; a NaN if there is one, because its bits are the largest.
template <size_t N>
float magnitude_of(const float* x) {
  int32_t largest = 0;
  for (size_t i = 0; i < N; ++i) {
    const int32_t bits = static_cast<int32_t>(bits_of(x[i]) & 0x7fffffffu);
    largest = largest > bits ? largest : bits;
  }
  return float_of(static_cast<uint32_t>(largest));
}

// scale = largest magnitude / 127 as binary16; codes rounded half away from zero by the scale before it is narrowed.
inline void prepare_blocks_32(const float* x, size_t columns, void* row) {
  int8_t* codes = static_cast<int8_t*>(row);
  int32_t* sums = reinterpret_cast<int32_t*>(codes + columns);
  float* scales = reinterpret_cast<float*>(sums + columns / 32);
  for (size_t b = 0; b < columns / 32; ++b, x += 32, codes += 32) {
    const float magnitude = magnitude_of<32>(x);
    const bool finite = is_finite(magnitude);
    const float d = magnitude / 127.0f, inverse = finite && d != 0.0f ? 1.0f / d : 0.0f;
    int32_t sum = 0;
    for (size_t i = 0; i < 32; ++i) {
      const float scaled = finite ? x[i] * inverse : 0.0f;
      const int32_t whole = static_cast<int32_t>(scaled);
      const float fraction = scaled - static_cast<float>(whole);
      const int32_t code = whole + (fraction >= 0.5f ? 1 : 0) - (fraction <= -0.5f ? 1 : 0);
      codes[i] = static_cast<int8_t>(code);
      sum += code;
    }
    sums[b] = sum;
    scales[b] = finite ? half_to_float(float_to_half(d)) : __builtin_nanf("");
  }
}

// inverse = 127 / largest magnitude, scale = 1 / inverse in float32; codes rounded half to even.
inline void prepare_blocks_256(const float* x, size_t columns, void* row) {
  int8_t* codes = static_cast<int8_t*>(row);
  int16_t* sums = reinterpret_cast<int16_t*>(codes + columns);
  float* scales = reinterpret_cast<float*>(sums + columns / 16);
  for (size_t b = 0; b < columns / kSuperBlock; ++b, x += kSuperBlock, codes += kSuperBlock, sums += 16) {
    const float magnitude = magnitude_of<kSuperBlock>(x);
    const bool finite = is_finite(magnitude);
    const float inverse = finite && magnitude != 0.0f ? 127.0f / magnitude : 0.0f;
    const bool usable = is_finite(inverse) && inverse != 0.0f;
    for (size_t i = 0; i < kSuperBlock; ++i) {
      codes[i] = static_cast<int8_t>(round_to_int(usable ? x[i] * inverse : 0.0f));
    }
    for (size_t s = 0; s < 16; ++s) {
      int32_t sum = 0;
      for (size_t i = 0; i < 16; ++i) sum += codes[16 * s + i];
      sums[s] = static_cast<int16_t>(sum);
    }
    scales[b] = !finite ? __builtin_nanf("") : usable ? 1.0f / inverse : 0.0f;
  }
}

// Rounds to binary16 and back: `Ops` has it for vectors, one by one it takes 3 ns a value.
template <Input input, class Ops>
void prepare_input(const float* x, size_t columns, void* row) {
  float* floats = static_cast<float*>(row);
  if constexpr (input == Input::kFloat32) {
    __builtin_memcpy(row, x, columns * sizeof(float));
  } else if constexpr (input == Input::kHalf) {
    Ops::round_to_half(x, columns, floats);
  } else if constexpr (input == Input::kBfloat) {
    for (size_t i = 0; i < columns; ++i) floats[i] = bfloat_to_float(float_to_bfloat(x[i]));
  } else if constexpr (input == Input::kBlocks32) {
    prepare_blocks_32(x, columns, row);
  } else {
    prepare_blocks_256(x, columns, row);
  }
}

}  // namespace
