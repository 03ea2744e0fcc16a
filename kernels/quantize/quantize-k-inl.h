// Encoders of the K-quants with one sub-block per lane.
#pragma once

#include "quantize/quantize-inl.h"

namespace {

// Q4_K and Q5_K: a batch is kUnroll groups of `lanes` sub-blocks of 32.
constexpr size_t kKBatch = kUnroll * kLanes / 8;  // super-blocks per batch: 1, 2, 4 for 4, 8, 16 lanes

template <int top, class Block>
void encode_k_batch(const float* source, const float* importance, Block* blocks, ScaleSteps plain_steps,
                    void (*pack)(Block*, const uint8_t*)) {
  constexpr size_t U = kUnroll, S = U * kLanes;
  Lanes<32, U> x, weights;
  alignas(64) float scales[S], mins[S], sums[S], steps[S], offsets[S];
  x.load(source);
  if (importance) {
    // Twice the mean square of the super-block: the batch's super-blocks are summed side by side, each in order.
    float squares[kKBatch] = {};
    for (size_t i = 0; i < kSuperBlock; ++i) {
      for (size_t b = 0; b < kKBatch; ++b) squares[b] += source[kSuperBlock * b + i] * source[kSuperBlock * b + i];
    }
    for (size_t s = 0; s < S; ++s) offsets[s] = 2.0f * squares[s / 8] / static_cast<float>(kSuperBlock);
    F mean_square[U];
    for (size_t u = 0; u < U; ++u) mean_square[u] = Simd::load(offsets + u * kLanes);
    importance_weights<U>(x, importance, mean_square, &weights);
    for (size_t u = 0; u < U; ++u) {
      F sum = Simd::set(0.0f);
      for (size_t i = 0; i < 32; ++i) sum = Simd::add(sum, weights.v[u][i]);
      Simd::store(sums + u * kLanes, sum);
    }
  } else {
    for (size_t u = 0; u < U; ++u) {
      F sum = Simd::set(0.0f);
      for (size_t i = 0; i < 32; ++i) sum = Simd::add(sum, Simd::mul(x.v[u][i], x.v[u][i]));
      const F rms = Simd::sqrt(Simd::div(sum, Simd::set(32.0f)));
      for (size_t i = 0; i < 32; ++i) weights.v[u][i] = Simd::add(rms, Simd::abs(x.v[u][i]));
    }
  }
  ScaleMin<U> found;
  search_scale_min_lanes<32, U>(x, weights, top, importance ? kStepsImportance : plain_steps, &found);
  for (size_t u = 0; u < U; ++u) {
    Simd::store(scales + u * kLanes, found.scale[u]);
    Simd::store(mins + u * kLanes, Simd::neg(found.min[u]));
  }
  for (size_t b = 0; b < kKBatch; ++b) {
    uint8_t scale_codes[8], min_codes[8];
    const float* importance_sums = importance ? sums + 8 * b : nullptr;
    const float d = encode_positive_scales<8>(scales + 8 * b, importance_sums, 63, 63, scale_codes);
    const float dmin = encode_positive_scales<8>(mins + 8 * b, importance_sums, 63, 63, min_codes);
    encode_k_header(&blocks[b].header, d, dmin, scale_codes, min_codes, steps + 8 * b, offsets + 8 * b);
  }
  uint8_t bytes[S * 32];
  for (size_t u = 0; u < U; ++u) {
    const F step = Simd::load(steps + u * kLanes), offset = Simd::load(offsets + u * kLanes);
    const M zero = Simd::eq(step, Simd::set(0.0f));
    I codes[32];
    for (size_t i = 0; i < 32; ++i) {
      const F scaled = Simd::div(Simd::add(x.v[u][i], offset), step);
      codes[i] = Simd::truncate(round_clamped_any(scaled, 0, top));
    }
    if (Simd::any(zero)) {  // the scale became 0: the codes of the search stay
      for (size_t i = 0; i < 32; ++i) {
        const F code = scale_min_code(x.v[u][i], found.inverse[u], found.base[u], top);
        codes[i] = Simd::select_i(zero, Simd::truncate(code), codes[i]);
      }
    }
    store_codes<32>(codes, bytes + u * kLanes * 32);
  }
  for (size_t b = 0; b < kKBatch; ++b) pack(blocks + b, bytes + kSuperBlock * b);
}

inline void encode_row_q4_K(const float* source, block_q4_K* blocks, size_t columns, const float* importance) {
  for_each_batch<kKBatch, kSuperBlock>(
      source, blocks, columns, importance,
      [](const float* x, const float* w, block_q4_K* out) { encode_k_batch<15>(x, w, out, kStepsQ4K, pack_q4_K); });
}

inline void encode_row_q5_K(const float* source, block_q5_K* blocks, size_t columns, const float* importance) {
  for_each_batch<kKBatch, kSuperBlock>(
      source, blocks, columns, importance,
      [](const float* x, const float* w, block_q5_K* out) { encode_k_batch<31>(x, w, out, kStepsQ5K, pack_q5_K); });
}

// Q6_K: one super-block at a time, 16 sub-blocks of 16 in 16 / lanes groups. The nineteen tries do not depend on one
// another, so nothing more is needed to fill the pipeline.
inline void encode_q6_K(const float* source, const float* importance, block_q6_K* block) {
  constexpr size_t U = 16 / kLanes;
  Lanes<16, U> x, weights;
  Scale<U> found;
  x.load(source);
  if (importance) {
    weights.load(importance);
    search_scale_lanes<16, U, true>(x, weights, 32, &found);
  } else {
    search_scale_lanes<16, U, false>(x, x, 32, &found);
  }
  alignas(64) float scales[16], steps[16];
  for (size_t u = 0; u < U; ++u) Simd::store(scales + u * kLanes, found.scale[u]);
  if (!encode_q6_K_scales(block, scales, steps)) return;
  uint8_t bytes[kSuperBlock];
  for (size_t u = 0; u < U; ++u) {
    const F step = Simd::load(steps + u * kLanes);
    const M zero = Simd::eq(step, Simd::set(0.0f));
    I codes[16];
    for (size_t i = 0; i < 16; ++i) {
      const F code = round_clamped_any(Simd::div(x.v[u][i], step), -32, 31);
      codes[i] = Simd::truncate(Simd::add(code, Simd::set(32.0f)));
    }
    if (Simd::any(zero)) {
      for (size_t i = 0; i < 16; ++i) {
        codes[i] = Simd::select_i(zero, Simd::truncate(scale_code(x.v[u][i], found.inverse[u], 32)), codes[i]);
      }
    }
    store_codes<16>(codes, bytes + u * kLanes * 16);
  }
  pack_q6_K(block, bytes);
}

inline void encode_row_q6_K(const float* source, block_q6_K* blocks, size_t columns, const float* importance) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    encode_q6_K(source + kSuperBlock * b, importance ? importance + kSuperBlock * b : nullptr, blocks + b);
  }
}

}  // namespace

#define QS_DEFINE(type, isa)                                                                  \
  void QS_KERNEL_NAME(quantize, type, isa)(const float* source, void* target, size_t columns, \
                                           const float* importance) {                         \
    encode_row_##type(source, static_cast<block_##type*>(target), columns, importance);       \
  }
#include "simd/instantiate.h"
#include "quantize/kernels.inc"
