// Decoders, written once for every instruction set: within a block, `lanes` codes at a time. A translation unit per
// instruction set defines QS_ISA_<isa> and QS_COLUMN, includes its simd header, then this file; kernels.inc decides
// which of the decoders it becomes the home of. Products and sums are those of the reference, in its order.
#pragma once

#include "quant/types.h"

namespace {

using F = Simd::F;
using I = Simd::I;
using M = Simd::M;
constexpr size_t kLanes = Simd::lanes;

inline I low_nibble(I byte) { return Simd::and_i(byte, Simd::set_i(15)); }
inline I high_nibble(I byte) { return Simd::shr<4>(byte); }

// `V` is Simd: a name that it lacks is looked up only where the branch is taken.
template <class V>
size_t decode_pairs_of_halves(const block_f16* blocks, float* target, size_t columns) {
  size_t i = 0;
  if constexpr (V::has_half_pairs) {
    for (; i + 32 <= columns; i += 32) {
      const bool finite = V::finite_halves(&blocks[i].value);
      for (size_t k = i; k < i + 32; k += 2 * kLanes) {
        F low, high;
        if (finite) {
          V::load_half_pair(&blocks[k].value, &low, &high);
        } else {
          low = Half::to_float(V::load_u16(&blocks[k].value));
          high = Half::to_float(V::load_u16(&blocks[k + kLanes].value));
        }
        V::store(target + k, low);
        V::store(target + k + kLanes, high);
      }
    }
  }
  return i;
}

inline void decode_row_f16(const block_f16* blocks, float* target, size_t columns) {
  size_t i = decode_pairs_of_halves<Simd>(blocks, target, columns);
  for (; i + kLanes <= columns; i += kLanes) Simd::store(target + i, Half::to_float(Simd::load_u16(&blocks[i].value)));
  dequantize_row_f16_ref(blocks + i, target + i, columns - i);
}

inline void decode_row_q8_0(const block_q8_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const F d = Simd::set(half_to_float(blocks[b].d));
    for (size_t i = 0; i < 32; i += kLanes) {
      Simd::store(target + i, Simd::mul(Simd::to_float(Simd::load_i8(blocks[b].codes + i)), d));
    }
  }
}

// Two rows of 16 codes: low nibbles, then high nibbles.
template <class Finish>
void decode_nibbles(const uint8_t* packed, float* target, Finish finish) {
  for (size_t i = 0; i < 16; i += kLanes) {
    const I bytes = Simd::load_u8(packed + i);
    Simd::store(target + i, finish(low_nibble(bytes)));
    Simd::store(target + 16 + i, finish(high_nibble(bytes)));
  }
}

inline void decode_row_q4_0(const block_q4_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const F d = Simd::set(half_to_float(blocks[b].d));
    decode_nibbles(blocks[b].codes, target,
                   [=](I code) { return Simd::mul(Simd::to_float(Simd::sub_i(code, Simd::set_i(8))), d); });
  }
}

inline void decode_row_q4_1(const block_q4_1* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const F d = Simd::set(half_to_float(blocks[b].d)), m = Simd::set(half_to_float(blocks[b].m));
    decode_nibbles(blocks[b].codes, target, [=](I code) { return Simd::add(Simd::mul(Simd::to_float(code), d), m); });
  }
}

// 1 << i per lane position: picks the fifth bits of 16 codes out of one word.
alignas(64) const int32_t kBitOfLane[16] = {1 << 0, 1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                            1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};

inline I fifth_bits(I word, size_t i) {
  const I picked = Simd::and_i(word, Simd::load_i(kBitOfLane + i));
  return Simd::select_i(Simd::eq_i(picked, Simd::set_i(0)), Simd::set_i(0), Simd::set_i(16));
}

