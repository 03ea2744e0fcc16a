// What products need of WebAssembly SIMD: eight rows to two vectors, as AVX2 has them in one.
//
// Relaxed SIMD (a module of its own) multiplies bytes in pairs by one instruction, and exactly: its second operand is
// the codes of formats without signs, which are 0 .. 63. Signed codes, and everything without it, are widened to 16
// bits.
#pragma once

#include <wasm_simd128.h>

#include "product/formats.h"
#include "product/grids.h"

namespace {

struct Lanes {
  using Few = Lanes;
  template <class Format>
  using Served = Format;
  struct F {
    v128_t low, high;
  };
  struct I {
    v128_t low, high;
  };
  static constexpr size_t rows = 8, float_lanes = 8;
  static constexpr size_t float_sums = 4;                   // F that stay in registers beside what is multiplied
  static constexpr size_t float_rows = 2, float_group = 3;  // rows and inputs multiplied together where there are many
#if defined(__wasm_relaxed_simd__)
  static constexpr bool has_byte_pairs = true;
#else
  static constexpr bool has_byte_pairs = false;
#endif
  // Inputs multiplied together with a panel, each with two accumulators of two vectors. More than V8 keeps in registers
  // cost more than the loads they save: two at a time make 62 GOP/s of Q4_0 and 57 of Q5_0, four 48 and 40 (1,536
  // columns, 64 inputs, one thread, AMD Zen 3). Where codes are widened first, the more inputs share that the better:
  // Q8_0 and IQ4_XS make 38 with four, 33 and 26 with two.
  template <bool is_signed>
  static constexpr size_t group = has_byte_pairs && !is_signed ? 2 : 4;
  // How many of the inputs that are left are multiplied together next: the last ones of a prompt one by one, which is
  // less code to ship.
  static constexpr size_t together(size_t left, size_t group) { return left < group ? 1 : group; }

  static F load(const float* p) { return {wasm_v128_load(p), wasm_v128_load(p + 4)}; }
  static void store(float* p, F v) {
    wasm_v128_store(p, v.low);
    wasm_v128_store(p + 4, v.high);
  }
  static F set(float v) { return {wasm_f32x4_splat(v), wasm_f32x4_splat(v)}; }
  static F add(F a, F b) { return {wasm_f32x4_add(a.low, b.low), wasm_f32x4_add(a.high, b.high)}; }
  static F sub(F a, F b) { return {wasm_f32x4_sub(a.low, b.low), wasm_f32x4_sub(a.high, b.high)}; }
  static F mul(F a, F b) { return {wasm_f32x4_mul(a.low, b.low), wasm_f32x4_mul(a.high, b.high)}; }
  static F load_some(const float* p, size_t count) {
    if (count == 8) return load(p);
    float eight[8] = {};
    for (size_t i = 0; i < count; ++i) eight[i] = p[i];
    return load(eight);
  }
  static void store_some(float* p, F v, size_t count) {
    if (count == 8) {
      store(p, v);
      return;
    }
    float eight[8];
    store(eight, v);
    for (size_t i = 0; i < count; ++i) p[i] = eight[i];
  }

  static I zero_i() { return {wasm_i32x4_splat(0), wasm_i32x4_splat(0)}; }
  static I set_i(int32_t v) { return {wasm_i32x4_splat(v), wasm_i32x4_splat(v)}; }
  static I add_i(I a, I b) { return {wasm_i32x4_add(a.low, b.low), wasm_i32x4_add(a.high, b.high)}; }
  static I sub_i(I a, I b) { return {wasm_i32x4_sub(a.low, b.low), wasm_i32x4_sub(a.high, b.high)}; }
  static F to_float(I a) { return {wasm_f32x4_convert_i32x4(a.low), wasm_f32x4_convert_i32x4(a.high)}; }

  static float half(uint16_t bits) { return kHalves[bits]; }
  static void round_to_half(const float* x, size_t count, float* target) { ScalarOps::round_to_half(x, count, target); }

