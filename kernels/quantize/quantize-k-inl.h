// Encoders of the K-quants. A chunk is `lanes` super-blocks: its sub-blocks are searched one per lane, kGroup of them
// side by side, then its scales with one super-block per lane, then the weights are encoded for the scales as stored.
// Searching the scales with importance one super-block after another (scalar) took 15 % more of the time of Q2_K and
// Q4_K on AVX-512, 5 % more on AVX2.
//
// One core of an EPYC, Mweights/s:       without importance        with
//                                     ref   AVX2   AVX-512     ref   AVX2   AVX-512
//   Q2_K                               20    189       352       9     81       161
//   Q3_K                              172    590       902      31    265       456
//   Q4_K                               20    162       313      11     95       183
//   Q5_K                               24    211       400      12     95       179
//   Q6_K                               40    284       512      39    261       487
#pragma once

#include "quantize/quantize-inl.h"

namespace {

constexpr size_t kChunk = kLanes;            // super-blocks
constexpr size_t kGroup = kUnroll * kLanes;  // sub-blocks

// Runs `encode(source, importance, blocks, count)` on chunks; the last one is padded with zero weights in a copy, and
// only the first `count` of its blocks are wanted.
template <class Block, class Encode>
void for_each_chunk(const float* source, Block* blocks, size_t columns, const float* importance, Encode encode) {
  constexpr size_t kWeights = kChunk * kSuperBlock;
  for (; columns >= kWeights; columns -= kWeights, source += kWeights, blocks += kChunk) {
    encode(source, importance, blocks, kChunk);
    if (importance) importance += kWeights;
  }
  if (columns == 0) return;
  float padded[kWeights], padded_importance[kWeights];
  __builtin_memcpy(padded, source, columns * sizeof(float));
  __builtin_memset(padded + columns, 0, (kWeights - columns) * sizeof(float));
  if (importance) {
    __builtin_memcpy(padded_importance, importance, columns * sizeof(float));
    __builtin_memset(padded_importance + columns, 0, (kWeights - columns) * sizeof(float));
  }
  encode(padded, importance ? padded_importance : nullptr, blocks, columns / kSuperBlock);
}

// The numbers of the sub-blocks of a chunk, S per super-block. A transposition of 16 lanes reads more than the 8 of the
// last super-block: hence the lines behind the end.
template <size_t S>
struct PerSubBlock {
  alignas(64) float of[kChunk * S + kLanes] = {};

  void set(size_t group, size_t u, F values) { Simd::store(of + group * kGroup + u * kLanes, values); }
  F get(size_t group, size_t u) const { return Simd::load(of + group * kGroup + u * kLanes); }

  // out[j] lane b = the number of sub-block j of super-block b.
  void transpose(F (&out)[S]) const {
    F lines[S > kLanes ? S : kLanes];
    for (size_t j = 0; j < S; j += kLanes) Simd::transpose(of + j, S, lines + j);
    for (size_t j = 0; j < S; ++j) out[j] = lines[j];
  }
};

// `factor` times the mean square of each super-block, each summed in order, for all its sub-blocks.
template <size_t S>
void mean_squares(const float* source, float factor, PerSubBlock<S>* means) {
  F sum = Simd::set(0.0f);
  for (size_t i = 0; i < kSuperBlock; i += kLanes) {
    F x[kLanes];
    Simd::transpose(source + i, kSuperBlock, x);
    for (size_t k = 0; k < kLanes; ++k) sum = Simd::add(sum, Simd::mul(x[k], x[k]));
  }
  alignas(64) float mean[kLanes];
  const F scaled = Simd::mul(Simd::set(factor), sum);
  Simd::store(mean, Simd::div(scaled, Simd::set(static_cast<float>(kSuperBlock))));
  for (size_t s = 0; s < kChunk * S; ++s) means->of[s] = mean[s / S];
}

// The weights of a group's searches from importance, and their sums.
template <size_t N, size_t S>
void spread_importance_lanes(const Lanes<N, kUnroll>& x, const float* importance, const PerSubBlock<S>& means,
                             size_t group, Lanes<N, kUnroll>* weights, PerSubBlock<S>* sums) {
  F mean[kUnroll];
  for (size_t u = 0; u < kUnroll; ++u) mean[u] = means.get(group, u);
  importance_weights(x, importance, mean, weights);
  for (size_t u = 0; u < kUnroll; ++u) {
    F sum = Simd::set(0.0f);
    for (size_t i = 0; i < N; ++i) sum = Simd::add(sum, weights->v[u][i]);
    sums->set(group, u, sum);
  }
}

// What the formats with scales and minimums differ in: sub-blocks of kSub weights with codes 0 .. kTop, scales as codes
// 0 .. kScaleTop.
struct EncoderQ2K {
  using Block = block_q2_K;
  static constexpr size_t kSub = 16;
  static constexpr int kTop = 3, kScaleTop = 15, kScaleLimit = 255;
  static constexpr float kMeanFactor = 1.0f;
  static constexpr ScaleSteps kSteps = kStepsQ2K;
  static constexpr ErrorOf kError = kAbsoluteError;

