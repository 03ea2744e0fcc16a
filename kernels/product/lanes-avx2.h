// What products need of AVX2 (with F16C): eight rows to a vector. The lanes of AVX-512 are made of them.
#pragma once

#include <immintrin.h>

#include "product/formats.h"

namespace {

struct Avx2Lanes {
  using Few = Avx2Lanes;  // where one or two inputs are multiplied: eight rows to a vector
  template <class Format>
  using Served = Format;
  using F = __m256;
  using I = __m256i;
  static constexpr size_t rows = 8, float_lanes = 8;
  static constexpr size_t float_sums = 8;                   // F that stay in registers beside what is multiplied
  static constexpr size_t float_rows = 2, float_group = 3;  // rows and inputs multiplied together where there are many
  // Inputs multiplied together with a panel: each needs two accumulators, and sixteen registers hold four pairs and the
  // rest.
  template <bool is_signed>
  static constexpr size_t group = 4;
  // How many of the inputs that are left are multiplied together next.
  static constexpr size_t together(size_t left, size_t group) { return left < group ? left : group; }

  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static F set(float v) { return _mm256_set1_ps(v); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F load_some(const float* p, size_t count) {
    return count == 8 ? load(p) : _mm256_maskload_ps(p, first(count));
  }
  static void store_some(float* p, F v, size_t count) {
    if (count == 8) {
      store(p, v);
    } else {
      _mm256_maskstore_ps(p, first(count), v);
    }
  }

  static F set_all(float a, float b, float c, float d, float e, float f, float g, float h) {
    return _mm256_setr_ps(a, b, c, d, e, f, g, h);
  }

  static I zero_i() { return _mm256_setzero_si256(); }
  static I set_i(int32_t v) { return _mm256_set1_epi32(v); }
  static I add_i(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm256_sub_epi32(a, b); }
  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }

  static float half(uint16_t bits) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits))); }

  static F halves(uint16_t a, uint16_t b, uint16_t c, uint16_t d, uint16_t e, uint16_t f, uint16_t g, uint16_t h) {
    const auto two = [](uint16_t x, uint16_t y) { return _mm_insert_epi16(_mm_cvtsi32_si128(x), y, 1); };
    const __m128i low = _mm_unpacklo_epi32(two(a, b), two(c, d)), high = _mm_unpacklo_epi32(two(e, f), two(g, h));
    return _mm256_cvtph_ps(_mm_unpacklo_epi64(low, high));
  }

  // A NaN becomes the one that the scalar rounding makes of it.
  static void round_to_half(const float* x, size_t count, float* target) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      const F value = load(x + i);
      const F rounded = _mm256_cvtph_ps(_mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
      const F nan = _mm256_or_ps(_mm256_and_ps(value, set(-0.0f)), set(__builtin_nanf("")));
      store(target + i, _mm256_blendv_ps(rounded, nan, _mm256_cmp_ps(value, value, _CMP_UNORD_Q)));
    }
    ScalarOps::round_to_half(x + i, count - i, target + i);
  }

  // Both halves of a register get the sixteen bytes, and the upper one shifts them.
  static U8x32 nibbles(const uint8_t* packed) {
    const I shift = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    return bytes_of(_mm256_and_si256(_mm256_srlv_epi32(load_twice(packed), shift), _mm256_set1_epi8(15)));
  }

  static I16x16 widened(U8x16 bytes) {
    return __builtin_bit_cast(I16x16, _mm256_cvtepu8_epi16(__builtin_bit_cast(__m128i, bytes)));
  }

  static U8x32 lookup(const int8_t* table, U8x32 index) {
    return bytes_of(_mm256_shuffle_epi8(load_twice(table), __builtin_bit_cast(I, index)));
  }

  // ---- Sums along a row: a vector's lanes are parts of one sum ----

  // Pairs of products as 16 bits. Of signed factors one gives its sign to the other, which must not be -128: an input's
  // code never is, and when no code is either, all rows share the magnitudes of the input.
  template <class Format>
  static I pairs(I codes, I x) {
    if (!Format::is_signed) return _mm256_maddubs_epi16(codes, x);
    if (Format::max_code <= 127) return _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(codes, x));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
  }

  template <class Format>
  static I dot_32(U8x32 codes, const int8_t* x) {
    return _mm256_madd_epi16(pairs<Format>(__builtin_bit_cast(I, codes), load_i(x)), _mm256_set1_epi16(1));
  }

  // The scales of eight chunks of 32 weights, each in a pair of 16-bit lanes: of chunks 0 .. 3 and of 4 .. 7; in the
  // lower half for the first 16 weights, in the upper one for the others.
  struct Scales {
    I first, last;
  };
  template <size_t sub>
  static Scales scales_of(I16x16 scales) {
    const I all = __builtin_bit_cast(I, scales);
    if constexpr (sub == 32)
      return {_mm256_permute2x128_si256(all, all, 0x00), _mm256_permute2x128_si256(all, all, 0x11)};
    const I gather = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                      0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const I halved = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(all, gather), 0xd8);
    return {_mm256_unpacklo_epi16(halved, halved), _mm256_unpackhi_epi16(halved, halved)};
  }

  static constexpr size_t chains = 1;  // sums of one unit that are added to in turn

  template <size_t j>
  static I scale_of_chunk(const Scales& scales) {
    return _mm256_shuffle_epi32(j < 4 ? scales.first : scales.last, j % 4 * 0x55);
  }

  // Adds the products of chunk j, times its scales.
  template <class Format, size_t j>
  static I add_scaled_dot(I sum, U8x32 codes, const int8_t* x, const Scales& scales) {
    const I products = pairs<Format>(__builtin_bit_cast(I, codes), load_i(x));
    return add_i(sum, _mm256_madd_epi16(products, scale_of_chunk<j>(scales)));
  }

  static I dot_mins(I16x16 mins, const int16_t* sums) {
    return _mm256_madd_epi16(__builtin_bit_cast(I, mins), load_i(sums));
  }

  // The sums of eight rows, whole: `sum_of(r)` has parts of that of row r in its lanes.
  template <class SumOf>
  [[gnu::always_inline]] static I totals(const SumOf& sum_of) {
    const auto both = [&](auto r) __attribute__((always_inline)) {  // of row r in the lower half, of r + 4 in the upper
      const I a = sum_of(r), b = sum_of(Index<r + 4>());
      return add_i(_mm256_blend_epi32(a, b, 0xf0), _mm256_permute2x128_si256(a, b, 0x21));
    };
    return add_quads(add_pairs(both(Index<0>()), both(Index<1>())), add_pairs(both(Index<2>()), both(Index<3>())));
  }

  // ---- Eight rows of 32 codes in nibbles, two rows to a register ----
  //
  // A register has the codes 0 .. 15 of two rows, another 16 .. 31, so fewer sums are left to fold.

  struct PairedCodes {
    I low, high;  // codes 0 .. 15 and 16 .. 31: of one row in the lower half, of another in the upper one
  };

  static PairedCodes paired(const block_q4_0& a, const block_q4_0& b) { return paired_nibbles(a.codes, b.codes); }
  static PairedCodes paired(const block_q4_1& a, const block_q4_1& b) { return paired_nibbles(a.codes, b.codes); }
  static PairedCodes paired(const block_q5_0& a, const block_q5_0& b) {
    return with_fifth_bits(paired_nibbles(a.codes, b.codes), a.high, b.high);
  }
  static PairedCodes paired(const block_q5_1& a, const block_q5_1& b) {
    return with_fifth_bits(paired_nibbles(a.codes, b.codes), a.high, b.high);
  }
  static PairedCodes paired(const block_iq4_nl& a, const block_iq4_nl& b) {
    return looked_up(kGrid4, paired_nibbles(a.codes, b.codes));
  }
  static PairedCodes paired(const block_mxfp4& a, const block_mxfp4& b) {
    return looked_up(kE2M1, paired_nibbles(a.codes, b.codes));
  }

  // The sums of products with 32 codes of an input, of the rows of pairs (r, r + 4). `fit` sums of two products can be
  // added in 16 bits.
  template <class Format, size_t fit>
  [[gnu::always_inline]] static I paired_totals(const PairedCodes* pairs_of_rows, const int8_t* x) {
    const I x_low = load_twice(x), x_high = load_twice(x + 16);
    I sums[4];
    for (size_t p = 0; p < 4; ++p) {
      const I low = pairs<Format>(pairs_of_rows[p].low, x_low), high = pairs<Format>(pairs_of_rows[p].high, x_high);
      sums[p] = fit >= 2 ? _mm256_add_epi16(low, high) : add_i(add_neighbours(low), add_neighbours(high));
    }
    // Narrow as long as they fit.
    if (fit == 2) {
      for (size_t p = 0; p < 4; ++p) sums[p] = add_neighbours(sums[p]);
    }
    I first = fit >= 4 ? add_narrow_pairs(sums[0], sums[1]) : add_pairs(sums[0], sums[1]);
    I last = fit >= 4 ? add_narrow_pairs(sums[2], sums[3]) : add_pairs(sums[2], sums[3]);
    if (fit >= 8) {
      return add_neighbours(_mm256_add_epi16(_mm256_unpacklo_epi64(first, last), _mm256_unpackhi_epi64(first, last)));
    }
    if (fit == 4) first = add_neighbours(first), last = add_neighbours(last);
    return add_quads(first, last);
  }

  // ---- Panels: lane r belongs to row r ----

  // `bytes` (a multiple of 32) of each row, `stride` apart: four bytes of row 0, of row 1, .. of row 7, the next four
  // of row 0, ..
  template <size_t bytes>
  static void interleave(const int8_t* source, size_t stride, int8_t* target) {
    for (size_t c = 0; c < bytes; c += 32) {
      I row[8];
      for (size_t r = 0; r < 8; ++r) row[r] = load_i(source + r * stride + c);
      transpose(row);
      for (size_t g = 0; g < 8; ++g) store_i(target + 8 * c + 32 * g, row[g]);
    }
  }

  // Sixteen scales of each row, as add_scaled takes them: here scale 0 of row 0 twice, of row 1 twice, ..
  static void interleave_scales(const int16_t* source, size_t stride, int16_t* target) {
    I low[8], high[8];
    for (size_t r = 0; r < 8; ++r) {
      const I values = load_i(reinterpret_cast<const int8_t*>(source) + r * stride);
      low[r] = _mm256_unpacklo_epi16(values, values);   // 0 .. 3, 8 .. 11
      high[r] = _mm256_unpackhi_epi16(values, values);  // 4 .. 7, 12 .. 15
    }
    transpose(low);
    transpose(high);
    for (size_t g = 0; g < 4; ++g) {
      store_i(target + 16 * g, low[g]);
      store_i(target + 16 * (g + 4), high[g]);
      store_i(target + 16 * (g + 8), low[g + 4]);
      store_i(target + 16 * (g + 12), high[g + 4]);
    }
  }

  // mins: a pair per row; sums: one pair for all.
  static I add_mins(I below, const int16_t* mins, const int16_t* sums) {
    return add_i(below, _mm256_madd_epi16(load_i(mins), broadcast(sums)));
  }

  // whole[k] += scales * sum over `groups` times four columns, of which `fit` can be added in 16 bits.
  template <bool is_signed, size_t groups, size_t fit, size_t count>
  static void add_scaled(const int8_t* panel, const int8_t* const* codes, size_t column, const int16_t* scales,
                         I* whole) {
    const I factors = load_i(scales);
    for (size_t from = 0; from < groups; from += fit) {
      I part[count];
      add_narrow<is_signed, fit, count>(panel + 32 * from, codes, column + 4 * from, part);
      for (size_t k = 0; k < count; ++k) whole[k] = add_i(whole[k], _mm256_madd_epi16(part[k], factors));
    }
  }

  template <bool is_signed, size_t groups, size_t fit, size_t count>
  static void add_plain(const int8_t* panel, const int8_t* const* codes, size_t column, I* whole) {
    const I ones = _mm256_set1_epi16(1);
#pragma GCC unroll 8
    for (size_t from = 0; from < groups; from += fit) {
      I part[count];
      add_narrow<is_signed, fit, count>(panel + 32 * from, codes, column + 4 * from, part);
      for (size_t k = 0; k < count; ++k) whole[k] = add_i(whole[k], _mm256_madd_epi16(part[k], ones));
    }
  }

  // ---- Float weights ----

  static F load_weights(const block_f32* p) { return load(&p->value); }
  static F load_weights(const block_f16* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static F load_weights(const block_bf16* p) {
    const I wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }

  static float fold_16(const F* sums) {
    const F eight = add(sums[0], sums[1]);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

 protected:
  static PairedCodes paired_nibbles(const uint8_t* a, const uint8_t* b) {
    const I both = _mm256_set_m128i(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)),
                                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(a)));
    const I low_bits = _mm256_set1_epi8(15);
    return {_mm256_and_si256(both, low_bits), _mm256_and_si256(_mm256_srli_epi16(both, 4), low_bits)};
  }
  static PairedCodes with_fifth_bits(PairedCodes codes, const uint8_t* a, const uint8_t* b) {
    const I bits = _mm256_blend_epi32(broadcast(a), broadcast(b), 0xf0);
    const I bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u)), set = _mm256_set1_epi8(16);
    const I first = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(0, 0x0101010101010101, 0, 0x0101010101010101));
    const I second = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(0x0202020202020202, 0x0303030303030303,  //
                                                                  0x0202020202020202, 0x0303030303030303));
    const auto fifth = [&](I v) { return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit), set); };
    return {_mm256_or_si256(codes.low, fifth(first)), _mm256_or_si256(codes.high, fifth(second))};
  }
  static PairedCodes looked_up(const int8_t* table, PairedCodes codes) {
    const I values = load_twice(table);
    return {_mm256_shuffle_epi8(values, codes.low), _mm256_shuffle_epi8(values, codes.high)};
  }
  // Sums of neighbours of 16 bits.
  static I add_neighbours(I pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
  // In each half: lanes 0 and 2 of a, of b, lanes 1 and 3 of a, of b.
  static I add_pairs(I a, I b) { return add_i(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)); }
  static I add_narrow_pairs(I a, I b) {
    return _mm256_add_epi16(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  }
  static I add_quads(I a, I b) { return add_i(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)); }

  static U8x32 bytes_of(I v) { return __builtin_bit_cast(U8x32, v); }
  static I load_twice(const void* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static I load_i(const void* p) { return _mm256_loadu_si256(static_cast<const I*>(p)); }
  static void store_i(void* p, I v) { _mm256_storeu_si256(static_cast<I*>(p), v); }
  static I broadcast(const void* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static I first(size_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  template <bool is_signed, size_t groups, size_t count>
  static void add_narrow(const int8_t* panel, const int8_t* const* codes, size_t column, I* part) {
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; ++g) {
      const I weights = load_i(panel + 32 * g);
      const I magnitudes = is_signed ? _mm256_abs_epi8(weights) : weights;
#pragma GCC unroll 4
      for (size_t k = 0; k < count; ++k) {
        const I x = broadcast(codes[k] + column + 4 * g);
        const I product = _mm256_maddubs_epi16(magnitudes, is_signed ? _mm256_sign_epi8(x, weights) : x);
        part[k] = g == 0 ? product : _mm256_add_epi16(part[k], product);
      }
    }
  }

  // Eight rows of eight 32-bit values become columns.
  static void transpose(I* v) {
    I t[8];
    for (size_t h = 0; h < 8; h += 2) {
      t[h] = _mm256_unpacklo_epi32(v[h], v[h + 1]);
      t[h + 1] = _mm256_unpackhi_epi32(v[h], v[h + 1]);
    }
    I u[8];
    for (size_t h = 0; h < 8; h += 4) {
      u[h] = _mm256_unpacklo_epi64(t[h], t[h + 2]);
      u[h + 1] = _mm256_unpackhi_epi64(t[h], t[h + 2]);
      u[h + 2] = _mm256_unpacklo_epi64(t[h + 1], t[h + 3]);
      u[h + 3] = _mm256_unpackhi_epi64(t[h + 1], t[h + 3]);
    }
    for (size_t g = 0; g < 4; ++g) {
      v[g] = _mm256_permute2x128_si256(u[g], u[g + 4], 0x20);
      v[g + 4] = _mm256_permute2x128_si256(u[g], u[g + 4], 0x31);
    }
  }
};

}  // namespace
