// Vector operations for arm64: 4 lanes. See simd/README.md for what each operation means. `npm run test:arm64` checks
// the kernels made of them on any Linux, under emulation: bytes yes, speed no; nothing here was chosen by measurement.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/bytes.h"

namespace {

struct Simd {
  using F = float32x4_t;
  using I = int32x4_t;
  using M = uint32x4_t;
  static constexpr size_t lanes = 4;

  static F load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, F v) { vst1q_f32(p, v); }
  static F set(float v) { return vdupq_n_f32(v); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F sqrt(F a) { return vsqrtq_f32(a); }
  static F abs(F a) { return vabsq_f32(a); }
  static F neg(F a) { return vnegq_f32(a); }
  static F min(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

  static M lt(F a, F b) { return vcltq_f32(a, b); }
  static M eq(F a, F b) { return vceqq_f32(a, b); }
  static M both(M a, M b) { return vandq_u32(a, b); }
  static M either(M a, M b) { return vorrq_u32(a, b); }
  static bool any(M m) { return vmaxvq_u32(m) != 0; }
  static bool all(M m) { return vminvq_u32(m) != 0; }
  static F select(M m, F yes, F no) { return vbslq_f32(m, yes, no); }

  static I load_i(const void* p) { return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p))); }
  static void store_i(void* p, I v) { vst1q_u8(static_cast<uint8_t*>(p), vreinterpretq_u8_s32(v)); }
  static I set_i(int32_t v) { return vdupq_n_s32(v); }
  static I add_i(I a, I b) { return vaddq_s32(a, b); }
  static I sub_i(I a, I b) { return vsubq_s32(a, b); }
  static I and_i(I a, I b) { return vandq_s32(a, b); }
  static I or_i(I a, I b) { return vorrq_s32(a, b); }
  template <int n>
  static I shl(I a) {
    return vshlq_n_s32(a, n);
  }
  template <int n>
  static I shr(I a) {
    return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), n));
  }
  static I min_i(I a, I b) { return vminq_s32(a, b); }
  static I max_i(I a, I b) { return vmaxq_s32(a, b); }
  static M eq_i(I a, I b) { return vceqq_s32(a, b); }
  static M gt_i(I a, I b) { return vcgtq_s32(a, b); }
  static I select_i(M m, I yes, I no) { return vbslq_s32(m, yes, no); }

  static F to_float(I a) { return vcvtq_f32_s32(a); }
  static I truncate(F a) {  // NEON saturates: put INT_MIN where x86 does
    return vbslq_s32(vcltq_f32(vabsq_f32(a), vdupq_n_f32(2147483648.0f)), vcvtq_s32_f32(a), vdupq_n_s32(INT32_MIN));
  }
  static F whole(F a) { return to_float(truncate(a)); }
  static I byte(F a) { return and_i(truncate(a), set_i(255)); }
  static I whole_byte(F a) { return byte(a); }
  static F up(F a) { return vrndpq_f32(a); }
  static I increment(M m, I a) { return vsubq_s32(a, vreinterpretq_s32_u32(m)); }
  static I decrement(M m, I a) { return vaddq_s32(a, vreinterpretq_s32_u32(m)); }
  static I bits(F a) { return vreinterpretq_s32_f32(a); }
  static F from_bits(I a) { return vreinterpretq_f32_s32(a); }

  static I load_u8(const uint8_t* p) {
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(load_32(p))))));
  }
  static I load_i8(const int8_t* p) { return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(load_32(p))))); }
  static I load_u16(const uint16_t* p) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p))); }
  static void store_u16(uint16_t* p, I a) { vst1_u16(p, vmovn_u32(vreinterpretq_u32_s32(a))); }
  static void store_u16_pair(uint16_t* p, I low, I high) { store_u16(p, low), store_u16(p + 4, high); }
  static Bytes narrow(const I* a) {
    const int16x8_t low = vcombine_s16(vmovn_s32(a[0]), vmovn_s32(a[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(a[2]), vmovn_s32(a[3]));
    return (Bytes)vcombine_s8(vmovn_s16(low), vmovn_s16(high));
  }

  static constexpr bool has_half_pairs = false;

  struct Table {
    int8x16_t bytes;
  };
  static Table table(const int8_t* v) { return {vld1q_s8(v)}; }
  static F lookup(const Table& t, I index) {  // the value's byte goes to the top of its lane, the others become 0
    const I at = vorrq_s32(vandq_s32(vshlq_n_s32(index, 24), vdupq_n_s32(0x0f000000)), vdupq_n_s32(0x00f0f0f0));
    const int8x16_t top = vqtbl1q_s8(t.bytes, vreinterpretq_u8_s32(at));
    return vcvtq_f32_s32(vshrq_n_s32(vreinterpretq_s32_s8(top), 24));
  }

  static constexpr bool has_permute = false;
  static F load_4(const float* p) { return load(p); }
  static F permute4(F table, I index) {
    const int32x4_t bytes = vmulq_s32(vandq_s32(index, vdupq_n_s32(3)), vdupq_n_s32(0x04040404));
    const uint8x16_t at = vreinterpretq_u8_s32(vaddq_s32(bytes, vdupq_n_s32(0x03020100)));
    return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(table), at));
  }
  static F swap_pairs(F a) { return vrev64q_f32(a); }
  static F load_pairs(const float* p) {
    const float32x2_t pair = vld1_f32(p);
    return vcombine_f32(vdup_lane_f32(pair, 0), vdup_lane_f32(pair, 1));
  }
  static uint32_t smallest(F a) {
    alignas(16) static const uint32_t kBits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vceqq_f32(a, vdupq_n_f32(vminvq_f32(a))), vld1q_u32(kBits)));
  }

  static void transpose(const float* source, size_t stride, F* out) {
    const float32x4x2_t ab = vtrnq_f32(load(source), load(source + stride));
    const float32x4x2_t cd = vtrnq_f32(load(source + 2 * stride), load(source + 3 * stride));
    out[0] = vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0]));
    out[1] = vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1]));
    out[2] = vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0]));
    out[3] = vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1]));
  }

 private:
  static uint64_t load_32(const void* p) {
    uint32_t word;
    __builtin_memcpy(&word, p, 4);
    return word;
  }
};

}  // namespace

#include "simd/half-inl.h"
