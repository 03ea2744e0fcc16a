// Encoders with one block (or K-quant sub-block) per lane, written once for every instruction set. A translation unit
// per instruction set defines QS_ISA and QS_COLUMN, includes its simd header, then this file; kernels.inc decides which
// of the encoders it becomes the home of.
#pragma once

#include "quant/types.h"
#include "quantize/batches-inl.h"
#include "quantize/quantize-plain-inl.h"

namespace {

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
  if (!importance) {
    encode_row_symmetric_plain<top>(source, blocks, columns);
    return;
  }
  const float mean_square = row_mean_square(source, columns);
  for_each_batch<kLanes, 32>(source, blocks, columns, importance, [=](const float* x, const float* w, Block* out) {
    encode_symmetric_weighted<top>(x, w, mean_square, out, pack);
  });
}

template <int top, class Block>
void encode_row_affine(const float* source, Block* blocks, size_t columns, const float* importance,
                       void (*pack)(Block*, const uint8_t*)) {
  if (!importance) {
    encode_row_affine_plain<top>(source, blocks, columns);
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

// ---- F16, BF16: weight by weight ----

inline void encode_row_f16(const float* source, block_f16* blocks, size_t columns, const float*) {
  size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes)
    Simd::store_u16(&blocks[i].value, Half::from_float(Simd::load(source + i)));
  quantize_row_f16_ref(source + i, blocks + i, columns - i, nullptr);
}

inline M is_nan(I bits) { return Simd::gt_i(Simd::and_i(bits, Simd::set_i(0x7fffffff)), Simd::set_i(0x7f800000)); }

inline I round_to_bf16(I bits) {
  const I odd = Simd::and_i(Simd::shr<16>(bits), Simd::set_i(1));
  return Simd::shr<16>(Simd::add_i(bits, Simd::add_i(odd, Simd::set_i(0x7fff))));
}

// Sixteen to sixty-four weights at a time: whether one is a NaN, which keeps its payload, is asked once for all of
// them.
inline void encode_row_bf16(const float* source, block_bf16* blocks, size_t columns, const float*) {
  constexpr size_t kBatch = 4 * kLanes;
  size_t i = 0;
  for (; i + kBatch <= columns; i += kBatch) {
    I bits[4];
    M nan[2];
    for (size_t k = 0; k < 4; ++k) bits[k] = Simd::load_i(source + i + k * kLanes);
    for (size_t k = 0; k < 2; ++k) {
      const M first = is_nan(bits[2 * k]), second = is_nan(bits[2 * k + 1]);
      nan[k] = Simd::either(first, second);
    }
    if (Simd::any(Simd::either(nan[0], nan[1]))) {
      quantize_row_bf16_ref(source + i, blocks + i, kBatch, nullptr);
      continue;
    }
    for (size_t k = 0; k < 4; k += 2) {
      Simd::store_u16_pair(&blocks[i + k * kLanes].value, round_to_bf16(bits[k]), round_to_bf16(bits[k + 1]));
    }
  }
  quantize_row_bf16_ref(source + i, blocks + i, columns - i, nullptr);
}

}  // namespace