template <class Finish>
void decode_five_bits(const uint8_t* high, const uint8_t* packed, float* target, Finish finish) {
  int32_t word;
  __builtin_memcpy(&word, high, 4);
  const I all = Simd::set_i(word), upper = Simd::shr<16>(all);
  for (size_t i = 0; i < 16; i += kLanes) {
    const I bytes = Simd::load_u8(packed + i);
    Simd::store(target + i, finish(Simd::or_i(low_nibble(bytes), fifth_bits(all, i))));
    Simd::store(target + 16 + i, finish(Simd::or_i(high_nibble(bytes), fifth_bits(upper, i))));
  }
}

inline void decode_row_q5_0(const block_q5_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const F d = Simd::set(half_to_float(blocks[b].d));
    decode_five_bits(blocks[b].high, blocks[b].codes, target,
                     [=](I code) { return Simd::mul(Simd::to_float(Simd::sub_i(code, Simd::set_i(16))), d); });
  }
}

inline void decode_row_q5_1(const block_q5_1* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 32; ++b, target += 32) {
    const F d = Simd::set(half_to_float(blocks[b].d)), m = Simd::set(half_to_float(blocks[b].m));
    decode_five_bits(blocks[b].high, blocks[b].codes, target,
                     [=](I code) { return Simd::add(Simd::mul(Simd::to_float(code), d), m); });
  }
}

inline F scale_and_offset(I code, F step, F offset) { return Simd::sub(Simd::mul(step, Simd::to_float(code)), offset); }

// The decoder's view of a K header, per sub-block.
inline void unpack_k_header(const KHeader& header, float* steps, float* offsets) {
  uint8_t scales[8], mins[8];
  unpack_k_scales(header.scales, scales, mins);
  const float d = half_to_float(header.d), dmin = half_to_float(header.dmin);
  for (size_t j = 0; j < 8; ++j) {
    steps[j] = d * static_cast<float>(scales[j]);
    offsets[j] = dmin * static_cast<float>(mins[j]);
  }
}

inline void decode_row_q2_K(const block_q2_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float d = half_to_float(blocks[b].d), dmin = half_to_float(blocks[b].dmin);
    float steps[16], offsets[16];
    for (size_t j = 0; j < 16; ++j) {
      steps[j] = d * static_cast<float>(blocks[b].scales[j] & 15);
      offsets[j] = dmin * static_cast<float>(blocks[b].scales[j] >> 4);
    }
    for (size_t h = 0; h < 2; ++h, target += 128) {
      for (size_t i = 0; i < 32; i += kLanes) {
        const I bytes = Simd::load_u8(blocks[b].codes + 32 * h + i);
        const auto finish = [&](size_t g, I shifted) {
          const size_t j = 8 * h + 2 * g + i / 16;
          const I code = Simd::and_i(shifted, Simd::set_i(3));
          Simd::store(target + 32 * g + i, scale_and_offset(code, Simd::set(steps[j]), Simd::set(offsets[j])));
        };
        finish(0, bytes);
        finish(1, Simd::shr<2>(bytes));
        finish(2, Simd::shr<4>(bytes));
        finish(3, Simd::shr<6>(bytes));
      }
    }
  }
}

// Weights 128 * h .. 128 * h + 127: their third bits are bits 4h .. 4h + 3 of the bytes of `high`.
template <size_t h>
void decode_half_q3_K(const block_q3_K& block, const float* steps, float* target) {
  for (size_t i = 0; i < 32; i += kLanes) {
    const I bytes = Simd::load_u8(block.codes + 32 * h + i);
    const I high = Simd::shl<2>(Simd::shr<4 * h>(Simd::load_u8(block.high + i)));
    const auto finish = [&](size_t g, I low, I third) {
      const I code = Simd::or_i(Simd::and_i(low, Simd::set_i(3)), Simd::and_i(third, Simd::set_i(4)));
      const F signed_code = Simd::to_float(Simd::sub_i(code, Simd::set_i(4)));
      Simd::store(target + 128 * h + 32 * g + i, Simd::mul(Simd::set(steps[8 * h + 2 * g + i / 16]), signed_code));
    };
    finish(0, bytes, high);
    finish(1, Simd::shr<2>(bytes), Simd::shr<1>(high));
    finish(2, Simd::shr<4>(bytes), Simd::shr<2>(high));
    finish(3, Simd::shr<6>(bytes), Simd::shr<3>(high));
  }
}

