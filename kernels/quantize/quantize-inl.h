// Encoders with one block (or K-quant sub-block) per lane, written once for every instruction set. A translation unit
// per instruction set defines QS_ISA and QS_COLUMN, includes its simd header, then this file; kernels.inc decides which
// of the encoders it becomes the home of.
#pragma once

#include "quant/types.h"
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

// ---- formats of 32 weights ----

// `inverse` of a scale that is 0 is 0.
inline F inverse_or_zero(F d) {
  const F zero = Simd::set(0.0f);
  return Simd::select(Simd::eq(d, zero), zero, Simd::div(Simd::set(1.0f), d));
}

// Q4_0, Q5_0 without importance: d = extreme / -top.
template <int top, class Block>
void encode_symmetric(const float* source, Block* blocks, void (*pack)(Block*, const uint8_t*)) {
  Lanes<32, 1> x;
  x.load(source);
  F extreme = Simd::set(0.0f), magnitude = Simd::set(0.0f);
  for (size_t i = 0; i < 32; ++i) {
    const F m = Simd::abs(x.v[0][i]);
    const M larger = Simd::lt(magnitude, m);
    magnitude = Simd::max(m, magnitude);
    extreme = Simd::select(larger, x.v[0][i], extreme);
  }
  const F d = Simd::div(extreme, Simd::set(static_cast<float>(-top)));
  const F inverse = inverse_or_zero(d);
  I codes[32];
  for (size_t i = 0; i < 32; ++i) {
    const F code = Simd::whole(Simd::add(Simd::mul(x.v[0][i], inverse), Simd::set(static_cast<float>(top) + 0.5f)));
    codes[i] = Simd::min_i(Simd::byte(code), Simd::set_i(2 * top - 1));
  }
  uint8_t bytes[kLanes * 32];
  uint16_t halves[kLanes];
  store_codes<32>(codes, bytes);
  store_halves(d, halves);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    blocks[lane].d = halves[lane];
    pack(blocks + lane, bytes + 32 * lane);
  }
}

// Q4_1, Q5_1 without importance: d = (max - min) / top.
template <int top, class Block>
void encode_affine(const float* source, Block* blocks, void (*pack)(Block*, const uint8_t*)) {
  Lanes<32, 1> x;
  x.load(source);
  F min = Simd::set(__FLT_MAX__), max = Simd::set(-__FLT_MAX__);
  for (size_t i = 0; i < 32; ++i) {
    min = Simd::min(x.v[0][i], min);
    max = Simd::max(x.v[0][i], max);
  }
  const F d = Simd::div(Simd::sub(max, min), Simd::set(static_cast<float>(top)));
  const F inverse = inverse_or_zero(d);
  I codes[32];
  for (size_t i = 0; i < 32; ++i) {
    const F code = Simd::whole(Simd::add(Simd::mul(Simd::sub(x.v[0][i], min), inverse), Simd::set(0.5f)));
    codes[i] = Simd::min_i(Simd::byte(code), Simd::set_i(top));
  }
  uint8_t bytes[kLanes * 32];
  uint16_t halves[kLanes], minimums[kLanes];
  store_codes<32>(codes, bytes);
  store_halves(d, halves);
  store_halves(min, minimums);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    blocks[lane].d = halves[lane];
    blocks[lane].m = minimums[lane];
    pack(blocks + lane, bytes + 32 * lane);
  }
}

// importance * sqrt(mean square + x^2)
template <size_t N, size_t U>
void importance_weights(const Lanes<N, U>& x, const float* importance, const F (&mean_square)[U],
                        Lanes<N, U>* weights) {
  weights->load(importance);
  for (size_t u = 0; u < U; ++u) {
    for (size_t i = 0; i < N; ++i) {
      const F spread = Simd::sqrt(Simd::add(mean_square[u], Simd::mul(x.v[u][i], x.v[u][i])));
      weights->v[u][i] = Simd::mul(weights->v[u][i], spread);
    }
  }
}

template <int top, class Block>
void encode_symmetric_weighted(const float* source, const float* importance, float mean_square, Block* blocks,
                               void (*pack)(Block*, const uint8_t*)) {
  Lanes<32, 1> x, weights;
  x.load(source);
  const F mean[1] = {Simd::set(mean_square)};
  importance_weights(x, importance, mean, &weights);
  Scale<1> found;
  search_scale_lanes<32, 1, true>(x, weights, top, &found);
  I codes[32];
  for (size_t i = 0; i < 32; ++i) codes[i] = Simd::byte(scale_code(x.v[0][i], found.inverse[0], top));
  uint8_t bytes[kLanes * 32];
  uint16_t halves[kLanes];
  store_codes<32>(codes, bytes);
  store_halves(found.scale[0], halves);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    blocks[lane].d = halves[lane];
    pack(blocks + lane, bytes + 32 * lane);
  }
}

// Two groups of blocks: AVX2 and AVX-512 gain 10-20 % over one, as for the K-quants (quantize-k-inl.h).
template <int top, class Block>
void encode_affine_weighted(const float* source, const float* importance, float mean_square, Block* blocks,
                            void (*pack)(Block*, const uint8_t*)) {
  Lanes<32, kUnroll> x, weights;
  x.load(source);
  F mean[kUnroll];
  for (size_t u = 0; u < kUnroll; ++u) mean[u] = Simd::set(mean_square);
  importance_weights(x, importance, mean, &weights);
  ScaleMin<kUnroll> found;
  search_scale_min_lanes<32, kUnroll>(x, weights, top, kStepsImportance, &found);
  for (size_t u = 0; u < kUnroll; ++u, blocks += kLanes) {
    I codes[32];
    for (size_t i = 0; i < 32; ++i) {
      codes[i] = Simd::byte(scale_min_code(x.v[u][i], found.inverse[u], found.base[u], top));
    }
    uint8_t bytes[kLanes * 32];
    uint16_t halves[kLanes], minimums[kLanes];
    store_codes<32>(codes, bytes);
    store_halves(found.scale[u], halves);
    store_halves(found.min[u], minimums);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      blocks[lane].d = halves[lane];
      blocks[lane].m = minimums[lane];
      pack(blocks + lane, bytes + 32 * lane);
    }
  }
}

