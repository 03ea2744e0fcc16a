// Blocks of weights as the small integers that products are made of. A format says how many weights a unit has, how
// large its codes get, and unpacks one unit; nothing else in kernels/product knows a format.
//
//   Unit256   weight i = d * scales[i / 16] * codes[i]                                   Mins::kNone
//             weight i = d * (scales[i / 16] * codes[i] - mins[i / 16])                  Mins::kOffset
//             weight i = d * scales[i / 16] * codes[i] - m * mins[i / 16]                Mins::kMinimum
//   Unit32    weight i = d * (codes[i] - offset)  (+ m where the format has minimums)
//
// Codes of a format are all signed or all unsigned. Unpacking is written with the compilers' vector types, which become
// the instructions of whatever set they compile for (as plain loops g++ 12 unrolled them into scalars: Q4_0 ten times
// slower); Ops has the two things these lack: table lookup, and binary16. What is stored is stored whole, by one
// instruction: a vector load of what two stores wrote has to wait for both to reach the cache.
#pragma once

#include "product/grids.h"
#include "product/input.h"
#include "quant/types.h"

namespace {

typedef uint8_t U8x16 __attribute__((vector_size(16)));
typedef uint8_t U8x32 __attribute__((vector_size(32)));
typedef int16_t I16x16 __attribute__((vector_size(32)));
typedef uint16_t U16x32 __attribute__((vector_size(64)));

template <class Vector>
Vector load_as(const void* source) {
  Vector v;
  __builtin_memcpy(&v, source, sizeof v);
  return v;
}

template <class Vector>
void store_as(void* target, Vector v) {
  __builtin_memcpy(target, &v, sizeof v);
}

inline U8x32 halves(U8x16 low, U8x16 high) {
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

// The same word in every lane.
template <class Vector>
Vector lanes_of(uint32_t word) {
  typedef uint32_t Words __attribute__((vector_size(sizeof(Vector))));
  return __builtin_bit_cast(Vector, Words{} + word);
}

// Byte i (each four bytes are alike) becomes its own two bits: bits 2 * (i % 4) and the next.
template <class Vector>
Vector own_two_bits(Vector bytes) {
  return (bytes & lanes_of<Vector>(0x00000003u)) | (bytes >> 2 & lanes_of<Vector>(0x00000300u)) |
         (bytes >> 4 & lanes_of<Vector>(0x00030000u)) | (bytes >> 6 & lanes_of<Vector>(0x03000000u));
}

// Bit i of 32 (bit i % 8 of byte i / 8) becomes byte i: `set` or 0.
inline U8x32 spread_bits(const uint8_t* bits, uint8_t set) {
  const U8x32 mask = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                      1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  uint32_t word;
  __builtin_memcpy(&word, bits, sizeof word);
  const U8x32 bytes = lanes_of<U8x32>(word);
  const U8x32 spread = __builtin_shufflevector(bytes, bytes, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                               18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
  return static_cast<U8x32>((spread & mask) == mask) & set;
}

enum class Mins { kNone, kOffset, kMinimum };

struct alignas(32) Unit256 {
  int8_t codes[256];
  int16_t scales[16];
  int16_t mins[16];
  float d, m;
};

struct alignas(32) Unit32 {
  int8_t codes[32];
  float d, m;
};

struct ScalarOps {
  static float half(uint16_t bits) { return half_to_float(bits); }

  static void round_to_half(const float* x, size_t count, float* target) {
    for (size_t i = 0; i < count; ++i) target[i] = half_to_float(float_to_half(x[i]));
  }

  // target[i] = table[packed[i] & 15], target[count + i] = table[packed[i] >> 4]
  template <size_t count>
  static void lookup_nibbles(const int8_t* table, const uint8_t* packed, int8_t* target) {
    for (size_t i = 0; i < count; ++i) {
      target[i] = table[packed[i] & 15];
      target[count + i] = table[packed[i] >> 4];
    }
  }
};

// ---- Floats: nothing to unpack ----

template <class B, Input I>
struct FormatFloats {
  using Block = B;
  static constexpr Input input = I;
};

struct Product_f32 : FormatFloats<block_f32, Input::kFloat32> {
  static float weight(const Block& block) { return block.value; }
};
struct Product_f16 : FormatFloats<block_f16, Input::kHalf> {
  static float weight(const Block& block) { return half_to_float(block.value); }
};
struct Product_bf16 : FormatFloats<block_bf16, Input::kBfloat> {
  static float weight(const Block& block) { return bfloat_to_float(block.value); }
};

// ---- Units of 32 ----

inline void nibbles_32(const uint8_t* packed, int8_t* codes) {
  store_as(codes, halves(load_as<U8x16>(packed) & 15, load_as<U8x16>(packed) >> 4));
}

// Adds 16 where a bit is set: bit i belongs to code i.
inline void fifth_bits_32(const uint8_t* high, int8_t* codes) {
  store_as(codes, load_as<U8x32>(codes) | spread_bits(high, 16));
}

// `kUnits` of 32 weights in a block; kParts of them share the same 32 inputs (2 where scales are for 16 weights).
template <class B, bool Signed, int Max, int Offset, bool Minimum, int Units, int Parts = 1>
struct Format32 {
  using Block = B;
  static constexpr Input input = Input::kBlocks32;
  static constexpr bool is_signed = Signed, has_minimum = Minimum;
  static constexpr int max_code = Max, offset = Offset, units = Units, parts = Parts;
};

struct Product_q4_0 : Format32<block_q4_0, false, 15, 8, false, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    nibbles_32(block.codes, unit->codes);
    unit->d = Ops::half(block.d);
  }
};

struct Product_q4_1 : Format32<block_q4_1, false, 15, 0, true, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    nibbles_32(block.codes, unit->codes);
    unit->d = Ops::half(block.d);
    unit->m = Ops::half(block.m);
  }
};

