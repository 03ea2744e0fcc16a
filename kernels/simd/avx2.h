// Vector operations for AVX2 with F16C: 8 lanes. See simd/README.md for what each operation means.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/bytes.h"

namespace {

struct Simd {
  using F = __m256;
  using I = __m256i;
  using M = __m256;
  static constexpr size_t lanes = 8;

  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static F set(float v) { return _mm256_set1_ps(v); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F sqrt(F a) { return _mm256_sqrt_ps(a); }
  static F abs(F a) { return _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff))); }
  static F neg(F a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }

  static M lt(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static M eq(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static M both(M a, M b) { return _mm256_and_ps(a, b); }
  static M either(M a, M b) { return _mm256_or_ps(a, b); }
  static bool any(M m) { return _mm256_movemask_ps(m) != 0; }
  static bool all(M m) { return _mm256_movemask_ps(m) == 255; }
  static F select(M m, F yes, F no) { return _mm256_blendv_ps(no, yes, m); }

  static I load_i(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store_i(void* p, I v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static I set_i(int32_t v) { return _mm256_set1_epi32(v); }
  static I add_i(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm256_sub_epi32(a, b); }
  static I and_i(I a, I b) { return _mm256_and_si256(a, b); }
  static I or_i(I a, I b) { return _mm256_or_si256(a, b); }
  template <int n>
  static I shl(I a) {
    return _mm256_slli_epi32(a, n);
  }
  template <int n>
  static I shr(I a) {
    return _mm256_srli_epi32(a, n);
  }
  static I min_i(I a, I b) { return _mm256_min_epi32(a, b); }
  static I max_i(I a, I b) { return _mm256_max_epi32(a, b); }
  static M eq_i(I a, I b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
  static M gt_i(I a, I b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b)); }
  static I select_i(M m, I yes, I no) { return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(m)); }

  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }
  static I truncate(F a) { return _mm256_cvttps_epi32(a); }
  static F whole(F a) { return to_float(truncate(a)); }
  static I byte(F a) { return and_i(truncate(a), set_i(255)); }
  static I whole_byte(F a) { return byte(a); }
  static F up(F a) { return _mm256_ceil_ps(a); }
  static I increment(M m, I a) { return _mm256_sub_epi32(a, _mm256_castps_si256(m)); }
  static I decrement(M m, I a) { return _mm256_add_epi32(a, _mm256_castps_si256(m)); }
  static I bits(F a) { return _mm256_castps_si256(a); }
  static F from_bits(I a) { return _mm256_castsi256_ps(a); }

  static I load_u8(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static I load_i8(const int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static I load_u16(const uint16_t* p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static void store_u16(uint16_t* p, I a) {
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
  }
  static void store_u16_pair(uint16_t* p, I low, I high) {
    const I packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
  }
  static Bytes narrow(const I* a) {
    const I halves = _mm256_permute4x64_epi64(_mm256_packus_epi32(a[0], a[1]), 0xd8);
    return (Bytes)_mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  }

  static constexpr bool has_half_pairs = false;

  struct Table {
    __m256 low, high;
  };
  static Table table(const int8_t* v) { return {_mm256_cvtepi32_ps(load_i8(v)), _mm256_cvtepi32_ps(load_i8(v + 8))}; }
  static F lookup(const Table& t, I index) {
    const F low = _mm256_permutevar8x32_ps(t.low, index), high = _mm256_permutevar8x32_ps(t.high, index);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(shl<28>(index)));
  }

  static constexpr bool has_permute = true;
  static F odd4() { return _mm256_setr_ps(1, 3, 5, 7, 1, 3, 5, 7); }
  static F odd8() { return _mm256_setr_ps(1, 3, 5, 7, 9, 11, 13, 15); }
  static F permute4(F table, I index) { return _mm256_permutevar_ps(table, index); }
  static F permute8(F table, I index) { return _mm256_permutevar8x32_ps(table, index); }
  static F swap_pairs(F a) { return _mm256_permute_ps(a, 0xb1); }
  static F load_pairs(const float* p) {
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  }
  static uint32_t smallest(F a) {
    F m = _mm256_min_ps(a, _mm256_permute2f128_ps(a, a, 1));
    m = _mm256_min_ps(m, _mm256_permute_ps(m, 0x4e));
    m = _mm256_min_ps(m, _mm256_permute_ps(m, 0xb1));
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, m, _CMP_EQ_OQ)));
  }
  static F load_4(const float* p) { return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p)); }

  static void transpose(const float* source, size_t stride, F* out) {
    F r[8], t[8];
    // Rows k and k + 4 share a register, so that the last step of the usual 8x8 transposition is a load.
    for (size_t k = 0; k < 4; ++k) {
      const float* p = source + k * stride;
      r[k] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * stride), 1);
      r[k + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4)), _mm_loadu_ps(p + 4 * stride + 4), 1);
    }
    for (size_t h = 0; h < 8; h += 4) {
      t[h] = _mm256_unpacklo_ps(r[h], r[h + 1]);
      t[h + 1] = _mm256_unpackhi_ps(r[h], r[h + 1]);
      t[h + 2] = _mm256_unpacklo_ps(r[h + 2], r[h + 3]);
      t[h + 3] = _mm256_unpackhi_ps(r[h + 2], r[h + 3]);
      out[h] = _mm256_shuffle_ps(t[h], t[h + 2], 0x44);
      out[h + 1] = _mm256_shuffle_ps(t[h], t[h + 2], 0xee);
      out[h + 2] = _mm256_shuffle_ps(t[h + 1], t[h + 3], 0x44);
      out[h + 3] = _mm256_shuffle_ps(t[h + 1], t[h + 3], 0xee);
    }
  }
};

// F16C gives the bits of quant/common.h except that it keeps the payload of a NaN when narrowing, where ggml writes
// 0x7e00.
struct Half {
  static __m256 to_float(__m256i half) {
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
  }
  static __m256 load(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static __m256 round(__m256 value) { return _mm256_cvtph_ps(_mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT)); }
  static __m256i from_float(__m256 value) {
    const __m256i half = _mm256_cvtepu16_epi32(_mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
    const __m256i nan = _mm256_or_si256(_mm256_and_si256(half, _mm256_set1_epi32(0x8000)), _mm256_set1_epi32(0x7e00));
    return Simd::select_i(_mm256_cmp_ps(value, value, _CMP_UNORD_Q), nan, half);
  }
};

}  // namespace