template <int top, class Block>
void encode_row_symmetric(const float* source, Block* blocks, size_t columns, const float* importance,
                          void (*pack)(Block*, const uint8_t*)) {
  const float mean_square = importance ? row_mean_square(source, columns) : 0.0f;
  for_each_batch<kLanes, 32>(source, blocks, columns, importance, [=](const float* x, const float* w, Block* out) {
    if (w)
      encode_symmetric_weighted<top>(x, w, mean_square, out, pack);
    else
      encode_symmetric<top>(x, out, pack);
  });
}

template <int top, class Block>
void encode_row_affine(const float* source, Block* blocks, size_t columns, const float* importance,
                       void (*pack)(Block*, const uint8_t*)) {
  if (!importance) {
    for_each_batch<kLanes, 32>(source, blocks, columns, nullptr,
                               [=](const float* x, const float*, Block* out) { encode_affine<top>(x, out, pack); });
    return;
  }
  const float mean_square = row_mean_square(source, columns);
  const auto encode = [=](const float* x, const float* w, Block* out) {
    encode_affine_weighted<top>(x, w, mean_square, out, pack);
  };
  for_each_batch<kUnroll * kLanes, 32>(source, blocks, columns, importance, encode);
}

inline void encode_row_q4_0(const float* source, block_q4_0* blocks, size_t columns, const float* importance) {
  encode_row_symmetric<8>(source, blocks, columns, importance, pack_q4_0);
}
inline void encode_row_q5_0(const float* source, block_q5_0* blocks, size_t columns, const float* importance) {
  encode_row_symmetric<16>(source, blocks, columns, importance, pack_q5_0);
}
inline void encode_row_q4_1(const float* source, block_q4_1* blocks, size_t columns, const float* importance) {
  encode_row_affine<15>(source, blocks, columns, importance, pack_q4_1);
}
inline void encode_row_q5_1(const float* source, block_q5_1* blocks, size_t columns, const float* importance) {
  encode_row_affine<31>(source, blocks, columns, importance, pack_q5_1);
}

inline void encode_row_q8_0(const float* source, block_q8_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, 32>(source, blocks, columns, nullptr, [](const float* weights, const float*, block_q8_0* out) {
    Lanes<32, 1> x;
    x.load(weights);
    F magnitude = Simd::set(0.0f);
    for (size_t i = 0; i < 32; ++i) magnitude = Simd::max(magnitude, Simd::abs(x.v[0][i]));
    const F d = Simd::div(magnitude, Simd::set(127.0f));
    const F inverse = inverse_or_zero(d);
    I codes[32];
    for (size_t i = 0; i < 32; ++i) {  // round_half_away; below_half < f is 0.5 <= f
      const F below_half = Simd::set(0x1.fffffep-2f), one = Simd::set(1.0f);
      const F scaled = Simd::mul(x.v[0][i], inverse);
      const F whole = Simd::whole(scaled);
      const F fraction = Simd::sub(scaled, whole);
      const M up = Simd::both(Simd::lt(below_half, fraction), Simd::lt(fraction, one));
      const M down = Simd::both(Simd::lt(fraction, Simd::neg(below_half)), Simd::lt(Simd::neg(one), fraction));
      const F step = Simd::select(up, one, Simd::select(down, Simd::neg(one), Simd::set(0.0f)));
      codes[i] = Simd::byte(Simd::add(whole, step));
    }
    uint8_t bytes[kLanes * 32];
    uint16_t halves[kLanes];
    store_codes<32>(codes, bytes);
    store_halves(d, halves);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      out[lane].d = halves[lane];
      __builtin_memcpy(out[lane].codes, bytes + 32 * lane, 32);
    }
  });
}

// ---- F16, BF16: weight by weight ----

inline void encode_row_f16(const float* source, block_f16* blocks, size_t columns, const float*) {
  size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes)
    Simd::store_u16(&blocks[i].value, Half::from_float(Simd::load(source + i)));
  quantize_row_f16_ref(source + i, blocks + i, columns - i, nullptr);
}

inline void encode_row_bf16(const float* source, block_bf16* blocks, size_t columns, const float*) {
  size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    const I bits = Simd::load_i(source + i);
    const I odd = Simd::and_i(Simd::shr<16>(bits), Simd::set_i(1));
    const I rounded = Simd::shr<16>(Simd::add_i(bits, Simd::add_i(odd, Simd::set_i(0x7fff))));
    const I quiet = Simd::or_i(Simd::shr<16>(bits), Simd::set_i(0x40));
    const M nan = Simd::gt_i(Simd::and_i(bits, Simd::set_i(0x7fffffff)), Simd::set_i(0x7f800000));
    Simd::store_u16(&blocks[i].value, Simd::select_i(nan, quiet, rounded));
  }
  quantize_row_bf16_ref(source + i, blocks + i, columns - i, nullptr);
}

}  // namespace
