// What the encoders share: rows cut into batches of blocks, and what a batch has found written to its blocks.
#pragma once

#include "quantize/search-inl.h"

namespace {

// Writes codes[u][i] (small non-negative integers in float vectors, or bytes in integer vectors) as bytes in the order
// of the weights: four weights of a block are joined to a word in registers, then words are scattered.
template <size_t N>
void store_codes(const I (&codes)[N], uint8_t* bytes) {
  alignas(64) uint32_t words[kLanes];
  for (size_t i = 0; i < N; i += 4) {
    const I low = Simd::or_i(codes[i], Simd::shl<8>(codes[i + 1]));
    const I high = Simd::or_i(Simd::shl<16>(codes[i + 2]), Simd::shl<24>(codes[i + 3]));
    Simd::store_i(words, Simd::or_i(low, high));
    for (size_t lane = 0; lane < kLanes; ++lane) __builtin_memcpy(bytes + lane * N + i, words + lane, 4);
  }
}

inline void store_halves(F values, uint16_t* halves) { Simd::store_u16(halves, Half::from_float(values)); }

// Runs `encode(source, importance, blocks)` on batches of `Batch` blocks of `Weights` weights; a last, shorter batch is
// padded with zero weights in a copy.
template <size_t Batch, size_t Weights, class Block, class Encode>
void for_each_batch(const float* source, Block* blocks, size_t columns, const float* importance, Encode encode) {
  const size_t count = columns / Weights;
  size_t b = 0;
  for (; b + Batch <= count; b += Batch) {
    encode(source + b * Weights, importance ? importance + b * Weights : nullptr, blocks + b);
  }
  if (b == count) return;
  float padded[Batch * Weights], padded_importance[Batch * Weights];
  Block encoded[Batch];
  const size_t rest = (count - b) * Weights;
  __builtin_memset(padded, 0, sizeof padded);
  __builtin_memcpy(padded, source + b * Weights, rest * sizeof(float));
  if (importance) {
    __builtin_memset(padded_importance, 0, sizeof padded_importance);
    __builtin_memcpy(padded_importance, importance + b * Weights, rest * sizeof(float));
  }
  encode(padded, importance ? padded_importance : nullptr, encoded);
  __builtin_memcpy(blocks + b, encoded, (count - b) * sizeof(Block));
}

// `inverse` of a scale that is 0 is 0.
inline F inverse_or_zero(F d) {
  const F zero = Simd::set(0.0f);
  return Simd::select(Simd::eq(d, zero), zero, Simd::div(Simd::set(1.0f), d));
}

}  // namespace
