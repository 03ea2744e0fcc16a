// Vector operations for WebAssembly SIMD: 4 lanes. See simd/README.md for what each operation means.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include "simd/bytes.h"

namespace {

struct Simd {
  // F and I are the same type in WebAssembly; the wrapper keeps the algorithms honest about which is which.
  using F = v128_t;
  using I = v128_t;
  using M = v128_t;
  static constexpr size_t lanes = 4;

  static F load(const float* p) { return wasm_v128_load(p); }
  static void store(float* p, F v) { wasm_v128_store(p, v); }
  static F set(float v) { return wasm_f32x4_splat(v); }
  static F add(F a, F b) { return wasm_f32x4_add(a, b); }
  static F sub(F a, F b) { return wasm_f32x4_sub(a, b); }
  static F mul(F a, F b) { return wasm_f32x4_mul(a, b); }
  static F div(F a, F b) { return wasm_f32x4_div(a, b); }
  static F sqrt(F a) { return wasm_f32x4_sqrt(a); }
  static F abs(F a) { return wasm_f32x4_abs(a); }
  static F neg(F a) { return wasm_f32x4_neg(a); }
  // pmin(b, a) is a < b ? a : b and one instruction on x64, where min is several (NaN and signed zeros).
  static F min(F a, F b) { return wasm_f32x4_pmin(b, a); }
  static F max(F a, F b) { return wasm_f32x4_pmax(b, a); }

  static M lt(F a, F b) { return wasm_f32x4_lt(a, b); }
  static M eq(F a, F b) { return wasm_f32x4_eq(a, b); }
  static M both(M a, M b) { return wasm_v128_and(a, b); }
  static M either(M a, M b) { return wasm_v128_or(a, b); }
  static bool any(M m) { return wasm_v128_any_true(m); }
  static bool all(M m) { return wasm_i32x4_all_true(m); }
  static F select(M m, F yes, F no) { return wasm_v128_bitselect(yes, no, m); }

  static I load_i(const void* p) { return wasm_v128_load(p); }
  static void store_i(void* p, I v) { wasm_v128_store(p, v); }
  static I set_i(int32_t v) { return wasm_i32x4_splat(v); }
  static I add_i(I a, I b) { return wasm_i32x4_add(a, b); }
  static I sub_i(I a, I b) { return wasm_i32x4_sub(a, b); }
  static I and_i(I a, I b) { return wasm_v128_and(a, b); }
  static I or_i(I a, I b) { return wasm_v128_or(a, b); }
  template <int n>
  static I shl(I a) {
    return wasm_i32x4_shl(a, n);
  }
  template <int n>
  static I shr(I a) {
    return wasm_u32x4_shr(a, n);
  }
  static I min_i(I a, I b) { return wasm_i32x4_min(a, b); }
  static I max_i(I a, I b) { return wasm_i32x4_max(a, b); }
  static M eq_i(I a, I b) { return wasm_i32x4_eq(a, b); }
  static M gt_i(I a, I b) { return wasm_i32x4_gt(a, b); }
  static I select_i(M m, I yes, I no) { return wasm_v128_bitselect(yes, no, m); }

  static F to_float(I a) { return wasm_f32x4_convert_i32x4(a); }
  static I truncate(F a) {  // WebAssembly saturates: put INT_MIN where x86 does
    const M fits = wasm_f32x4_lt(wasm_f32x4_abs(a), wasm_f32x4_splat(2147483648.0f));
    return wasm_v128_bitselect(wasm_i32x4_trunc_sat_f32x4(a), wasm_i32x4_splat(INT32_MIN), fits);
  }
  // Without conversions to int32, which are a dozen instructions on x64, for they must saturate: Q4_0 to Q8_0 from
  // F16 1.07 to 1.15 times as fast.
  static F whole(F a) { return wasm_f32x4_trunc(a); }
  static I byte(F a) { return and_i(add(a, set(12582912.0f)), set_i(255)); }
  static I whole_byte(F a) { return byte(whole(a)); }
  static F up(F a) { return wasm_f32x4_ceil(a); }
  static I increment(M m, I a) { return wasm_i32x4_sub(a, m); }
  static I decrement(M m, I a) { return wasm_i32x4_add(a, m); }
  static I bits(F a) { return a; }
  static F from_bits(I a) { return a; }