struct Product_q5_0 : Format32<block_q5_0, false, 31, 16, false, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    nibbles_32(block.codes, unit->codes);
    fifth_bits_32(block.high, unit->codes);
    unit->d = Ops::half(block.d);
  }
};

struct Product_q5_1 : Format32<block_q5_1, false, 31, 0, true, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    nibbles_32(block.codes, unit->codes);
    fifth_bits_32(block.high, unit->codes);
    unit->d = Ops::half(block.d);
    unit->m = Ops::half(block.m);
  }
};

// No encoder writes the code -128, but a file may hold it: twice 128 * 127 still fits 16 bits.
struct Product_q8_0 : Format32<block_q8_0, true, 128, 0, false, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    store_as(unit->codes, load_as<U8x32>(block.codes));
    unit->d = Ops::half(block.d);
  }
};

struct Product_iq4_nl : Format32<block_iq4_nl, true, 127, 0, false, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    Ops::template lookup_nibbles<16>(kGrid4, block.codes, unit->codes);
    unit->d = Ops::half(block.d);
  }
};

struct Product_mxfp4 : Format32<block_mxfp4, true, 12, 0, false, 1> {
  template <class Ops>
  static void unpack(const Block& block, size_t, Unit32* unit) {
    Ops::template lookup_nibbles<16>(kE2M1, block.codes, unit->codes);
    unit->d = mxfp4_scale(block.e);
  }
};

// A scale is for 16 weights: each half of a chunk of 32 is a unit of its own, with zeros for the other half.
struct Product_nvfp4 : Format32<block_nvfp4, true, 12, 0, false, 4, 2> {
  template <class Ops>
  static void unpack(const Block& block, size_t index, Unit32* unit) {
    alignas(16) int8_t values[16];
    Ops::template lookup_nibbles<8>(kE2M1, block.codes + 8 * index, values);
    const U8x16 codes = load_as<U8x16>(values);
    store_as(unit->codes, index % 2 == 0 ? halves(codes, U8x16{}) : halves(U8x16{}, codes));
    unit->d = nvfp4_scale(block.scales[index]);
  }
};

// A set bit is +1, another -1: codes 2 and 0 less 1.
struct Product_q1_0 : Format32<block_q1_0, false, 2, 1, false, 4> {
  template <class Ops>
  static void unpack(const Block& block, size_t index, Unit32* unit) {
    store_as(unit->codes, spread_bits(block.signs + 4 * index, 2));
    unit->d = Ops::half(block.d);
  }
};

