// Vector operations for AVX-512 (F, BW, DQ, VL): 16 lanes. See simd/README.md for what each operation means.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/bytes.h"

namespace {

struct Simd {
  using F = __m512;
  using I = __m512i;
  using M = __mmask16;
  static constexpr size_t lanes = 16;

  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F set(float v) { return _mm512_set1_ps(v); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F sqrt(F a) { return _mm512_sqrt_ps(a); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F neg(F a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }

  static M lt(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static M eq(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static M both(M a, M b) { return static_cast<M>(a & b); }
  static M either(M a, M b) { return static_cast<M>(a | b); }
  static bool any(M m) { return m != 0; }
  static bool all(M m) { return m == 0xffff; }
  static F select(M m, F yes, F no) { return _mm512_mask_blend_ps(m, no, yes); }

  static I load_i(const void* p) { return _mm512_loadu_si512(p); }
  static void store_i(void* p, I v) { _mm512_storeu_si512(p, v); }
  static I set_i(int32_t v) { return _mm512_set1_epi32(v); }
  static I add_i(I a, I b) { return _mm512_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I and_i(I a, I b) { return _mm512_and_si512(a, b); }
  static I or_i(I a, I b) { return _mm512_or_si512(a, b); }
  template <int n>
  static I shl(I a) {
    return _mm512_slli_epi32(a, n);
  }
  template <int n>
  static I shr(I a) {
    return _mm512_srli_epi32(a, n);
  }
  static I min_i(I a, I b) { return _mm512_min_epi32(a, b); }
  static I max_i(I a, I b) { return _mm512_max_epi32(a, b); }
  static M eq_i(I a, I b) { return _mm512_cmpeq_epi32_mask(a, b); }
  static M gt_i(I a, I b) { return _mm512_cmpgt_epi32_mask(a, b); }
  static I select_i(M m, I yes, I no) { return _mm512_mask_blend_epi32(m, no, yes); }

  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static I truncate(F a) { return _mm512_cvttps_epi32(a); }
  static F whole(F a) { return to_float(truncate(a)); }
  static I byte(F a) { return and_i(truncate(a), set_i(255)); }
  static I whole_byte(F a) { return byte(a); }
  static F up(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
  static I increment(M m, I a) { return _mm512_mask_add_epi32(a, m, a, set_i(1)); }
  static I decrement(M m, I a) { return _mm512_mask_sub_epi32(a, m, a, set_i(1)); }
  static I bits(F a) { return _mm512_castps_si512(a); }
  static F from_bits(I a) { return _mm512_castsi512_ps(a); }

  static I load_u8(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static I load_i8(const int8_t* p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static I load_u16(const uint16_t* p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static void store_u16(uint16_t* p, I a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a));
  }
  static void store_u16_pair(uint16_t* p, I low, I high) { store_u16(p, low), store_u16(p + 16, high); }
  static Bytes narrow(const I* a) { return (Bytes)_mm512_cvtepi32_epi8(*a); }

  static constexpr bool has_half_pairs = false;

  struct Table {
    __m512 values;
  };
  static Table table(const int8_t* v) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v))))};
  }
  static F lookup(const Table& t, I index) { return _mm512_permutexvar_ps(index, t.values); }

  static F load_4(const float* p) { return _mm512_broadcast_f32x4(_mm_loadu_ps(p)); }

  // Within 128-bit quarters first (4x4), then the quarters.
  static constexpr bool has_permute = true;
  static F odd4() { return _mm512_broadcast_f32x4(_mm_setr_ps(1, 3, 5, 7)); }
  static F odd8() { return _mm512_broadcast_f32x8(_mm256_setr_ps(1, 3, 5, 7, 9, 11, 13, 15)); }
  static F permute4(F table, I index) { return _mm512_permutevar_ps(table, index); }
  static F permute8(F table, I index) { return _mm512_permutexvar_ps(index, table); }
  static F swap_pairs(F a) { return _mm512_permute_ps(a, 0xb1); }
  static F load_pairs(const float* p) {
    const I twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
  }
  static uint32_t smallest(F a) {
    F m = _mm512_min_ps(a, _mm512_shuffle_f32x4(a, a, 0x4e));
    m = _mm512_min_ps(m, _mm512_shuffle_f32x4(m, m, 0xb1));
    m = _mm512_min_ps(m, _mm512_permute_ps(m, 0x4e));
    m = _mm512_min_ps(m, _mm512_permute_ps(m, 0xb1));
    return _mm512_cmp_ps_mask(a, m, _CMP_EQ_OQ);
  }

  static void transpose(const float* source, size_t stride, F* out) {
    F q[16];
    for (size_t k = 0; k < 16; k += 4) {
      const F a = load(source + k * stride), b = load(source + (k + 1) * stride);
      const F c = load(source + (k + 2) * stride), d = load(source + (k + 3) * stride);
      const F ab_low = _mm512_unpacklo_ps(a, b), ab_high = _mm512_unpackhi_ps(a, b);
      const F cd_low = _mm512_unpacklo_ps(c, d), cd_high = _mm512_unpackhi_ps(c, d);
      q[k] = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
      q[k + 1] = _mm512_shuffle_ps(ab_low, cd_low, 0xee);
      q[k + 2] = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
      q[k + 3] = _mm512_shuffle_ps(ab_high, cd_high, 0xee);
    }
    for (size_t j = 0; j < 4; ++j) {  // q[4 * g + j] holds columns j, j + 4, j + 8, j + 12 of rows 4g .. 4g + 3
      const F low01 = _mm512_shuffle_f32x4(q[j], q[j + 4], 0x44), high01 = _mm512_shuffle_f32x4(q[j], q[j + 4], 0xee);
      const F low23 = _mm512_shuffle_f32x4(q[j + 8], q[j + 12], 0x44);
      const F high23 = _mm512_shuffle_f32x4(q[j + 8], q[j + 12], 0xee);
      out[j] = _mm512_shuffle_f32x4(low01, low23, 0x88);
      out[j + 4] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
      out[j + 8] = _mm512_shuffle_f32x4(high01, high23, 0x88);
      out[j + 12] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
    }
  }
};

// The hardware gives the bits of quant/common.h except that it keeps the payload of a NaN when narrowing, where ggml
// writes 0x7e00.
struct Half {
  static __m512 to_float(__m512i half) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(half)); }
  static __m512 load(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static __m512 round(__m512 value) { return _mm512_cvtph_ps(_mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT)); }
  static __m512i from_float(__m512 value) {
    const __m512i half = _mm512_cvtepu16_epi32(_mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
    const __m512i nan = _mm512_or_si512(_mm512_and_si512(half, _mm512_set1_epi32(0x8000)), _mm512_set1_epi32(0x7e00));
    return Simd::select_i(_mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), nan, half);
  }
};

}  // namespace
