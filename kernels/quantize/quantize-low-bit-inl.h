// TQ1_0 and TQ2_0 with the weights in the order of memory (quantize-plain-inl.h), Q2_0 and Q1_0 with one block per
// lane: for Q1_0 that is what keeps its sum in order, and in both sixteen or more neighbours are the bits of a word,
// which comes together in one register. Q2_0 the other way: 0.53 ns a weight instead of 0.33 (AVX2), 1.05 instead of
// 0.80 (WASM).
#pragma once

#include "quantize/quantize-inl.h"

namespace {

// Lanes with an inverse that is infinite: the scale is denormal.
inline M infinite(F inverse) { return Simd::lt(Simd::set(__FLT_MAX__), inverse); }

// round(scaled) + 1, ties away from zero, for |scaled| <= 1: 0, 1 or 2. below_half < f is 0.5 <= f.
inline I trit_lanes(F scaled) {
  const F below_half = Simd::set(0x1.fffffep-2f);
  const I raised = Simd::increment(Simd::lt(below_half, scaled), Simd::set_i(1));
  return Simd::decrement(Simd::lt(scaled, Simd::neg(below_half)), raised);
}

// Scales and inverses of `lanes` blocks of N weights, for trits. Where the inverse of a scale is infinite the
// references find the middle trit everywhere, which is what an inverse of 0 gives.
struct TritScales {
  alignas(64) float inverses[kLanes];
  uint16_t halves[kLanes];
};
template <size_t N>
TritScales trit_scales(const float* source) {
  TritScales scales;
  const F d = largest_magnitudes<N>(source);
  const F inverse = inverse_or_zero(d);
  store_halves(d, scales.halves);
  Simd::store(scales.inverses, Simd::select(infinite(inverse), Simd::set(0.0f), inverse));
  return scales;
}

inline auto trits_of(const float* source, float inverse) {
  const F factor = Simd::set(inverse);
  return byte_codes<kSuperBlock>(source, [=](F x) { return trit_lanes(Simd::mul(x, factor)); });
}

inline void encode_row_tq2_0(const float* source, block_tq2_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, kSuperBlock>(
      source, blocks, columns, nullptr, [](const float* in, const float*, block_tq2_0* out) {
        const TritScales scales = trit_scales<kSuperBlock>(in);
        for (size_t lane = 0; lane < kLanes; ++lane, in += kSuperBlock) {
          const auto trits = trits_of(in, scales.inverses[lane]);
          out[lane].d = scales.halves[lane];
          for (size_t k = 0; k < 4; ++k) {
            const Bytes* first = trits.sixteens + 8 * (k / 2) + k % 2;
            const Words codes = (Words)first[0] | (Words)first[2] << 2 | (Words)first[4] << 4 | (Words)first[6] << 6;
            __builtin_memcpy(out[lane].codes + 16 * k, &codes, 16);
          }
        }
      });
}

// Bytes with five trits each, the first one worth most: ceil(number * 256 / 243) is one more than the number at every
// 243 / 13.
inline void store_trits(Bytes a, Bytes b, Bytes c, Bytes d, Bytes e, size_t count, uint8_t* bytes) {
  typedef int8_t Signed __attribute__((vector_size(16)));
  const auto thrice = [](Bytes number) { return number + number + number; };
  Bytes number = thrice(thrice(thrice(thrice(a) + b) + c) + d) + e;
  const Signed biased = (Signed)(number ^ 0x80);
  for (int k = 0; k < 13; ++k) number -= (Bytes)(biased > static_cast<int8_t>(243 * k / 13 - 128));
  __builtin_memcpy(bytes, &number, count);
}

inline void encode_row_tq1_0(const float* source, block_tq1_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, kSuperBlock>(
      source, blocks, columns, nullptr, [](const float* in, const float*, block_tq1_0* out) {
        const TritScales scales = trit_scales<kSuperBlock>(in);
        for (size_t lane = 0; lane < kLanes; ++lane, in += kSuperBlock) {
          const auto trits = trits_of(in, scales.inverses[lane]);
          static_assert(kTritParts[0].width == 32 && kTritParts[1].width == 16 && kTritParts[2].width == 4);
          const Bytes* wide = trits.sixteens;
          for (size_t m = 0; m < 2; ++m) {
            store_trits(wide[m], wide[m + 2], wide[m + 4], wide[m + 6], wide[m + 8], 16, out[lane].codes + 16 * m);
          }
          const Bytes* middle = wide + 10;
          store_trits(middle[0], middle[1], middle[2], middle[3], middle[4], 16, out[lane].codes + 32);
          const Words last = (Words)wide[15];  // a trit of each of four bytes is a word
          const Words zero = {};
          store_trits((Bytes)(zero + last[0]), (Bytes)(zero + last[1]), (Bytes)(zero + last[2]),
                      (Bytes)(zero + last[3]), (Bytes)zero, 4, out[lane].codes + 48);
          out[lane].d = scales.halves[lane];
        }
      });
}

// Where the inverse of the scale is infinite the reference finds code 0 everywhere. One block per lane: four codes of
// neighbours are a byte, and sixteen a word that comes together in one register.
inline void encode_row_q2_0(const float* source, block_q2_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, 64>(source, blocks, columns, nullptr, [](const float* in, const float*, block_q2_0* out) {
    Lanes<64, 1> x;
    x.load(in);
    F d = Simd::set(0.0f);
    for (size_t i = 0; i < 64; ++i) d = Simd::max(Simd::abs(x.v[0][i]), d);
    const F inverse = inverse_or_zero(d);
    uint16_t halves[kLanes];
    store_halves(d, halves);
    for (size_t lane = 0; lane < kLanes; ++lane) out[lane].d = halves[lane];
    for (size_t k = 0; k < 4; ++k) {
      I word = Simd::set_i(0);
      for (size_t i = 16; i-- > 0;) {
        word = Simd::or_i(Simd::shl<2>(word), trit_lanes(Simd::mul(x.v[0][16 * k + i], inverse)));
      }
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