struct Product_q2_0 : Format32<block_q2_0, false, 3, 1, false, 2> {
  template <class Ops>
  static void unpack(const Block& block, size_t index, Unit32* unit) {
    typedef uint64_t U64x4 __attribute__((vector_size(32)));
    uint64_t eight;
    __builtin_memcpy(&eight, block.codes + 8 * index, sizeof eight);
    const U8x32 bytes = __builtin_bit_cast(U8x32, U64x4{} + eight);
    store_as(unit->codes,
             own_two_bits(__builtin_shufflevector(bytes, bytes, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 20, 20,
                                                  20, 20, 21, 21, 21, 21, 22, 22, 22, 22, 23, 23, 23, 23)));
    unit->d = Ops::half(block.d);
  }
};

// ---- Units of 256 ----

// `Sub` = weights that share a scale: 16, or 32 where scales come in equal pairs.
template <class B, bool Signed, int Max, Mins M, int Sub>
struct Format256 {
  using Block = B;
  static constexpr Input input = Input::kBlocks256;
  static constexpr bool is_signed = Signed;
  static constexpr int max_code = Max, sub = Sub;
  static constexpr Mins mins = M;
};

// 256 codes of two bits in 64 bytes: the four of a byte are 32 weights apart.
inline void two_bits_256(const uint8_t* packed, int8_t* codes) {
  for (size_t h = 0; h < 2; ++h) {
    const uint8_t* p = packed + 32 * h;
    int8_t* c = codes + 128 * h;
    const U8x32 bytes = load_as<U8x32>(p);
    store_as(c, bytes & 3);
    store_as(c + 32, bytes >> 2 & 3);
    store_as(c + 64, bytes >> 4 & 3);
    store_as(c + 96, bytes >> 6);
  }
}

// 256 codes of four bits in 128 bytes: the two of a byte are 32 weights apart.
inline void four_bits_256(const uint8_t* packed, int8_t* codes) {
  for (size_t p = 0; p < 4; ++p) {
    const U8x32 bytes = load_as<U8x32>(packed + 32 * p);
    store_as(codes + 64 * p, bytes & 15);
    store_as(codes + 64 * p + 32, bytes >> 4);
  }
}

// Four times two equal scales: those of Q4_K and Q5_K, by three words as unpack_k_scales does by bytes.
template <class Ops>
void k_scales(const KHeader& header, Unit256* unit) {
  uint32_t packed[3], words[4];  // words: scales 0 .. 7, minimums 0 .. 7
  __builtin_memcpy(packed, header.scales, sizeof packed);
  words[0] = packed[0] & 0x3f3f3f3fu;
  words[1] = (packed[2] & 0x0f0f0f0fu) | (packed[0] >> 6 & 0x03030303u) << 4;
  words[2] = packed[1] & 0x3f3f3f3fu;
  words[3] = (packed[2] >> 4 & 0x0f0f0f0fu) | (packed[1] >> 6 & 0x03030303u) << 4;
  const U8x16 all = load_as<U8x16>(words);
  const U8x16 s = __builtin_shufflevector(all, all, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const U8x16 m = __builtin_shufflevector(all, all, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
  store_as(unit->scales, __builtin_convertvector(s, I16x16));
  store_as(unit->mins, __builtin_convertvector(m, I16x16));
  unit->d = Ops::half(header.d);
  unit->m = Ops::half(header.dmin);
}

inline void offset_mins(int offset, Unit256* unit) {
  store_as(unit->mins, load_as<I16x16>(unit->scales) * static_cast<int16_t>(offset));
}

struct Product_q2_K : Format256<block_q2_K, false, 3, Mins::kMinimum, 16> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    two_bits_256(block.codes, unit->codes);
    const U8x16 scales = load_as<U8x16>(block.scales);
    store_as(unit->scales, __builtin_convertvector(scales & 15, I16x16));
    store_as(unit->mins, __builtin_convertvector(scales >> 4, I16x16));
    unit->d = Ops::half(block.d);
    unit->m = Ops::half(block.dmin);
  }
};

struct Product_q3_K : Format256<block_q3_K, false, 7, Mins::kOffset, 16> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    two_bits_256(block.codes, unit->codes);
    const U8x32 high = load_as<U8x32>(block.high);
    for (size_t g = 0; g < 8; ++g) {
      int8_t* codes = unit->codes + 32 * g;
      const U8x32 bit = static_cast<U8x32>((high & static_cast<uint8_t>(1u << g)) != 0);
      store_as(codes, load_as<U8x32>(codes) | (bit & 4));
    }
    uint32_t words[3], scales[4];
    __builtin_memcpy(words, block.scales, sizeof words);
    for (size_t q = 0; q < 4; ++q) {
      scales[q] = (words[q % 2] >> (4 * (q / 2)) & 0x0f0f0f0fu) | (words[2] >> (2 * q) & 0x03030303u) << 4;
    }
    store_as(unit->scales, __builtin_convertvector(load_as<U8x16>(scales), I16x16) - int16_t{32});
    offset_mins(4, unit);
    unit->d = Ops::half(block.d);
  }
};