  static I load_u8(const uint8_t* p) {
    return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
  }
  static I load_i8(const int8_t* p) {
    return wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p)));
  }
  static I load_u16(const uint16_t* p) { return wasm_u32x4_load16x4(p); }
  static void store_u16(uint16_t* p, I a) { wasm_v128_store64_lane(p, wasm_u16x8_narrow_i32x4(a, a), 0); }
  static void store_u16_pair(uint16_t* p, I low, I high) { wasm_v128_store(p, wasm_u16x8_narrow_i32x4(low, high)); }
  static Bytes narrow(const I* a) {
    const v128_t low = wasm_i16x8_narrow_i32x4(a[0], a[1]), high = wasm_i16x8_narrow_i32x4(a[2], a[3]);
    return (Bytes)wasm_u8x16_narrow_i16x8(low, high);
  }

  // Eight halves at once in 16-bit lanes: exponent and mantissa, moved to where a float has them, need a factor of
  // 2^112 only. That holds for zero and denormal numbers, too; asking for those in every eight made it 1.3 times as
  // slow.
  static constexpr bool has_half_pairs = true;
  static bool finite_halves(const uint16_t* p) {
    v128_t largest = wasm_i16x8_splat(0);
    for (size_t i = 0; i < 32; i += 8) {
      largest = wasm_u16x8_max(largest, wasm_v128_and(wasm_v128_load(p + i), wasm_i16x8_splat(0x7fff)));
    }
    return !wasm_v128_any_true(wasm_i16x8_gt(largest, wasm_i16x8_splat(0x7bff)));
  }
  static void load_half_pair(const uint16_t* p, F* low, F* high) {
    const v128_t halves = wasm_v128_load(p), lower = wasm_i16x8_shl(halves, 13);
    const v128_t upper = wasm_v128_and(wasm_i16x8_shr(halves, 3), wasm_u16x8_splat(0x8fff));
    *low = mul(wasm_i16x8_shuffle(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11), set(0x1p112f));
    *high = mul(wasm_i16x8_shuffle(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15), set(0x1p112f));
  }

  struct Table {
    v128_t bytes;
  };
  static Table table(const int8_t* v) { return {wasm_v128_load(v)}; }
  static F lookup(const Table& t, I index) {  // the value's byte goes to the top of its lane, the others become 0
    const I at = wasm_v128_or(wasm_i32x4_shl(index, 24), wasm_i32x4_splat(0x00f0f0f0));
    const I top = wasm_i8x16_swizzle(t.bytes, wasm_v128_and(at, wasm_i32x4_splat(0x0ff0f0f0)));
    return wasm_f32x4_convert_i32x4(wasm_i32x4_shr(top, 24));
  }

  static constexpr bool has_permute = false;
  static F load_4(const float* p) { return load(p); }
  static F permute4(F table, I index) {
    const I bytes = wasm_i32x4_mul(and_i(index, set_i(3)), set_i(0x04040404));
    return wasm_i8x16_swizzle(table, add_i(bytes, set_i(0x03020100)));
  }
  static F swap_pairs(F a) { return wasm_i32x4_shuffle(a, a, 1, 0, 3, 2); }
  static F load_pairs(const float* p) {
    const F pair = wasm_v128_load64_zero(p);
    return wasm_i32x4_shuffle(pair, pair, 0, 0, 1, 1);
  }
  static uint32_t smallest(F a) {
    F m = min(a, wasm_i32x4_shuffle(a, a, 2, 3, 0, 1));
    m = min(m, wasm_i32x4_shuffle(m, m, 1, 0, 3, 2));
    return wasm_i32x4_bitmask(eq(a, m));
  }

  static void transpose(const float* source, size_t stride, F* out) {
    const F a = load(source), b = load(source + stride), c = load(source + 2 * stride), d = load(source + 3 * stride);
    const F ab_low = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab_high = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    const F cd_low = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd_high = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    out[0] = wasm_i64x2_shuffle(ab_low, cd_low, 0, 2);
    out[1] = wasm_i64x2_shuffle(ab_low, cd_low, 1, 3);
    out[2] = wasm_i64x2_shuffle(ab_high, cd_high, 0, 2);
    out[3] = wasm_i64x2_shuffle(ab_high, cd_high, 1, 3);
  }
};

}  // namespace

#include "simd/half-inl.h"
