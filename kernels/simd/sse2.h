// Vector operations for the x86-64 baseline: 4 lanes. See simd/README.md for what each operation means.
#pragma once

#include <emmintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/bytes.h"

namespace {

struct Simd {
  using F = __m128;
  using I = __m128i;
  using M = __m128;
  static constexpr size_t lanes = 4;

  static F load(const float* p) { return _mm_loadu_ps(p); }
  static void store(float* p, F v) { _mm_storeu_ps(p, v); }
  static F set(float v) { return _mm_set1_ps(v); }
  static F add(F a, F b) { return _mm_add_ps(a, b); }
  static F sub(F a, F b) { return _mm_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm_mul_ps(a, b); }
  static F div(F a, F b) { return _mm_div_ps(a, b); }
  static F sqrt(F a) { return _mm_sqrt_ps(a); }
  static F abs(F a) { return _mm_and_ps(a, _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff))); }
  static F neg(F a) { return _mm_xor_ps(a, _mm_set1_ps(-0.0f)); }
  static F min(F a, F b) { return _mm_min_ps(a, b); }
  static F max(F a, F b) { return _mm_max_ps(a, b); }

  static M lt(F a, F b) { return _mm_cmplt_ps(a, b); }
  static M eq(F a, F b) { return _mm_cmpeq_ps(a, b); }
  static M both(M a, M b) { return _mm_and_ps(a, b); }
  static M either(M a, M b) { return _mm_or_ps(a, b); }
  static bool any(M m) { return _mm_movemask_ps(m) != 0; }
  static bool all(M m) { return _mm_movemask_ps(m) == 15; }
  static F select(M m, F yes, F no) { return _mm_or_ps(_mm_and_ps(m, yes), _mm_andnot_ps(m, no)); }

  static I load_i(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static void store_i(void* p, I v) { _mm_storeu_si128(static_cast<__m128i*>(p), v); }
  static I set_i(int32_t v) { return _mm_set1_epi32(v); }
  static I add_i(I a, I b) { return _mm_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm_sub_epi32(a, b); }
  static I and_i(I a, I b) { return _mm_and_si128(a, b); }
  static I or_i(I a, I b) { return _mm_or_si128(a, b); }
  template <int n>
  static I shl(I a) {
    return _mm_slli_epi32(a, n);
  }
  template <int n>
  static I shr(I a) {
    return _mm_srli_epi32(a, n);
  }
  static I min_i(I a, I b) { return pick(_mm_cmplt_epi32(a, b), a, b); }
  static I max_i(I a, I b) { return pick(_mm_cmpgt_epi32(a, b), a, b); }
  static M eq_i(I a, I b) { return _mm_castsi128_ps(_mm_cmpeq_epi32(a, b)); }
  static M gt_i(I a, I b) { return _mm_castsi128_ps(_mm_cmpgt_epi32(a, b)); }
  static I select_i(M m, I yes, I no) { return pick(_mm_castps_si128(m), yes, no); }

  static F to_float(I a) { return _mm_cvtepi32_ps(a); }
  static I truncate(F a) { return _mm_cvttps_epi32(a); }
  static F whole(F a) { return to_float(truncate(a)); }
  static I byte(F a) { return and_i(truncate(a), set_i(255)); }
  static I whole_byte(F a) { return byte(a); }
  static F up(F a) {
    const F down = whole(a);
    return add(down, _mm_and_ps(lt(down, a), set(1.0f)));
  }
  static I increment(M m, I a) { return _mm_sub_epi32(a, _mm_castps_si128(m)); }
  static I decrement(M m, I a) { return _mm_add_epi32(a, _mm_castps_si128(m)); }
  static I bits(F a) { return _mm_castps_si128(a); }
  static F from_bits(I a) { return _mm_castsi128_ps(a); }

  static I load_u8(const uint8_t* p) {
    const I zero = _mm_setzero_si128();
    return _mm_unpacklo_epi16(_mm_unpacklo_epi8(load_32(p), zero), zero);
  }
  static I load_i8(const int8_t* p) {
    const I twice = _mm_unpacklo_epi8(load_32(p), load_32(p));
    return _mm_srai_epi32(_mm_unpacklo_epi16(twice, twice), 24);
  }
  static I load_u16(const uint16_t* p) {
    return _mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128());
  }
  // SSE2 packs with signed saturation only: sign-extend first so that every 16-bit value survives.
  static void store_u16(uint16_t* p, I a) {
    const I extended = _mm_srai_epi32(_mm_slli_epi32(a, 16), 16);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(extended, extended));
  }
  static void store_u16_pair(uint16_t* p, I low, I high) { store_u16(p, low), store_u16(p + 4, high); }
  static Bytes narrow(const I* a) {
    return (Bytes)_mm_packus_epi16(_mm_packs_epi32(a[0], a[1]), _mm_packs_epi32(a[2], a[3]));
  }

  static constexpr bool has_half_pairs = false;

  struct Table {
    float values[16];
  };
  static Table table(const int8_t* v) {
    Table t;
    for (int i = 0; i < 16; ++i) t.values[i] = v[i];
    return t;
  }
  static F lookup(const Table& t, I index) {
    alignas(16) uint32_t at[4];
    store_i(at, and_i(index, set_i(15)));
    return _mm_setr_ps(t.values[at[0]], t.values[at[1]], t.values[at[2]], t.values[at[3]]);
  }

  static constexpr bool has_permute = false;
  static F load_4(const float* p) { return load(p); }
  static F permute4(F table, I index) {  // no shuffle by variable before SSSE3
    const I low = _mm_slli_epi32(index, 31), high = _mm_slli_epi32(index, 30);
    const F even = select(sign_mask(high), _mm_shuffle_ps(table, table, 0xaa), _mm_shuffle_ps(table, table, 0x00));
    const F odd = select(sign_mask(high), _mm_shuffle_ps(table, table, 0xff), _mm_shuffle_ps(table, table, 0x55));
    return select(sign_mask(low), odd, even);
  }
  static F swap_pairs(F a) { return _mm_shuffle_ps(a, a, 0xb1); }
  static F load_pairs(const float* p) {
    const F pair = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm_unpacklo_ps(pair, pair);
  }
  static uint32_t smallest(F a) {
    F m = _mm_min_ps(a, _mm_shuffle_ps(a, a, 0x4e));
    m = _mm_min_ps(m, _mm_shuffle_ps(m, m, 0xb1));
    return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpeq_ps(a, m)));
  }

  static void transpose(const float* source, size_t stride, F* out) {
    F a = load(source), b = load(source + stride), c = load(source + 2 * stride), d = load(source + 3 * stride);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    out[0] = a, out[1] = b, out[2] = c, out[3] = d;
  }

 private:
  static I pick(I mask, I yes, I no) { return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no)); }
  static M sign_mask(I a) { return _mm_castsi128_ps(_mm_srai_epi32(a, 31)); }
  static I load_32(const void* p) {
    int32_t word;
    __builtin_memcpy(&word, p, 4);
    return _mm_cvtsi32_si128(word);
  }
};

}  // namespace

#include "simd/half-inl.h"