inline void decode_row_q3_K(const block_q3_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    const float d = half_to_float(blocks[b].d);
    float steps[16];
    for (size_t j = 0; j < 16; ++j) steps[j] = d * static_cast<float>(q3_K_scale(blocks[b], j));
    decode_half_q3_K<0>(blocks[b], steps, target);
    decode_half_q3_K<1>(blocks[b], steps, target);
  }
}

inline void decode_row_q4_K(const block_q4_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    float steps[8], offsets[8];
    unpack_k_header(blocks[b].header, steps, offsets);
    for (size_t p = 0; p < 4; ++p) {
      const F step0 = Simd::set(steps[2 * p]), offset0 = Simd::set(offsets[2 * p]);
      const F step1 = Simd::set(steps[2 * p + 1]), offset1 = Simd::set(offsets[2 * p + 1]);
      for (size_t i = 0; i < 32; i += kLanes) {
        const I bytes = Simd::load_u8(blocks[b].codes + 32 * p + i);
        Simd::store(target + 64 * p + i, scale_and_offset(low_nibble(bytes), step0, offset0));
        Simd::store(target + 64 * p + 32 + i, scale_and_offset(high_nibble(bytes), step1, offset1));
      }
    }
  }
}

// Sub-blocks 2p and 2p + 1: their fifth bits are bits 2p and 2p + 1 of the bytes of `high`.
template <size_t p>
void decode_pair_q5_K(const block_q5_K& block, const float* steps, const float* offsets, float* target) {
  const F step0 = Simd::set(steps[2 * p]), offset0 = Simd::set(offsets[2 * p]);
  const F step1 = Simd::set(steps[2 * p + 1]), offset1 = Simd::set(offsets[2 * p + 1]);
  for (size_t i = 0; i < 32; i += kLanes) {
    const I bytes = Simd::load_u8(block.codes + 32 * p + i), high = Simd::load_u8(block.high + i);
    const I high0 = Simd::and_i(Simd::shl<4>(Simd::shr<2 * p>(high)), Simd::set_i(16));
    const I high1 = Simd::and_i(Simd::shl<4>(Simd::shr<2 * p + 1>(high)), Simd::set_i(16));
    Simd::store(target + 64 * p + i, scale_and_offset(Simd::or_i(low_nibble(bytes), high0), step0, offset0));
    Simd::store(target + 64 * p + 32 + i, scale_and_offset(Simd::or_i(high_nibble(bytes), high1), step1, offset1));
  }
}

inline void decode_row_q5_K(const block_q5_K* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    float steps[8], offsets[8];
    unpack_k_header(blocks[b].header, steps, offsets);
    decode_pair_q5_K<0>(blocks[b], steps, offsets, target);
    decode_pair_q5_K<1>(blocks[b], steps, offsets, target);
    decode_pair_q5_K<2>(blocks[b], steps, offsets, target);
    decode_pair_q5_K<3>(blocks[b], steps, offsets, target);
  }
}

inline void decode_row_q6_K(const block_q6_K* blocks, float* target, size_t columns) {
  const auto finish = [](I low, I high, float step) {
    const I code = Simd::sub_i(Simd::or_i(low, Simd::and_i(high, Simd::set_i(0x30))), Simd::set_i(32));
    return Simd::mul(Simd::set(step), Simd::to_float(code));
  };
  for (size_t b = 0; b < columns / kSuperBlock; ++b) {
    const float d = half_to_float(blocks[b].d);
    for (size_t h = 0; h < 2; ++h, target += 128) {
      float steps[8];
      for (size_t j = 0; j < 8; ++j) steps[j] = d * static_cast<float>(blocks[b].scales[8 * h + j]);
      for (size_t i = 0; i < 32; i += kLanes) {
        const I a = Simd::load_u8(blocks[b].low + 64 * h + i), c = Simd::load_u8(blocks[b].low + 64 * h + 32 + i);
        const I high = Simd::load_u8(blocks[b].high + 32 * h + i);
        const size_t j = i / 16;
        Simd::store(target + i, finish(low_nibble(a), Simd::shl<4>(high), steps[j]));
        Simd::store(target + 32 + i, finish(low_nibble(c), Simd::shl<2>(high), steps[2 + j]));
        Simd::store(target + 64 + i, finish(high_nibble(a), high, steps[4 + j]));
        Simd::store(target + 96 + i, finish(high_nibble(c), Simd::shr<2>(high), steps[6 + j]));
      }
    }
  }
}