struct Product_q4_K : Format256<block_q4_K, false, 15, Mins::kMinimum, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    four_bits_256(block.codes, unit->codes);
    k_scales<Ops>(block.header, unit);
  }
};

struct Product_q5_K : Format256<block_q5_K, false, 31, Mins::kMinimum, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    four_bits_256(block.codes, unit->codes);
    const U8x32 high = load_as<U8x32>(block.high);
    for (size_t j = 0; j < 8; ++j) {
      int8_t* codes = unit->codes + 32 * j;
      const U8x32 bit = static_cast<U8x32>((high & static_cast<uint8_t>(1u << j)) != 0);
      store_as(codes, load_as<U8x32>(codes) | (bit & 16));
    }
    k_scales<Ops>(block.header, unit);
  }
};

struct Product_q6_K : Format256<block_q6_K, false, 63, Mins::kOffset, 16> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    for (size_t h = 0; h < 2; ++h) {
      const U8x32 first = load_as<U8x32>(block.low + 64 * h), second = load_as<U8x32>(block.low + 64 * h + 32);
      const U8x32 high = load_as<U8x32>(block.high + 32 * h);
      int8_t* c = unit->codes + 128 * h;
      store_as(c, (first & 15) | (high << 4 & 48));
      store_as(c + 32, (second & 15) | (high << 2 & 48));
      store_as(c + 64, first >> 4 | (high & 48));
      store_as(c + 96, second >> 4 | (high >> 2 & 48));
    }
    typedef int8_t I8x16 __attribute__((vector_size(16)));
    store_as(unit->scales, __builtin_convertvector(load_as<I8x16>(block.scales), I16x16));
    offset_mins(32, unit);
    unit->d = Ops::half(block.d);
  }
};

// Scales of 32 weights each, one per byte of `eight`, as those of 16 weights.
inline void set_scales_twice(uint64_t eight, int16_t factor, int16_t more, Unit256* unit) {
  typedef uint64_t U64x2 __attribute__((vector_size(16)));
  const U8x16 bytes = __builtin_bit_cast(U8x16, U64x2{} + eight);
  const U8x16 twice = __builtin_shufflevector(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  store_as(unit->scales, __builtin_convertvector(twice, I16x16) * factor + more);
}

// Scales of 16 weights each, two per byte, as odd numbers.
inline void set_odd_scales(const uint8_t* packed, Unit256* unit) {
  U8x16 bytes = {};
  __builtin_memcpy(&bytes, packed, 8);
  const U8x16 twice = __builtin_shufflevector(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const U8x16 nibbles = (twice & lanes_of<U8x16>(0x000f000fu)) | (twice >> 4 & lanes_of<U8x16>(0x0f000f00u));
  store_as(unit->scales, __builtin_convertvector(nibbles, I16x16) * int16_t{2} + int16_t{1});
}

struct Product_iq4_xs : Format256<block_iq4_xs, true, 127, Mins::kNone, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    for (size_t j = 0; j < 8; ++j) {
      Ops::template lookup_nibbles<16>(kGrid4, block.codes + 16 * j, unit->codes + 32 * j);
    }
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) {
      const unsigned low = block.scales_low[j / 2] >> (4 * (j % 2)) & 15u, high = block.scales_high >> (2 * j) & 3u;
      scales |= static_cast<uint64_t>(low | high << 4) << (8 * j);
    }
    set_scales_twice(scales, 1, -32, unit);
    unit->d = Ops::half(block.d);
  }
};

// The codebook formats: eight magnitudes from a grid, then signs. Scales are odd numbers, so d takes the rest.
inline void set_32(uint64_t a, uint64_t b, uint64_t c, uint64_t d, const uint8_t* signs, int8_t* codes) {
  typedef uint64_t U64x4 __attribute__((vector_size(32)));
  const U8x32 magnitudes = __builtin_bit_cast(U8x32, (U64x4{a, b, c, d})), mask = spread_bits(signs, 255);
  store_as(codes, (magnitudes ^ mask) - mask);
}

