// What products need of AVX2 (with F16C): eight rows to a vector.
#pragma once

#include <immintrin.h>

#include "product/formats.h"

namespace {

struct Lanes {
  using F = __m256;
  using I = __m256i;
  using F4 = __m128;
  static constexpr size_t rows = 8, float_lanes = 8;
  static constexpr bool has_any_group = true;

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

  static F4 set4(float v) { return _mm_set1_ps(v); }
  static F4 set4(float a, float b, float c, float d) { return _mm_setr_ps(a, b, c, d); }
  static F4 add4(F4 a, F4 b) { return _mm_add_ps(a, b); }
  static F4 sub4(F4 a, F4 b) { return _mm_sub_ps(a, b); }
  static F4 mul4(F4 a, F4 b) { return _mm_mul_ps(a, b); }
  static void store4(float* p, F4 v) { _mm_storeu_ps(p, v); }

  static I zero_i() { return _mm256_setzero_si256(); }
  static I set_i(int32_t v) { return _mm256_set1_epi32(v); }
  static I add_i(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm256_sub_epi32(a, b); }
  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }

  static float half(uint16_t bits) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits))); }

  static F4 halves4(uint16_t a, uint16_t b, uint16_t c, uint16_t d) {
    const __m128i bits = _mm_insert_epi16(_mm_insert_epi16(_mm_insert_epi16(_mm_cvtsi32_si128(a), b, 1), c, 2), d, 3);
    return _mm_cvtph_ps(bits);
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

  template <size_t count>
  static void lookup_nibbles(const int8_t* table, const uint8_t* packed, int8_t* target) {
    const __m128i low_bits = _mm_set1_epi8(15);
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    const __m128i bytes = count == 16 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed))
                                      : _mm_loadl_epi64(reinterpret_cast<const __m128i*>(packed));
    const __m128i low = _mm_shuffle_epi8(values, _mm_and_si128(bytes, low_bits));
    const __m128i high = _mm_shuffle_epi8(values, _mm_and_si128(_mm_srli_epi16(bytes, 4), low_bits));
    if (count == 16) {
      store_i(target, _mm256_set_m128i(high, low));
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(target), _mm_unpacklo_epi64(low, high));
    }
  }

  // ---- Sums along a row: a vector's lanes are parts of one sum ----

  // Pairs of products as 16 bits. A signed code gives its sign to the input's, which is never -128.
  template <bool is_signed>
  static I pairs(I codes, I x) {
    return is_signed ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes))
                     : _mm256_maddubs_epi16(codes, x);
  }

  template <bool is_signed>
  static I dot_32(const int8_t* codes, const int8_t* x) {
    return _mm256_madd_epi16(pairs<is_signed>(load_i(codes), load_i(x)), _mm256_set1_epi16(1));
  }

  template <bool is_signed>
  static I dot_256(const Unit256& unit, const int8_t* x) {
    // Scales 0, 2, .. 14 in the lower half and 1, 3, .. 15 in the upper one, where the weights they belong to are.
    const I gather = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                      0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const I scales = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(load_i(unit.scales), gather), 0xd8);
    I sums = zero_i();
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const I both = _mm256_set1_epi16(static_cast<int16_t>(2 * j | (2 * j + 1) << 8));
      const I part = pairs<is_signed>(load_i(unit.codes + 32 * j), load_i(x + 32 * j));
      sums = add_i(sums, _mm256_madd_epi16(part, _mm256_shuffle_epi8(scales, both)));
    }
    return sums;
  }

  static I dot_mins(const int16_t* mins, const int16_t* sums) { return _mm256_madd_epi16(load_i(mins), load_i(sums)); }

  // The four sums, whole.
  static F4 totals4(const I* sums, int32_t more = 0) {
    const I all = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    const __m128i total = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    return _mm_cvtepi32_ps(_mm_add_epi32(total, _mm_set1_epi32(more)));
  }

  // ---- Four rows of 32 codes in nibbles, two rows to a register ----
  //
  // A register has the codes 0 .. 15 of two rows, another 16 .. 31, so half the sums are left to fold: with one input
  // Q4_0 went from 30-41 to 49 GOP/s and IQ4_NL from 24 to 33-41 (from the cache, AMD Zen 3, a busy machine).

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

  // The four sums of products with 32 codes of an input, plus `more`.
  template <bool is_signed, int max_code, class Block>
  static F4 paired_totals(const Block* const* rows, size_t block, const int8_t* x, int32_t more) {
    const I x_low = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    const I x_high = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 16)));
    const I first = paired_sums<is_signed, max_code>(paired(rows[0][block], rows[1][block]), x_low, x_high);
    const I second = paired_sums<is_signed, max_code>(paired(rows[2][block], rows[3][block]), x_low, x_high);
    const I halves = _mm256_hadd_epi32(first, second);  // rows 0 0 2 2 | 1 1 3 3
    const I whole = add_i(halves, _mm256_shuffle_epi32(halves, 0xb1));
    const __m128i total = _mm_blend_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1), 0xa);
    return _mm_cvtepi32_ps(_mm_add_epi32(total, _mm_set1_epi32(more)));
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

  // Sixteen 16-bit values of each row: value 0 of row 0 twice, of row 1 twice, ..
  static void interleave_twice(const int16_t* source, size_t stride, int16_t* target) {
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
  static I multiply_pairs(const int16_t* mins, const int16_t* sums) {
    return _mm256_madd_epi16(load_i(mins), broadcast(sums));
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

 private:
  static PairedCodes paired_nibbles(const uint8_t* a, const uint8_t* b) {
    const I both = _mm256_set_m128i(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)),
                                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(a)));
    const I low_bits = _mm256_set1_epi8(15);
    return {_mm256_and_si256(both, low_bits), _mm256_and_si256(_mm256_srli_epi16(both, 4), low_bits)};
  }
  static PairedCodes with_fifth_bits(PairedCodes codes, const uint8_t* a, const uint8_t* b) {
    int32_t bits_a, bits_b;
    __builtin_memcpy(&bits_a, a, sizeof bits_a);
    __builtin_memcpy(&bits_b, b, sizeof bits_b);
    const I bits = _mm256_set_m128i(_mm_set1_epi32(bits_b), _mm_set1_epi32(bits_a));
    const I bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u)), set = _mm256_set1_epi8(16);
    const I first = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(0, 0x0101010101010101, 0, 0x0101010101010101));
    const I second = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(0x0202020202020202, 0x0303030303030303,  //
                                                                  0x0202020202020202, 0x0303030303030303));
    const auto fifth = [&](I v) { return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit), set); };
    return {_mm256_or_si256(codes.low, fifth(first)), _mm256_or_si256(codes.high, fifth(second))};
  }
  static PairedCodes looked_up(const int8_t* table, PairedCodes codes) {
    const I values = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return {_mm256_shuffle_epi8(values, codes.low), _mm256_shuffle_epi8(values, codes.high)};
  }
  template <bool is_signed, int max_code>
  static I paired_sums(PairedCodes codes, I x_low, I x_high) {
    const I low = pairs<is_signed>(codes.low, x_low), high = pairs<is_signed>(codes.high, x_high);
    const I ones = _mm256_set1_epi16(1);
    if (max_code * 127 * 4 <= 32767) return _mm256_madd_epi16(_mm256_add_epi16(low, high), ones);
    return add_i(_mm256_madd_epi16(low, ones), _mm256_madd_epi16(high, ones));
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