// Nibbles that choose from sixteen values: the low ones of `count / 2` bytes are the first weights.
template <size_t count>
void decode_table(const Simd::Table& values, const uint8_t* packed, float scale, float* target) {
  const F d = Simd::set(scale);
  for (size_t i = 0; i < count / 2; i += kLanes) {
    const I bytes = Simd::load_u8(packed + i);
    Simd::store(target + i, Simd::mul(Simd::lookup(values, bytes), d));
    Simd::store(target + count / 2 + i, Simd::mul(Simd::lookup(values, high_nibble(bytes)), d));
  }
}

inline void decode_row_iq4_nl(const block_iq4_nl* blocks, float* target, size_t columns) {
  const Simd::Table grid = Simd::table(kGrid4);
  for (size_t b = 0; b < columns / 32; ++b) {
    decode_table<32>(grid, blocks[b].codes, half_to_float(blocks[b].d), target + 32 * b);
  }
}

inline void decode_row_iq4_xs(const block_iq4_xs* blocks, float* target, size_t columns) {
  const Simd::Table grid = Simd::table(kGrid4);
  for (size_t b = 0; b < columns / kSuperBlock; ++b, target += kSuperBlock) {
    float steps[8];
    decode_iq4_xs_scales(blocks[b], steps);
    for (size_t j = 0; j < 8; ++j) decode_table<32>(grid, blocks[b].codes + 16 * j, steps[j], target + 32 * j);
  }
}

inline void decode_row_mxfp4(const block_mxfp4* blocks, float* target, size_t columns) {
  const Simd::Table values = Simd::table(kE2M1);
  for (size_t b = 0; b < columns / 32; ++b) {
    decode_table<32>(values, blocks[b].codes, mxfp4_scale(blocks[b].e), target + 32 * b);
  }
}

// A sub-block has 8 bytes, so kernels.inc gives it 8 lanes at most.
inline void decode_row_nvfp4(const block_nvfp4* blocks, float* target, size_t columns) {
  const Simd::Table values = Simd::table(kE2M1);
  for (size_t b = 0; b < columns / 64; ++b) {
    for (size_t s = 0; s < 4; ++s, target += 16) {
      decode_table<16>(values, blocks[b].codes + 8 * s, nvfp4_scale(blocks[b].scales[s]), target);
    }
  }
}

inline void decode_row_q1_0(const block_q1_0* blocks, float* target, size_t columns) {
  for (size_t b = 0; b < columns / 128; ++b) {
    const F plus = Simd::set(half_to_float(blocks[b].d)), minus = Simd::neg(plus);
    for (size_t k = 0; k < 8; ++k, target += 16) {
      uint16_t signs;
      __builtin_memcpy(&signs, blocks[b].signs + 2 * k, 2);
      for (size_t i = 0; i < 16; i += kLanes) {
        const I picked = Simd::and_i(Simd::set_i(signs), Simd::load_i(kBitOfLane + i));
        Simd::store(target + i, Simd::select(Simd::eq_i(picked, Simd::set_i(0)), minus, plus));
      }
    }
  }
}

}  // namespace

#define QS_DEFINE(type, isa)                                                                      \
  void QS_KERNEL_NAME(dequantize, type, isa)(const void* source, float* target, size_t columns) { \
    decode_row_##type(static_cast<const block_##type*>(source), target, columns);                 \
  }
#include "simd/instantiate.h"
#include "dequantize/kernels.inc"