// Four times seven signs in 28 bits, the eighth made up.
inline uint32_t all_signs(uint32_t word) {
  uint32_t signs = 0;
  for (unsigned g = 0; g < 4; ++g) signs |= static_cast<uint32_t>(kEightSigns[word >> (7 * g) & 127u]) << (8 * g);
  return signs;
}

struct Product_iq2_xxs : Format256<block_iq2_xxs, true, 43, Mins::kNone, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) {
      uint32_t words[2];
      __builtin_memcpy(words, block.words[j], sizeof words);
      const uint32_t index = words[0], signs = all_signs(words[1]);
      const uint64_t* grid = kGrids.iq2_xxs;
      set_32(grid[index & 255], grid[index >> 8 & 255], grid[index >> 16 & 255], grid[index >> 24],
             reinterpret_cast<const uint8_t*>(&signs), unit->codes + 32 * j);
      scales |= static_cast<uint64_t>(words[1] >> 28) << (8 * j);
    }
    set_scales_twice(scales, 2, 1, unit);
    unit->d = Ops::half(block.d) * 0.125f;
  }
};

struct Product_iq2_xs : Format256<block_iq2_xs, true, 43, Mins::kNone, 16> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    for (size_t j = 0; j < 8; ++j) {
      const uint16_t* group = block.groups + 4 * j;
      const uint64_t* grid = kGrids.iq2_xs;
      uint32_t signs = 0;
      for (unsigned g = 0; g < 4; ++g) signs |= static_cast<uint32_t>(kEightSigns[group[g] >> 9]) << (8 * g);
      set_32(grid[group[0] & 511], grid[group[1] & 511], grid[group[2] & 511], grid[group[3] & 511],
             reinterpret_cast<const uint8_t*>(&signs), unit->codes + 32 * j);
    }
    set_odd_scales(block.scales, unit);
    unit->d = Ops::half(block.d) * 0.125f;
  }
};

struct Product_iq2_s : Format256<block_iq2_s, true, 43, Mins::kNone, 16> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    for (size_t j = 0; j < 8; ++j) {
      const auto at = [&](size_t g) {
        return kGrids.iq2_s[block.low[4 * j + g] | (block.high[j] >> (2 * g) & 3u) << 8];
      };
      set_32(at(0), at(1), at(2), at(3), block.signs + 4 * j, unit->codes + 32 * j);
    }
    set_odd_scales(block.scales, unit);
    unit->d = Ops::half(block.d) * 0.125f;
  }
};

struct Product_iq3_xxs : Format256<block_iq3_xxs, true, 62, Mins::kNone, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) {
      uint32_t word;
      __builtin_memcpy(&word, block.words + 4 * j, sizeof word);
      const uint8_t* index = block.indices + 8 * j;
      const auto at = [&](size_t g) {
        return kGrids.iq3_xxs[index[2 * g]] | static_cast<uint64_t>(kGrids.iq3_xxs[index[2 * g + 1]]) << 32;
      };
      const uint32_t signs = all_signs(word);
      set_32(at(0), at(1), at(2), at(3), reinterpret_cast<const uint8_t*>(&signs), unit->codes + 32 * j);
      scales |= static_cast<uint64_t>(word >> 28) << (8 * j);
    }
    set_scales_twice(scales, 2, 1, unit);
    unit->d = Ops::half(block.d) * 0.25f;
  }
};

struct Product_iq3_s : Format256<block_iq3_s, true, 15, Mins::kNone, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) {
      const uint8_t* low = block.low + 8 * j;
      const unsigned high = block.high[j];
      const auto at = [&](size_t g) {
        const uint64_t first = kGrids.iq3_s[low[2 * g] | (high >> (2 * g) & 1u) << 8];
        const uint64_t second = kGrids.iq3_s[low[2 * g + 1] | (high >> (2 * g) & 2u) << 7];
        return first | second << 32;
      };
      set_32(at(0), at(1), at(2), at(3), block.signs + 4 * j, unit->codes + 32 * j);
      scales |= static_cast<uint64_t>(block.scales[j / 2] >> (4 * (j % 2)) & 15u) << (8 * j);
    }
    set_scales_twice(scales, 2, 1, unit);
    unit->d = Ops::half(block.d);
  }
};

