// MXFP4 with the weights in the order of memory (quantize-plain-inl.h), NVFP4 with one sub-block per lane. The scale is
// made by the reference's code, one per block; the time goes into the nearest of eight magnitudes per weight.
//
// The reference compares eight distances, 35 operations. The distances to the two nearest magnitudes are exact around
// the middle between them (each is at most half or twice the other number), so counting the middles below a weight
// gives the same code with 14; a weight on a middle keeps the smaller code, as the first of two equal distances wins.
// Not where distances round or overflow: blocks with such a scale (0, or 2^125 and more, or far too small) take the
// reference's way.
#pragma once

#include "quantize/quantize-inl.h"

namespace {

constexpr float kE2M1Middles[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};  // between the magnitudes of kE2M1

// Blocks whose distances are exact where it matters.
inline M exact_e2m1(F largest, F d) {
  const M possible = Simd::both(Simd::lt(Simd::set(0.0f), d), Simd::lt(d, Simd::set(0x1p125f)));
  return Simd::both(possible, Simd::lt(largest, Simd::mul(d, Simd::set(4096.0f))));
}

inline I code_e2m1(F x, const F (&middles)[7]) {
  const F magnitude = Simd::abs(x);
  const I sign = Simd::and_i(Simd::shr<28>(Simd::bits(x)), Simd::set_i(8));
  I code = Simd::set_i(1);
  for (int k = 1; k < 7; ++k) code = Simd::increment(Simd::lt(middles[k], magnitude), code);
  return Simd::select_i(Simd::lt(middles[0], magnitude), Simd::or_i(code, sign), Simd::set_i(0));
}

// `lanes` blocks of N weights: encode_e2m1 with a scale that `scale_of` makes of the largest magnitude and writes down.
template <size_t N, class ScaleOf>
void encode_e2m1_lanes(const float* source, ScaleOf scale_of, uint8_t* packed) {
  Lanes<N, 1> x;
  x.load(source);
  F largest = Simd::set(0.0f);
  for (size_t i = 0; i < N; ++i) largest = Simd::max(Simd::abs(x.v[0][i]), largest);
  alignas(64) float magnitudes[kLanes], scales[kLanes];
  Simd::store(magnitudes, largest);
  for (size_t lane = 0; lane < kLanes; ++lane) scales[lane] = scale_of(lane, magnitudes[lane]);
  const F d = Simd::load(scales);
  if (!Simd::all(exact_e2m1(largest, d))) {
    for (size_t lane = 0; lane < kLanes; ++lane) encode_e2m1(source + N * lane, scales[lane], N, packed + N / 2 * lane);
    return;
  }
  F middles[7];
  for (int k = 0; k < 7; ++k) middles[k] = Simd::mul(Simd::set(kE2M1Middles[k]), d);
  I bytes[N / 2];
  for (size_t i = 0; i < N / 2; ++i) {
    const I low = code_e2m1(x.v[0][i], middles), high = code_e2m1(x.v[0][i + N / 2], middles);
    bytes[i] = Simd::or_i(low, Simd::shl<4>(high));
  }
  store_codes<N / 2>(bytes, packed);
}

// Blocks whose weights can be scaled by 2 / d without rounding, and then are below 64.
inline M scalable_e2m1(F largest, F d) {
  const M possible = Simd::both(Simd::lt(Simd::set(0x1p-100f), d), Simd::lt(d, Simd::set(0x1p100f)));
  return Simd::both(possible, Simd::lt(largest, Simd::mul(d, Simd::set(32.0f))));
}

// Codes of sixteen weights from twice their multiples of d, rounded up, with the sign as bit 7: such a number is above
// twice a middle, an integer, exactly where the weight is above the middle.
inline Bytes codes_e2m1(Bytes doubled) {
  typedef int8_t Signed __attribute__((vector_size(16)));
  const Signed magnitude = (Signed)(doubled & 0x7f);
  Bytes code = {};
  for (const float middle : kE2M1Middles) code -= (Bytes)(magnitude > static_cast<int8_t>(2.0f * middle));
  const Bytes sign = (Bytes)(code != 0) & doubled & 0x80;
  return code | (Bytes)((Words)sign >> 4);
}

inline void encode_row_mxfp4(const float* source, block_mxfp4* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, 32>(source, blocks, columns, nullptr, [](const float* x, const float*, block_mxfp4* out) {
    const F largest = largest_magnitudes<32>(x);
    alignas(64) float magnitudes[kLanes], scales[kLanes], factors[kLanes];
    Simd::store(magnitudes, largest);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      out[lane].e = mxfp4_exponent(magnitudes[lane]);
      scales[lane] = mxfp4_scale(out[lane].e);
    }
    const F d = Simd::load(scales);
    if (!Simd::all(scalable_e2m1(largest, d))) {
      for (size_t lane = 0; lane < kLanes; ++lane) encode_e2m1(x + 32 * lane, scales[lane], 32, out[lane].codes);
      return;
    }
    Simd::store(factors, Simd::div(Simd::set(2.0f), d));
    for (size_t lane = 0; lane < kLanes; ++lane, x += 32) {
      const F factor = Simd::set(factors[lane]);
      const auto doubled = byte_codes<32>(x, [=](F weights) {
        const I sign = Simd::and_i(Simd::shr<24>(Simd::bits(weights)), Simd::set_i(0x80));
        return Simd::or_i(Simd::byte(Simd::up(Simd::mul(Simd::abs(weights), factor))), sign);
      });
      const Words packed = (Words)codes_e2m1(doubled.sixteens[0]) | (Words)codes_e2m1(doubled.sixteens[1]) << 4;
      __builtin_memcpy(out[lane].codes, &packed, 16);
    }
  });
}

inline void encode_row_nvfp4(const float* source, block_nvfp4* blocks, size_t columns, const float*) {
  constexpr size_t kBatch = kLanes / 4;
  for_each_batch<kBatch, 64>(source, blocks, columns, nullptr, [](const float* x, const float*, block_nvfp4* out) {
    uint8_t packed[8 * kLanes];
    const auto scale_of = [=](size_t lane, float magnitude) {
      const uint8_t byte = float_to_ue4m3(magnitude / 6.0f);
      out[lane / 4].scales[lane % 4] = byte;
      return nvfp4_scale(byte);
    };
    encode_e2m1_lanes<16>(x, scale_of, packed);
    for (size_t b = 0; b < kBatch; ++b) __builtin_memcpy(out[b].codes, packed + 32 * b, 32);
  });
}

}  // namespace
