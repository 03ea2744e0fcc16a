// Decoders of IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S: the loops of the references, eight weights at a time. For 4 or
// 8 lanes; AVX-512 uses those of AVX2.
#pragma once

#include "quant/types.h"

namespace {

// 2^-(bits * i): turns level << (bits * i), as a float, into the level. Exact.
alignas(64) const float kLevelUnits2[8] = {0x1p0f, 0x1p-2f, 0x1p-4f, 0x1p-6f, 0x1p-8f, 0x1p-10f, 0x1p-12f, 0x1p-14f};
alignas(64) const float kLevelUnits3[8] = {0x1p0f, 0x1p-3f, 0x1p-6f, 0x1p-9f, 0x1p-12f, 0x1p-15f, 0x1p-18f, 0x1p-21f};
alignas(64) const int32_t kLevelMasks2[8] = {3 << 0, 3 << 2, 3 << 4, 3 << 6, 3 << 8, 3 << 10, 3 << 12, 3 << 14};
alignas(64) const int32_t kLevelMasks3[8] = {7 << 0, 7 << 3, 7 << 6, 7 << 9, 7 << 12, 7 << 15, 7 << 18, 7 << 21};
alignas(64) const int32_t kSignMasks[8] = {1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7};

struct LaneDecoder {
  template <class Grid, class Levels>
  static void eight(uint32_t packed, const Levels& levels, float step, unsigned signs, float* target) {
    using V = Simd;
    const int32_t* masks = Grid::bits == 2 ? kLevelMasks2 : kLevelMasks3;
    const float* units = Grid::bits == 2 ? kLevelUnits2 : kLevelUnits3;
    // Levels rise evenly up to the last but one: magnitude = first + level * rise.
    const V::F first = V::set(levels[0]), rise = V::set(static_cast<float>(levels[1] - levels[0]));
    const V::F last = V::set(levels[Grid::top]), top = V::set(static_cast<float>(Grid::top));
    for (size_t i = 0; i < 8; i += V::lanes) {
      const V::I masked = V::and_i(V::set_i(static_cast<int32_t>(packed)), V::load_i(masks + i));
      const V::F level = V::mul(V::to_float(masked), V::load(units + i));
      const V::F even = V::add(first, V::mul(level, rise));
      const V::F product = V::mul(V::set(step), V::select(V::eq(level, top), last, even));
      const V::I sign = V::and_i(V::set_i(static_cast<int32_t>(signs)), V::load_i(kSignMasks + i));
      V::store(target + i, V::select(V::eq_i(sign, V::set_i(0)), product, V::neg(product)));
    }
  }
};

inline void decode_row_iq2_xxs(const block_iq2_xxs* blocks, float* target, size_t columns) {
  decode_iq2_xxs<LaneDecoder>(blocks, target, columns);
}
inline void decode_row_iq2_xs(const block_iq2_xs* blocks, float* target, size_t columns) {
  decode_iq2_xs<LaneDecoder>(blocks, target, columns);
}
inline void decode_row_iq2_s(const block_iq2_s* blocks, float* target, size_t columns) {
  decode_iq2_s<LaneDecoder>(blocks, target, columns);
}
inline void decode_row_iq3_xxs(const block_iq3_xxs* blocks, float* target, size_t columns) {
  decode_iq3_xxs<LaneDecoder>(blocks, target, columns);
}
inline void decode_row_iq3_s(const block_iq3_s* blocks, float* target, size_t columns) {
  decode_iq3_s<LaneDecoder>(blocks, target, columns);
}

}  // namespace