// Levels -1, 0, 1 and a shift of 1/8 up or down, in eighths and less 9: 8 * level + 9 + 1 or - 1, which is 0 .. 18.
// Points of the grid, each eight bytes, moved up by 2 or 0.
inline void set_points(const uint64_t* grid, const unsigned* index, const uint64_t* up, int8_t* codes) {
  typedef uint64_t U64x4 __attribute__((vector_size(32)));
  store_as(codes,
           U64x4{grid[index[0]], grid[index[1]], grid[index[2]], grid[index[3]]} + U64x4{up[0], up[1], up[2], up[3]});
}
constexpr uint64_t kUp = 0x0202020202020202u;

struct Product_iq1_s : Format256<block_iq1_s, false, 18, Mins::kOffset, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) {
      const unsigned word = block.words[j];
      unsigned index[4];
      for (size_t g = 0; g < 4; ++g) index[g] = block.low[4 * j + g] | (word >> (3 * g) & 7) << 8;
      const uint64_t up = word & 0x8000 ? 0 : kUp, ups[4] = {up, up, up, up};
      set_points(kGrids.iq1, index, ups, unit->codes + 32 * j);
      scales |= static_cast<uint64_t>(word >> 12 & 7) << (8 * j);
    }
    set_scales_twice(scales, 2, 1, unit);
    offset_mins(9, unit);
    unit->d = Ops::half(block.d) * 0.125f;
  }
};

struct Product_iq1_m : Format256<block_iq1_m, false, 18, Mins::kOffset, 16> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    for (size_t j = 0; j < 8; ++j) {
      unsigned index[4];
      uint64_t ups[4];
      for (size_t g = 0; g < 4; ++g) {
        const unsigned high = block.high[2 * j + g / 2] >> (4 * (g % 2));
        index[g] = block.low[4 * j + g] | (high & 7) << 8;
        ups[g] = high & 8 ? 0 : kUp;
      }
      set_points(kGrids.iq1, index, ups, unit->codes + 32 * j);
    }
    typedef uint16_t U16x16 __attribute__((vector_size(32)));
    typedef uint64_t U64x4 __attribute__((vector_size(32)));
    const U16x16 words = __builtin_bit_cast(U16x16, U64x4{} + load_as<uint64_t>(block.words));
    const U16x16 four = __builtin_shufflevector(words, words, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const U16x16 up = {512, 64, 8, 1, 512, 64, 8, 1, 512, 64, 8, 1, 512, 64, 8, 1};  // fields of three bits, to bit 9
    store_as(unit->scales, (four * up >> 9 & 7) * 2 + 1);
    offset_mins(9, unit);
    unit->d = Ops::half(iq1_m_d(block)) * 0.125f;
  }
};

inline void unit_scales(Unit256* unit) {
  store_as(unit->scales, I16x16{} + int16_t{1});
  offset_mins(1, unit);
}

struct Product_tq1_0 : Format256<block_tq1_0, false, 2, Mins::kOffset, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    alignas(32) int8_t all[256 + 32];
    uint8_t packed[sizeof block.codes + 32] = {};
    __builtin_memcpy(packed, block.codes, sizeof block.codes);
    int8_t* codes = all;
    for (const TritPart& part : kTritParts) {
      unsigned power = 1;
      for (size_t n = 0; n < part.trits; ++n, power *= 3, codes += part.width) {
        // 32 at a time, also where a part has fewer: the next ones then write over the rest.
        const U16x32 bytes = __builtin_convertvector(load_as<U8x32>(packed + part.first_byte), U16x32);
        const U16x32 digits = (bytes * static_cast<uint16_t>(power) & 255) * 3 >> 8;
        store_as(codes, __builtin_convertvector(digits, U8x32));
      }
    }
    __builtin_memcpy(unit->codes, all, sizeof unit->codes);
    unit_scales(unit);
    unit->d = Ops::half(block.d);
  }
};

struct Product_tq2_0 : Format256<block_tq2_0, false, 3, Mins::kOffset, 32> {
  template <class Ops>
  static void unpack(const Block& block, Unit256* unit) {
    two_bits_256(block.codes, unit->codes);
    unit_scales(unit);
    unit->d = Ops::half(block.d);
  }
};

}  // namespace
