// Half-precision conversions with the operations of any `Simd`: the formulas of quant/common.h, lane by lane.
#pragma once

namespace {

struct Half {
  using V = Simd;
  using F = V::F;
  using I = V::I;

  // 16-bit patterns in 32-bit lanes -> float.
  static F to_float(I half) {
    const I sign = V::shl<16>(V::and_i(half, V::set_i(0x8000)));
    const I magnitude = V::and_i(half, V::set_i(0x7fff));
    const I shifted = V::shl<13>(magnitude);
    const I normal = V::add_i(shifted, V::set_i(112 << 23));
    const I denormal = V::bits(V::mul(V::to_float(magnitude), V::set(0x1.0p-24f)));
    const I infinity = V::or_i(shifted, V::set_i(0x7f800000));
    const I quiet = V::or_i(infinity, V::set_i(0x00400000));
    I result = V::select_i(V::gt_i(magnitude, V::set_i(0x03ff)), normal, denormal);
    result = V::select_i(V::gt_i(magnitude, V::set_i(0x7bff)), infinity, result);
    result = V::select_i(V::gt_i(magnitude, V::set_i(0x7c00)), quiet, result);
    return V::from_bits(V::or_i(result, sign));
  }

  // `lanes` of them from memory. Exponent and mantissa, moved to where a float has them, need a factor of 2^112 only,
  // but for infinity and NaN.
  static F load(const uint16_t* p) {
    const I half = V::load_u16(p), magnitude = V::and_i(half, V::set_i(0x7fff));
    if (V::any(V::gt_i(magnitude, V::set_i(0x7bff)))) return to_float(half);
    const F scaled = V::mul(V::from_bits(V::shl<13>(magnitude)), V::set(0x1p+112f));
    return V::from_bits(V::or_i(V::bits(scaled), V::shl<16>(V::sub_i(half, magnitude))));
  }

  static F round(F value) { return to_float(from_float(value)); }

  // float -> 16-bit patterns in 32-bit lanes.
  static I from_float(F value) {
    const I bits = V::bits(value);
    const I sign = V::and_i(V::shr<16>(bits), V::set_i(0x8000));
    const I magnitude = V::and_i(bits, V::set_i(0x7fffffff));
    const F base = V::mul(V::mul(V::from_bits(magnitude), V::set(0x1.0p+112f)), V::set(0x1.0p-110f));
    const I exponent = V::max_i(V::and_i(magnitude, V::set_i(0x7f800000)), V::set_i(0x38800000));
    const I rounded = V::bits(V::add(V::from_bits(V::add_i(exponent, V::set_i(0x07800000))), base));
    const I finite = V::add_i(V::and_i(V::shr<13>(rounded), V::set_i(0x7c00)), V::and_i(rounded, V::set_i(0x0fff)));
    return V::or_i(sign, V::select_i(V::gt_i(magnitude, V::set_i(0x7f800000)), V::set_i(0x7e00), finite));
  }
};

}  // namespace
