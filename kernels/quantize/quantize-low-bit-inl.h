// TQ1_0, TQ2_0, Q2_0 and Q1_0 with one block per lane. For Q1_0 that is what keeps its sum in order; the others gain a
// maximum without a last step across lanes, and bytes that are put together from whole vectors. Mweights/s on one core
// of an EPYC (a plain copy of that size would reach 13,600):
//             ref   SSE2   AVX2   AVX-512
//   TQ1_0     768   2274   4265      7539
//   TQ2_0     671   2555   5124      6879
//   Q2_0      841   2438   5116      7683
//   Q1_0     1511   3826   6583     10449
#pragma once

#include "quantize/quantize-inl.h"

namespace {

// Lanes with an inverse that is infinite: the scale is denormal.
inline M infinite(F inverse) { return Simd::lt(Simd::set(__FLT_MAX__), inverse); }

// round(x * inverse) + 1, ties away from zero, for |x * inverse| <= 1: 0, 1 or 2. below_half < f is 0.5 <= f.
inline I trit_lanes(F x, F inverse) {
  const F below_half = Simd::set(0x1.fffffep-2f), scaled = Simd::mul(x, inverse);
  const I down = Simd::select_i(Simd::lt(scaled, Simd::neg(below_half)), Simd::set_i(0), Simd::set_i(1));
  return Simd::select_i(Simd::lt(below_half, scaled), Simd::set_i(2), down);
}

template <size_t N>
F largest_lanes(const Lanes<N, 1>& x) {
  F largest = Simd::set(0.0f);
  for (size_t i = 0; i < N; ++i) largest = Simd::max(Simd::abs(x.v[0][i]), largest);
  return largest;
}

// The ternary types: scales, and all trits of `lanes` super-blocks. Where the inverse of a scale is infinite the
// reference finds only middle trits, which is what an inverse of 0 gives.
inline F trits_of(const float* source, Lanes<kSuperBlock, 1>* x, uint16_t* halves) {
  x->load(source);
  const F d = largest_lanes(*x);
  const F inverse = inverse_or_zero(d);
  store_halves(d, halves);
  return Simd::select(infinite(inverse), Simd::set(0.0f), inverse);
}

inline void encode_row_tq2_0(const float* source, block_tq2_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, kSuperBlock>(source, blocks, columns, nullptr,
                                      [](const float* in, const float*, block_tq2_0* out) {
                                        Lanes<kSuperBlock, 1> x;
                                        uint16_t halves[kLanes];
                                        const F inverse = trits_of(in, &x, halves);
                                        I codes[64];
                                        for (size_t k = 0; k < 64; ++k) {
                                          const F* weights = x.v[0] + 128 * (k / 32) + k % 32;
                                          I byte = Simd::set_i(0);
                                          for (size_t n = 4; n-- > 0;)
                                            byte = Simd::or_i(Simd::shl<2>(byte), trit_lanes(weights[32 * n], inverse));
                                          codes[k] = byte;
                                        }
                                        uint8_t bytes[64 * kLanes];
                                        store_codes<64>(codes, bytes);
                                        for (size_t lane = 0; lane < kLanes; ++lane) {
                                          out[lane].d = halves[lane];
                                          __builtin_memcpy(out[lane].codes, bytes + 64 * lane, 64);
                                        }
                                      });
}

inline void encode_row_tq1_0(const float* source, block_tq1_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, kSuperBlock>(
      source, blocks, columns, nullptr, [](const float* in, const float*, block_tq1_0* out) {
        Lanes<kSuperBlock, 1> x;
        uint16_t halves[kLanes];
        const F inverse = trits_of(in, &x, halves);
        I codes[52];
        for (const TritPart& part : kTritParts) {
          for (size_t m = 0; m < part.width; ++m) {
            I number = Simd::set_i(0);
            for (size_t n = 0; n < 5; ++n) {
              number = Simd::add_i(number, Simd::shl<1>(number));
              if (n == part.trits) continue;
              number = Simd::add_i(number, trit_lanes(x.v[0][part.first_weight + part.width * n + m], inverse));
            }
            // (number * 256 + 242) / 243 in floats: half a unit away from every integer, and exact to 0.004.
            const F scaled = Simd::add(Simd::mul(Simd::to_float(number), Simd::set(256.0f)), Simd::set(242.5f));
            codes[part.first_byte + m] = Simd::truncate(Simd::mul(scaled, Simd::set(1.0f / 243.0f)));
          }
        }
        uint8_t bytes[52 * kLanes];
        store_codes<52>(codes, bytes);
        for (size_t lane = 0; lane < kLanes; ++lane) {
          out[lane].d = halves[lane];
          __builtin_memcpy(out[lane].codes, bytes + 52 * lane, 52);
        }
      });
}

// Where the inverse of the scale is infinite the reference finds code 0 everywhere.
inline void encode_row_q2_0(const float* source, block_q2_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, 64>(source, blocks, columns, nullptr, [](const float* in, const float*, block_q2_0* out) {
    Lanes<64, 1> x;
    x.load(in);
    const F d = largest_lanes(x);
    const F inverse = inverse_or_zero(d);
    uint16_t halves[kLanes];
    store_halves(d, halves);
    for (size_t lane = 0; lane < kLanes; ++lane) out[lane].d = halves[lane];
    for (size_t k = 0; k < 4; ++k) {  // 16 codes are a word
      I word = Simd::set_i(0);
      for (size_t i = 16; i-- > 0;) word = Simd::or_i(Simd::shl<2>(word), trit_lanes(x.v[0][16 * k + i], inverse));
      alignas(64) uint32_t words[kLanes];
      Simd::store_i(words, Simd::select_i(infinite(inverse), Simd::set_i(0), word));
      for (size_t lane = 0; lane < kLanes; ++lane) __builtin_memcpy(out[lane].codes + 4 * k, words + lane, 4);
    }
  });
}

inline void encode_row_q1_0(const float* source, block_q1_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, 128>(source, blocks, columns, nullptr, [](const float* in, const float*, block_q1_0* out) {
    const F zero = Simd::set(0.0f);
    F sum = zero;
    for (size_t k = 0; k < 4; ++k) {  // 32 signs are a word
      F x[32];
      for (size_t i = 0; i < 32; i += kLanes) Simd::transpose(in + 32 * k + i, 128, x + i);
      for (size_t i = 0; i < 32; ++i) sum = Simd::add(sum, Simd::abs(x[i]));
      I word = Simd::set_i(0);
      for (size_t i = 32; i-- > 0;) {
        const I bit = Simd::select_i(Simd::lt(x[i], zero), Simd::set_i(0), Simd::set_i(1));
        word = Simd::or_i(Simd::shl<1>(word), bit);
      }
      alignas(64) uint32_t words[kLanes];
      Simd::store_i(words, word);
      for (size_t lane = 0; lane < kLanes; ++lane) __builtin_memcpy(out[lane].signs + 4 * k, words + lane, 4);
    }
    uint16_t halves[kLanes];
    store_halves(Simd::mul(sum, Simd::set(1.0f / 128.0f)), halves);
    for (size_t lane = 0; lane < kLanes; ++lane) out[lane].d = halves[lane];
  });
}

}  // namespace