  static void weigh(const F (&x)[kSub], F (&weights)[kSub]) {
    for (size_t i = 0; i < kSub; ++i) weights[i] = Simd::abs(x[i]);
  }
  static void header(block_q2_K* block, float d, float dmin, const uint8_t* scales, const uint8_t* mins, float* steps,
                     float* offsets) {
    encode_q2_K_header(block, d, dmin, scales, mins, steps, offsets);
  }
  static void pack(block_q2_K* block, const uint8_t* codes) { pack_two_bits(codes, block->codes); }
};

template <class AnyBlock, int top, void (*pack_codes)(AnyBlock*, const uint8_t*)>
struct EncoderQ4KQ5K {
  using Block = AnyBlock;
  static constexpr size_t kSub = 32;
  static constexpr int kTop = top, kScaleTop = 63, kScaleLimit = 63;
  static constexpr float kMeanFactor = 2.0f;
  static constexpr ScaleSteps kSteps = top == 15 ? kStepsQ4K : kStepsQ5K;
  static constexpr ErrorOf kError = kSquaredError;

  static void weigh(const F (&x)[kSub], F (&weights)[kSub]) {
    F sum = Simd::set(0.0f);
    for (size_t i = 0; i < kSub; ++i) sum = Simd::add(sum, Simd::mul(x[i], x[i]));
    const F rms = Simd::sqrt(Simd::div(sum, Simd::set(static_cast<float>(kSub))));
    for (size_t i = 0; i < kSub; ++i) weights[i] = Simd::add(rms, Simd::abs(x[i]));
  }
  static void header(Block* block, float d, float dmin, const uint8_t* scales, const uint8_t* mins, float* steps,
                     float* offsets) {
    encode_k_header(&block->header, d, dmin, scales, mins, steps, offsets);
  }
  static void pack(Block* block, const uint8_t* codes) { pack_codes(block, codes); }
};
using EncoderQ4K = EncoderQ4KQ5K<block_q4_K, 15, pack_q4_K>;
using EncoderQ5K = EncoderQ4KQ5K<block_q5_K, 31, pack_q5_K>;

template <class K>
void encode_chunk_with_minimums(const float* source, const float* importance, typename K::Block* blocks, size_t count) {
  constexpr size_t N = K::kSub, S = kSuperBlock / N, U = kUnroll, kGroups = kChunk * S / kGroup;
  Lanes<N, U> x[kGroups];
  ScaleMin<U> found[kGroups];
  PerSubBlock<S> scales, mins, sums, means, steps, offsets;
  if (importance) mean_squares(source, K::kMeanFactor, &means);
  const size_t groups = (count * S + kGroup - 1) / kGroup;
  for (size_t g = 0; g < groups; ++g) {
    Lanes<N, U> weights;
    x[g].load(source + g * kGroup * N);
    if (importance) {
      spread_importance_lanes(x[g], importance + g * kGroup * N, means, g, &weights, &sums);
      search_scale_min_lanes<N, U>(x[g], weights, K::kTop, kStepsImportance, found + g);
    } else {
      for (size_t u = 0; u < U; ++u) K::weigh(x[g].v[u], weights.v[u]);
      search_scale_min_lanes<N, U, K::kError>(x[g], weights, K::kTop, K::kSteps, found + g);
    }
    for (size_t u = 0; u < U; ++u) {
      scales.set(g, u, found[g].scale[u]);
      mins.set(g, u, Simd::neg(found[g].min[u]));
    }
  }

  alignas(64) float d[2][kChunk];
  uint8_t codes[2][kChunk * S];
  if (importance) {
    Lanes<S, 2> values;
    F weights[S], found_scale[2];
    I found_codes[2][S];
    scales.transpose(values.v[0]);
    mins.transpose(values.v[1]);
    sums.transpose(weights);
    search_positive_scale_lanes<S, 2>(values, weights, K::kScaleTop, found_scale, found_codes);
    for (size_t k = 0; k < 2; ++k) {
      Simd::store(d[k], found_scale[k]);
      store_codes<S>(found_codes[k], codes[k]);
    }
  } else {
    for (size_t b = 0; b < count; ++b) {
      d[0][b] = encode_positive_scales<S>(scales.of + S * b, nullptr, K::kScaleTop, K::kScaleLimit, codes[0] + S * b);
      d[1][b] = encode_positive_scales<S>(mins.of + S * b, nullptr, K::kScaleTop, K::kScaleLimit, codes[1] + S * b);
    }
  }
  for (size_t b = 0; b < count; ++b) {
    K::header(blocks + b, d[0][b], d[1][b], codes[0] + S * b, codes[1] + S * b, steps.of + S * b, offsets.of + S * b);
  }

  uint8_t bytes[kChunk * kSuperBlock];
  for (size_t g = 0; g < groups; ++g) {
    for (size_t u = 0; u < U; ++u) {
      const F step = steps.get(g, u), offset = offsets.get(g, u);
      const M zero = Simd::eq(step, Simd::set(0.0f));
      I again[N];
      for (size_t i = 0; i < N; ++i) {
        const F scaled = Simd::div(Simd::add(x[g].v[u][i], offset), step);
        again[i] = Simd::byte(round_clamped_any(scaled, 0, K::kTop));
      }
      if (Simd::any(zero)) {  // the scale became 0: the codes of the search stay
        for (size_t i = 0; i < N; ++i) {
          const F code = scale_min_code(x[g].v[u][i], found[g].inverse[u], found[g].base[u], K::kTop);
          again[i] = Simd::select_i(zero, Simd::byte(code), again[i]);
        }
      }
      store_codes<N>(again, bytes + (g * kGroup + u * kLanes) * N);
    }
  }
  for (size_t b = 0; b < count; ++b) K::pack(blocks + b, bytes + kSuperBlock * b);
}

inline void encode_row_q2_K(const float* source, block_q2_K* blocks, size_t columns, const float* importance) {
  for_each_chunk(source, blocks, columns, importance, encode_chunk_with_minimums<EncoderQ2K>);
}
inline void encode_row_q4_K(const float* source, block_q4_K* blocks, size_t columns, const float* importance) {
  for_each_chunk(source, blocks, columns, importance, encode_chunk_with_minimums<EncoderQ4K>);
}
inline void encode_row_q5_K(const float* source, block_q5_K* blocks, size_t columns, const float* importance) {
  for_each_chunk(source, blocks, columns, importance, encode_chunk_with_minimums<EncoderQ5K>);
}

// Codes again for weight = step * (code - top); where the scale became 0 those of the search stay.
template <size_t N>
void encode_again_lanes(const F (&x)[N], F step, const F (&kept)[N], int top, uint8_t* bytes) {
  const M zero = Simd::eq(step, Simd::set(0.0f));
  I codes[N];
  for (size_t i = 0; i < N; ++i) {
    const F code = round_clamped_any(Simd::div(x[i], step), -top, top - 1);
    codes[i] = Simd::byte(Simd::select(zero, kept[i], Simd::add(code, Simd::set(static_cast<float>(top)))));
  }
  store_codes<N>(codes, bytes);
}

inline void encode_chunk_q3_K(const float* source, const float* importance, block_q3_K* blocks, size_t count) {
  constexpr size_t N = 16, S = 16, U = kUnroll, kGroups = kChunk * S / kGroup;
  Lanes<N, U> x[kGroups], kept[kGroups];
  PerSubBlock<S> scales, sums, means, steps;
  if (importance) mean_squares(source, 2.0f, &means);
  const size_t groups = (count * S + kGroup - 1) / kGroup;
  for (size_t g = 0; g < groups; ++g) {
    x[g].load(source + g * kGroup * N);
    F found[U];
    if (importance) {
      Lanes<N, U> weights;
      spread_importance_lanes(x[g], importance + g * kGroup * N, means, g, &weights, &sums);
      Scale<U> best;
      search_scale_lanes<N, U, true>(x[g], weights, 4, &best);
      for (size_t u = 0; u < U; ++u) {
        found[u] = best.scale[u];
        for (size_t i = 0; i < N; ++i) kept[g].v[u][i] = scale_code(x[g].v[u][i], best.inverse[u], 4);
      }
    } else {
      improve_scale_lanes<N, U>(x[g], 4, kept + g, found);
    }
    for (size_t u = 0; u < U; ++u) scales.set(g, u, found[u]);
  }

  alignas(64) float d[kChunk];
  uint8_t codes[kChunk * S];
  if (importance) {
    Lanes<S, 1> values, weights;
    Scale<1> best;
    I found_codes[S];
    scales.transpose(values.v[0]);
    sums.transpose(weights.v[0]);
    search_scale_lanes<S, 1, true>(values, weights, 32, &best);
    for (size_t j = 0; j < S; ++j) found_codes[j] = Simd::byte(scale_code(values.v[0][j], best.inverse[0], 32));
    Simd::store(d, best.scale[0]);
    store_codes<S>(found_codes, codes);
  } else {
    for (size_t b = 0; b < count; ++b) d[b] = encode_q3_K_scales(scales.of + S * b, codes + S * b);
  }
  for (size_t b = 0; b < count; ++b) encode_q3_K_header(blocks + b, d[b], codes + S * b, steps.of + S * b);

  uint8_t bytes[kChunk * kSuperBlock];
  for (size_t g = 0; g < groups; ++g) {
    for (size_t u = 0; u < U; ++u) {
      encode_again_lanes<N>(x[g].v[u], steps.get(g, u), kept[g].v[u], 4, bytes + (g * kGroup + u * kLanes) * N);
    }
  }
  for (size_t b = 0; b < count; ++b) pack_q3_K(blocks + b, bytes + kSuperBlock * b);
}

inline void encode_row_q3_K(const float* source, block_q3_K* blocks, size_t columns, const float* importance) {
  for_each_chunk(source, blocks, columns, importance, encode_chunk_q3_K);
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
    F kept[16];
    for (size_t i = 0; i < 16; ++i) kept[i] = scale_code(x.v[u][i], found.inverse[u], 32);
    encode_again_lanes<16>(x.v[u], Simd::load(steps + u * kLanes), kept, 32, bytes + u * kLanes * 16);
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