  static U8x32 nibbles(const uint8_t* packed) {
    const v128_t bytes = wasm_v128_load(packed);
    return bytes_of(wasm_v128_and(bytes, wasm_i8x16_splat(15)), wasm_u8x16_shr(bytes, 4));
  }
  static I16x16 widened(U8x16 bytes) { return __builtin_convertvector(bytes, I16x16); }
  static U8x32 lookup(const int8_t* table, U8x32 index) {
    const v128_t values = wasm_v128_load(table);
    return bytes_of(lookup(values, of<0>(index)), lookup(values, of<1>(index)));
  }

  // ---- Sums along a row: a vector's lanes are parts of one sum ----

  template <class Format>
  static I dot_32(U8x32 codes, const int8_t* x) {
    if constexpr (has_byte_pairs && !Format::is_signed) {
      // Four products of at most 63 * 127 fit 16 bits.
      const v128_t first = byte_pairs(of<0>(codes), wasm_v128_load(x));
      const v128_t four = wasm_i16x8_add(first, byte_pairs(of<1>(codes), wasm_v128_load(x + 16)));
      return {wasm_i32x4_extadd_pairwise_i16x8(four), wasm_i32x4_splat(0)};
    } else {
      return {wasm_i32x4_add(wide_dot<Format, false>(of<0>(codes), x), wide_dot<Format, false>(of<1>(codes), x + 16)),
              wasm_i32x4_add(wide_dot<Format, true>(of<0>(codes), x), wide_dot<Format, true>(of<1>(codes), x + 16))};
    }
  }

  using Scales = I16x16;
  template <size_t sub>
  static Scales scales_of(I16x16 scales) {
    return scales;
  }

  template <class Format, size_t j>
  static I add_scaled_dot(I sum, U8x32 codes, const int8_t* x, const Scales& scales) {
    const v128_t first = scale<2 * j>(scales), second = scale<2 * j + 1>(scales);
    if constexpr (has_byte_pairs && !Format::is_signed) {
      return add_i(sum, {wasm_i32x4_dot_i16x8(byte_pairs(of<0>(codes), wasm_v128_load(x)), first),
                         wasm_i32x4_dot_i16x8(byte_pairs(of<1>(codes), wasm_v128_load(x + 16)), second)});
    } else {
      return add_i(sum, {wasm_i32x4_add(wide_dot<Format, false>(of<0>(codes), x, first),
                                        wide_dot<Format, true>(of<0>(codes), x, first)),
                         wasm_i32x4_add(wide_dot<Format, false>(of<1>(codes), x + 16, second),
                                        wide_dot<Format, true>(of<1>(codes), x + 16, second))});
    }
  }

  static I dot_mins(I16x16 mins, const int16_t* sums) {
    return {wasm_i32x4_dot_i16x8(of<0>(mins), wasm_v128_load(sums)),
            wasm_i32x4_dot_i16x8(of<1>(mins), wasm_v128_load(sums + 8))};
  }

  static int32_t fold(I sums) {
    const v128_t four = wasm_i32x4_add(sums.low, sums.high);
    const v128_t two = wasm_i32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 0, 1));
    return wasm_i32x4_extract_lane(two, 0) + wasm_i32x4_extract_lane(two, 1);
  }

  // Four numbers, one of each of four units.
  using Four = v128_t;
  static Four four(float a, float b, float c, float d) { return wasm_f32x4_make(a, b, c, d); }
  static Four load_four(const float* p) { return wasm_v128_load(p); }
  static Four to_floats(const int32_t* p) { return wasm_f32x4_convert_i32x4(wasm_v128_load(p)); }
  static Four mul_four(Four a, Four b) { return wasm_f32x4_mul(a, b); }
  template <int i>
  static float at(Four v) {
    return wasm_f32x4_extract_lane(v, i);
  }

  // The four sums, whole, less `offset` times the four at `below`.
  template <int offset>
  static Four fold_four(const I* sums, const int32_t* below) {
    v128_t four[4];
    for (size_t i = 0; i < 4; ++i) four[i] = wasm_i32x4_add(sums[i].low, sums[i].high);
    const v128_t ab = wasm_i32x4_add(unpack_low(four[0], four[1]), unpack_high(four[0], four[1]));
    const v128_t cd = wasm_i32x4_add(unpack_low(four[2], four[3]), unpack_high(four[2], four[3]));
    v128_t whole = wasm_i32x4_add(wasm_i64x2_shuffle(ab, cd, 0, 2), wasm_i64x2_shuffle(ab, cd, 1, 3));
    if (offset != 0) {
      whole = wasm_i32x4_sub(whole, wasm_i32x4_mul(wasm_v128_load(below), wasm_i32x4_splat(offset)));
    }
    return wasm_f32x4_convert_i32x4(whole);
  }

  // ---- Panels: lane r belongs to row r ----

  // `bytes` (a multiple of 32) of each row, `stride` apart: four bytes of row 0, of row 1, .. of row 7, the next four
  // of row 0, ..
  template <size_t bytes>
  static void interleave(const int8_t* source, size_t stride, int8_t* target) {
    for (size_t half = 0; half < 2; ++half) {
      const int8_t* from = source + 4 * half * stride;
      for (size_t c = 0; c < bytes; c += 16) {
        v128_t row[4];
        for (size_t r = 0; r < 4; ++r) row[r] = wasm_v128_load(from + r * stride + c);
        transpose(row);
        for (size_t g = 0; g < 4; ++g) wasm_v128_store(target + 8 * c + 32 * g + 16 * half, row[g]);
      }
    }
  }

  // Sixteen 16-bit values of each row: value 0 of row 0 twice, of row 1 twice, ..
  static void interleave_scales(const int16_t* source, size_t stride, int16_t* target) {
    for (size_t half = 0; half < 2; ++half) {
      const int8_t* from = reinterpret_cast<const int8_t*>(source) + 4 * half * stride;
      for (size_t c = 0; c < 16; c += 4) {
        v128_t row[4];
        for (size_t r = 0; r < 4; ++r) {
          const v128_t values = wasm_v128_load64_zero(from + r * stride + 2 * c);
          row[r] = wasm_i16x8_shuffle(values, values, 0, 0, 1, 1, 2, 2, 3, 3);
        }
        transpose(row);
        for (size_t g = 0; g < 4; ++g) wasm_v128_store(target + 16 * (c + g) + 8 * half, row[g]);
      }
    }
  }

  // mins: a pair per row; sums: one pair for all.
  static I add_mins(I below, const int16_t* mins, const int16_t* sums) {
    const v128_t both = wasm_v128_load32_splat(sums);
    return add_i(below, {wasm_i32x4_dot_i16x8(wasm_v128_load(mins), both),
                         wasm_i32x4_dot_i16x8(wasm_v128_load(mins + 8), both)});
  }

  // whole[k] += scales * sum over `groups` times four columns, of which `fit` can be added in 16 bits.
  template <bool is_signed, size_t groups, size_t fit, size_t count>
  static void add_scaled(const int8_t* panel, const int8_t* const* codes, size_t column, const int16_t* scales,
                         I* whole) {
    const I factors = {wasm_v128_load(scales), wasm_v128_load(scales + 8)};
    if constexpr (has_byte_pairs && !is_signed) {
      for (size_t from = 0; from < groups; from += fit) {
        I part[count];
        add_narrow<fit, count>(panel + 32 * from, codes, column + 4 * from, part);
        for (size_t k = 0; k < count; ++k) {
          whole[k].low = wasm_i32x4_add(whole[k].low, wasm_i32x4_dot_i16x8(part[k].low, factors.low));
          whole[k].high = wasm_i32x4_add(whole[k].high, wasm_i32x4_dot_i16x8(part[k].high, factors.high));
        }
      }
    } else {
      I part[count];
      for (size_t k = 0; k < count; ++k) part[k] = zero_i();
      add_wide<is_signed, groups, count>(panel, codes, column, part);
      const v128_t low = wasm_i32x4_shr(factors.low, 16), high = wasm_i32x4_shr(factors.high, 16);
      for (size_t k = 0; k < count; ++k) {
        whole[k].low = wasm_i32x4_add(whole[k].low, wasm_i32x4_mul(part[k].low, low));
        whole[k].high = wasm_i32x4_add(whole[k].high, wasm_i32x4_mul(part[k].high, high));
      }
    }
  }

  template <bool is_signed, size_t groups, size_t fit, size_t count>
  static void add_plain(const int8_t* panel, const int8_t* const* codes, size_t column, I* whole) {
    if constexpr (has_byte_pairs && !is_signed) {
      for (size_t from = 0; from < groups; from += fit) {
        I part[count];
        add_narrow<fit, count>(panel + 32 * from, codes, column + 4 * from, part);
        for (size_t k = 0; k < count; ++k) {
          whole[k].low = wasm_i32x4_add(whole[k].low, wasm_i32x4_extadd_pairwise_i16x8(part[k].low));
          whole[k].high = wasm_i32x4_add(whole[k].high, wasm_i32x4_extadd_pairwise_i16x8(part[k].high));
        }
      }
    } else {
      add_wide<is_signed, groups, count>(panel, codes, column, whole);
    }
  }

  // ---- Float weights ----

  static F load_weights(const block_f32* p) { return load(&p->value); }
  static F load_weights(const block_f16* p) {
    const v128_t halves = wasm_v128_load(p);
    return {from_halves(wasm_u32x4_extend_low_u16x8(halves)), from_halves(wasm_u32x4_extend_high_u16x8(halves))};
  }
  static F load_weights(const block_bf16* p) {
    const v128_t halves = wasm_v128_load(p), zero = wasm_i32x4_splat(0);
    return {wasm_i16x8_shuffle(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11),
            wasm_i16x8_shuffle(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15)};
  }

  static float fold_16(const F* sums) {
    const F eight = add(sums[0], sums[1]);
    const v128_t four = wasm_f32x4_add(eight.low, eight.high);
    const v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
  }

 private:
  static v128_t lookup(v128_t table, v128_t index) {
#if defined(__wasm_relaxed_simd__)
    return wasm_i8x16_relaxed_swizzle(table, index);  // an index is 0 .. 15, for which it is exact
#else
    return wasm_i8x16_swizzle(table, index);
#endif
  }

  // Sums of two products of sixteen codes (0 .. 127) and inputs, as 16 bits.
  static v128_t byte_pairs(v128_t codes, v128_t x) {
#if defined(__wasm_relaxed_simd__)
    return wasm_i16x8_relaxed_dot_i8x16_i7x16(x, codes);
#else
    (void)x;
    return codes;  // not called
#endif
  }

  // Half of a vector twice as long.
  template <size_t at, class Vector>
  static v128_t of(Vector v) {
    struct Halves {
      v128_t both[2];
    };
    return __builtin_bit_cast(Halves, v).both[at];
  }
  static U8x32 bytes_of(v128_t low, v128_t high) {
    return ::halves(__builtin_bit_cast(U8x16, low), __builtin_bit_cast(U8x16, high));
  }

  template <size_t at>
  static v128_t scale(I16x16 scales) {
    constexpr int lane = at % 8;
    const v128_t eight = of<at / 8>(scales);
    return wasm_i16x8_shuffle(eight, eight, lane, lane, lane, lane, lane, lane, lane, lane);
  }

  // Sums of two products of eight codes of sixteen, as 32 bits; times a scale: no format has a scale and a code whose
  // product exceeds 16 bits, 128 * 63 is the largest.
  template <class Format, bool high>
  static v128_t widen(v128_t codes) {
    if (Format::is_signed) return high ? wasm_i16x8_extend_high_i8x16(codes) : wasm_i16x8_extend_low_i8x16(codes);
    return high ? wasm_u16x8_extend_high_u8x16(codes) : wasm_u16x8_extend_low_u8x16(codes);
  }
  template <class Format, bool high>
  static v128_t wide_dot(v128_t codes, const int8_t* x) {
    return wasm_i32x4_dot_i16x8(widen<Format, high>(codes), wasm_i16x8_load8x8(x + (high ? 8 : 0)));
  }
  template <class Format, bool high>
  static v128_t wide_dot(v128_t codes, const int8_t* x, v128_t scale) {
    const v128_t scaled = wasm_i16x8_mul(widen<Format, high>(codes), scale);
    return wasm_i32x4_dot_i16x8(scaled, wasm_i16x8_load8x8(x + (high ? 8 : 0)));
  }

  template <size_t groups, size_t count>
  static void add_narrow(const int8_t* panel, const int8_t* const* codes, size_t column, I* part) {
#pragma clang loop unroll(full)
    for (size_t g = 0; g < groups; ++g) {
      const v128_t low = wasm_v128_load(panel + 32 * g), high = wasm_v128_load(panel + 32 * g + 16);
#pragma clang loop unroll(full)
      for (size_t k = 0; k < count; ++k) {
        const v128_t x = wasm_v128_load32_splat(codes[k] + column + 4 * g);
        const v128_t first = byte_pairs(low, x), second = byte_pairs(high, x);
        part[k].low = g == 0 ? first : wasm_i16x8_add(part[k].low, first);
        part[k].high = g == 0 ? second : wasm_i16x8_add(part[k].high, second);
      }
    }
  }

  // The even and the odd bytes of 16-bit lanes.
  template <bool is_signed>
  static v128_t even(v128_t v) {
    return is_signed ? wasm_i16x8_shr(wasm_i16x8_shl(v, 8), 8) : wasm_v128_and(v, wasm_i16x8_splat(255));
  }
  template <bool is_signed>
  static v128_t odd(v128_t v) {
    return is_signed ? wasm_i16x8_shr(v, 8) : wasm_u16x8_shr(v, 8);
  }

  template <bool is_signed, size_t groups, size_t count>
  static void add_wide(const int8_t* panel, const int8_t* const* codes, size_t column, I* whole) {
#pragma clang loop unroll(full)
    for (size_t g = 0; g < groups; ++g) {
      const v128_t low = wasm_v128_load(panel + 32 * g), high = wasm_v128_load(panel + 32 * g + 16);
      const v128_t low_even = even<is_signed>(low), low_odd = odd<is_signed>(low);
      const v128_t high_even = even<is_signed>(high), high_odd = odd<is_signed>(high);
#pragma clang loop unroll(full)
      for (size_t k = 0; k < count; ++k) {
        const v128_t x = wasm_v128_load32_splat(codes[k] + column + 4 * g);
        const v128_t x_even = even<true>(x), x_odd = odd<true>(x);
        whole[k].low = wasm_i32x4_add(wasm_i32x4_add(whole[k].low, wasm_i32x4_dot_i16x8(low_even, x_even)),
                                      wasm_i32x4_dot_i16x8(low_odd, x_odd));
        whole[k].high = wasm_i32x4_add(wasm_i32x4_add(whole[k].high, wasm_i32x4_dot_i16x8(high_even, x_even)),
                                       wasm_i32x4_dot_i16x8(high_odd, x_odd));
      }
    }
  }

  // Four binary16 in 32-bit lanes: moved to the place of a float32's exponent and fraction and multiplied by 2^112,
  // which is exact and makes subnormals normal; infinities and NaNs then get the exponent they lack.
  static v128_t from_halves(v128_t h) {
    const v128_t magnitude = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x7fff)), 13);
    const v128_t special = wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x0f7fffff));
    const v128_t value = wasm_f32x4_mul(magnitude, wasm_i32x4_splat(0x77800000));
    const v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x8000)), 16);
    return wasm_v128_or(wasm_v128_or(value, sign), wasm_v128_and(special, wasm_i32x4_splat(0x7f800000)));
  }

  static v128_t unpack_low(v128_t a, v128_t b) { return wasm_i32x4_shuffle(a, b, 0, 4, 1, 5); }
  static v128_t unpack_high(v128_t a, v128_t b) { return wasm_i32x4_shuffle(a, b, 2, 6, 3, 7); }

  // Four rows of four 32-bit values become columns.
  static void transpose(v128_t* v) {
    const v128_t ab_low = unpack_low(v[0], v[1]), ab_high = unpack_high(v[0], v[1]);
    const v128_t cd_low = unpack_low(v[2], v[3]), cd_high = unpack_high(v[2], v[3]);
    v[0] = wasm_i64x2_shuffle(ab_low, cd_low, 0, 2);
    v[1] = wasm_i64x2_shuffle(ab_low, cd_low, 1, 3);
    v[2] = wasm_i64x2_shuffle(ab_high, cd_high, 0, 2);
    v[3] = wasm_i64x2_shuffle(ab_high, cd_high, 1, 3);
  }
};

}  // namespace
