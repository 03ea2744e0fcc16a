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
typedef uint16_t U16x16 __attribute__((vector_size(32)));
typedef uint64_t U64x2 __attribute__((vector_size(16)));
typedef uint64_t U64x4 __attribute__((vector_size(32)));

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

// Bits of every byte moved right by `shift` (left where it is negative), of which `mask` remains. Moved as 16-bit
// lanes, which AVX2 has, so no mask may let in bits of the neighbour.
template <int shift>
U8x32 field(U8x32 bytes, uint8_t mask) {
  const U16x16 wide = __builtin_bit_cast(U16x16, bytes);
  const U16x16 moved = shift < 0 ? wide << (shift < 0 ? -shift : 0) : wide >> (shift < 0 ? 0 : shift);
  return __builtin_bit_cast(U8x32, moved) & mask;
}

// Bit i of 32 (bit i % 8 of byte i / 8) becomes byte i: `set` or 0.
inline U8x32 spread_bits(const uint8_t* bits, uint8_t set) {
  const U8x32 mask = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                      1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const U8x32 bytes = lanes_of<U8x32>(load_as<uint32_t>(bits));
  const U8x32 spread = __builtin_shufflevector(bytes, bytes, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                               18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
  return static_cast<U8x32>((spread & mask) == mask) & set;
}

// Calls work(Index<0>()) .. work(Index<count - 1>()), each inlined: what depends on the number is constant.
template <size_t value>
struct Index {
  constexpr operator size_t() const { return value; }
};
template <size_t count, class Work>
[[gnu::always_inline]] inline void unrolled(const Work& work) {
  if constexpr (count > 0) {
    unrolled<count - 1>(work);
    work(Index<count - 1>());
  }
}

enum class Mins { kNone, kOffset, kMinimum };

struct Scales256 {
  I16x16 scales, mins;
};

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

  // The low nibbles of sixteen bytes, then the high ones.
  static U8x32 nibbles(const uint8_t* packed) {
    return halves(load_as<U8x16>(packed) & 15, load_as<U8x16>(packed) >> 4);
  }

  static I16x16 widened(U8x16 bytes) { return __builtin_convertvector(bytes, I16x16); }

  // table[index] for indices 0 .. 15.
  static U8x32 lookup(const int8_t* table, U8x32 index) {
    U8x32 values;
    for (size_t i = 0; i < 32; ++i) values[i] = static_cast<uint8_t>(table[index[i]]);
    return values;
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

// `kUnits` of 32 weights in a block; kParts of them share the same 32 inputs (2 where scales are for 16 weights).
template <class B, bool Signed, int Max, int Offset, bool Minimum, int Units, int Parts = 1>
struct Format32 {
  using Block = B;
  static constexpr Input input = Input::kBlocks32;
  static constexpr bool is_signed = Signed, has_minimum = Minimum;
  static constexpr int max_code = Max, offset = Offset, units = Units, parts = Parts;
};

// The scale of a unit: of most formats a binary16 `d`.
template <class Format, class Ops>
float scale_of(const typename Format::Block& block, size_t index) {
  if constexpr (requires { Format::scale(block, index); }) {
    return Format::scale(block, index);
  } else {
    return Ops::half(block.d);
  }
}

struct Product_q4_0 : Format32<block_q4_0, false, 15, 8, false, 1> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t) {
    return Ops::nibbles(block.codes);
  }
};

struct Product_q4_1 : Format32<block_q4_1, false, 15, 0, true, 1> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t) {
    return Ops::nibbles(block.codes);
  }
};

struct Product_q5_0 : Format32<block_q5_0, false, 31, 16, false, 1> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t) {
    return Ops::nibbles(block.codes) | spread_bits(block.high, 16);
  }
};

struct Product_q5_1 : Format32<block_q5_1, false, 31, 0, true, 1> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t) {
    return Ops::nibbles(block.codes) | spread_bits(block.high, 16);
  }
};

// No encoder writes the code -128, but a file may hold it: twice 128 * 127 still fits 16 bits.
struct Product_q8_0 : Format32<block_q8_0, true, 128, 0, false, 1> {
  template <class>
  static U8x32 codes(const Block& block, size_t) {
    return load_as<U8x32>(block.codes);
  }
};

struct Product_iq4_nl : Format32<block_iq4_nl, true, 127, 0, false, 1> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t) {
    return Ops::lookup(kGrid4, Ops::nibbles(block.codes));
  }
};

struct Product_mxfp4 : Format32<block_mxfp4, true, 12, 0, false, 1> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t) {
    return Ops::lookup(kE2M1, Ops::nibbles(block.codes));
  }
  static float scale(const Block& block, size_t) { return mxfp4_scale(block.e); }
};

// A scale is for 16 weights: each half of a chunk of 32 is a unit of its own, with zeros (whose value is 0) for the
// other half.
struct Product_nvfp4 : Format32<block_nvfp4, true, 12, 0, false, 4, 2> {
  template <class Ops>
  static U8x32 codes(const Block& block, size_t index) {
    const U8x16 bytes = __builtin_bit_cast(U8x16, U64x2{load_as<uint64_t>(block.codes + 8 * index), 0});
    const U8x16 nibbles =
        __builtin_shufflevector(bytes & 15, bytes >> 4, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    return Ops::lookup(kE2M1, index % 2 == 0 ? halves(nibbles, U8x16{}) : halves(U8x16{}, nibbles));
  }
  static float scale(const Block& block, size_t index) { return nvfp4_scale(block.scales[index]); }
};

// A set bit is +1, another -1: codes 2 and 0 less 1.
struct Product_q1_0 : Format32<block_q1_0, false, 2, 1, false, 4> {
  template <class>
  static U8x32 codes(const Block& block, size_t index) {
    return spread_bits(block.signs + 4 * index, 2);
  }
};

struct Product_q2_0 : Format32<block_q2_0, false, 3, 1, false, 2> {
  template <class>
  static U8x32 codes(const Block& block, size_t index) {
    const U8x32 bytes = __builtin_bit_cast(U8x32, U64x4{} + load_as<uint64_t>(block.codes + 8 * index));
    return own_two_bits(__builtin_shufflevector(bytes, bytes, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 20, 20,
                                                20, 20, 21, 21, 21, 21, 22, 22, 22, 22, 23, 23, 23, 23));
  }
};

template <class Format, class Ops>
void unpack(const typename Format::Block& block, size_t index, Unit32* unit) {
  store_as(unit->codes, Format::template codes<Ops>(block, index));
  unit->d = scale_of<Format, Ops>(block, index);
  if constexpr (Format::has_minimum) unit->m = Ops::half(block.m);
}

// ---- Units of 256 ----

// `Sub` = weights that share a scale: 16, or 32 where scales come in equal pairs.
template <class B, bool Signed, int Max, Mins M, int Sub>
struct Format256 {
  using Block = B;
  static constexpr Input input = Input::kBlocks256;
  static constexpr bool is_signed = Signed;
  static constexpr int max_code = Max, sub = Sub;
  static constexpr Mins mins = M;
  static constexpr float factor = 1.0f;  // of the binary16 d
};

// Eight scales of 32 weights each, one per byte, as those of 16 weights.
template <class Ops>
I16x16 scales_twice(uint64_t eight) {
  const U8x16 bytes = __builtin_bit_cast(U8x16, U64x2{eight, 0});
  return Ops::widened(__builtin_shufflevector(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));
}

// Those of Q4_K and Q5_K, as unpack_k_scales has them byte by byte.
template <class Ops>
Scales256 k_scales(const KHeader& header) {
  const uint64_t first = load_as<uint64_t>(header.scales), last = load_as<uint32_t>(header.scales + 8);
  const uint64_t low = first & 0x3f3f3f3f3f3f3f3fu;  // scales 0 .. 3, minimums 0 .. 3
  const uint64_t high =
      ((last | last >> 4 << 32) & 0x0f0f0f0f0f0f0f0fu) | (first >> 2 & 0x3030303030303030u);  // 4 .. 7
  const U8x16 all = __builtin_bit_cast(U8x16, U64x2{low, high});
  return {Ops::widened(__builtin_shufflevector(all, all, 0, 0, 1, 1, 2, 2, 3, 3, 8, 8, 9, 9, 10, 10, 11, 11)),
          Ops::widened(__builtin_shufflevector(all, all, 4, 4, 5, 5, 6, 6, 7, 7, 12, 12, 13, 13, 14, 14, 15, 15))};
}

inline Scales256 with_offset(I16x16 scales, int offset) { return {scales, scales * static_cast<int16_t>(offset)}; }

struct Product_q2_K : Format256<block_q2_K, false, 3, Mins::kMinimum, 16> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    return field<2 * (j % 4)>(load_as<U8x32>(block.codes + 32 * (j / 4)), 3);
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    const U8x16 both = load_as<U8x16>(block.scales);
    return {Ops::widened(both & 15), Ops::widened(both >> 4)};
  }
  static uint16_t d(const Block& block) { return block.d; }
  static uint16_t m(const Block& block) { return block.dmin; }
};

struct Product_q3_K : Format256<block_q3_K, false, 7, Mins::kOffset, 16> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const U8x32 high = field<static_cast<int>(j) - 2>(load_as<U8x32>(block.high), 4);
    return field<2 * (j % 4)>(load_as<U8x32>(block.codes + 32 * (j / 4)), 3) | high;
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    constexpr uint64_t kFour = 0x0f0f0f0f0f0f0f0fu, kTwo = 0x3030303030303030u;
    const uint64_t low = load_as<uint64_t>(block.scales), high = load_as<uint32_t>(block.scales + 8);
    const U64x2 all = {(low & kFour) | ((high << 4 | high << 34) & kTwo),
                       (low >> 4 & kFour) | ((high | high << 30) & kTwo)};
    return with_offset(Ops::widened(__builtin_bit_cast(U8x16, all)) - int16_t{32}, 4);
  }
  static uint16_t d(const Block& block) { return block.d; }
};

struct Product_q4_K : Format256<block_q4_K, false, 15, Mins::kMinimum, 32> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    return field<4 * (j % 2)>(load_as<U8x32>(block.codes + 32 * (j / 2)), 15);
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    return k_scales<Ops>(block.header);
  }
  static uint16_t d(const Block& block) { return block.header.d; }
  static uint16_t m(const Block& block) { return block.header.dmin; }
};

struct Product_q5_K : Format256<block_q5_K, false, 31, Mins::kMinimum, 32> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const U8x32 high = field<static_cast<int>(j) - 4>(load_as<U8x32>(block.high), 16);
    return field<4 * (j % 2)>(load_as<U8x32>(block.codes + 32 * (j / 2)), 15) | high;
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    return k_scales<Ops>(block.header);
  }
  static uint16_t d(const Block& block) { return block.header.d; }
  static uint16_t m(const Block& block) { return block.header.dmin; }
};

struct Product_q6_K : Format256<block_q6_K, false, 63, Mins::kOffset, 16> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    constexpr int quarter = j % 4;
    const U8x32 low = load_as<U8x32>(block.low + 64 * (j / 4) + 32 * (j % 2));
    const U8x32 high = load_as<U8x32>(block.high + 32 * (j / 4));
    return field<4 * (quarter / 2)>(low, 15) | field<2 * quarter - 4>(high, 48);
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    return with_offset(Ops::widened(load_as<U8x16>(block.scales) ^ 128) - int16_t{128}, 32);  // they have signs
  }
  static uint16_t d(const Block& block) { return block.d; }
};

// Sixteen scales of 16 weights each, two per byte, as odd numbers.
template <class Ops>
I16x16 odd_scales(const uint8_t* packed) {
  const U8x16 bytes = __builtin_bit_cast(U8x16, U64x2{load_as<uint64_t>(packed), 0});
  const U8x16 twice = __builtin_shufflevector(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const U8x16 nibbles = (twice & lanes_of<U8x16>(0x000f000fu)) | (twice >> 4 & lanes_of<U8x16>(0x0f000f00u));
  return Ops::widened(nibbles) * int16_t{2} + int16_t{1};
}

// Four bits or two bits each of a number as the bytes of another.
inline uint64_t spread_nibbles(uint64_t bits) {
  bits = (bits | bits << 16) & 0x0000ffff0000ffffu;
  bits = (bits | bits << 8) & 0x00ff00ff00ff00ffu;
  return (bits | bits << 4) & 0x0f0f0f0f0f0f0f0fu;
}
inline uint64_t spread_pairs(uint64_t bits) {
  bits = (bits | bits << 24) & 0x000000ff000000ffu;
  bits = (bits | bits << 12) & 0x000f000f000f000fu;
  return (bits | bits << 6) & 0x0303030303030303u;
}

struct Product_iq4_xs : Format256<block_iq4_xs, true, 127, Mins::kNone, 32> {
  template <class Ops, size_t j>
  static U8x32 codes(const Block& block) {
    return Ops::lookup(kGrid4, Ops::nibbles(block.codes + 16 * j));
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    const uint64_t low = spread_nibbles(load_as<uint32_t>(block.scales_low)), high = spread_pairs(block.scales_high);
    return {scales_twice<Ops>(low | high << 4) - int16_t{32}, I16x16{}};
  }
  static uint16_t d(const Block& block) { return block.d; }
};

// The codebook formats: eight magnitudes from a grid, then signs. Scales are odd numbers, so d takes the rest.
inline U8x32 with_signs(U64x4 grid, const uint8_t* signs) {
  const U8x32 magnitudes = __builtin_bit_cast(U8x32, grid), mask = spread_bits(signs, 255);
  return (magnitudes ^ mask) - mask;
}
inline U8x32 with_signs(U64x4 grid, uint32_t signs) {
  return with_signs(grid, reinterpret_cast<const uint8_t*>(&signs));
}

template <class Ops>
I16x16 odd_scales_twice(uint64_t eight) {
  return scales_twice<Ops>(eight) * int16_t{2} + int16_t{1};
}

// Four times seven signs in 28 bits, the eighth made up.
inline uint32_t all_signs(uint32_t word) {
  uint32_t signs = 0;
  for (unsigned g = 0; g < 4; ++g) signs |= static_cast<uint32_t>(kEightSigns[word >> (7 * g) & 127u]) << (8 * g);
  return signs;
}

struct Product_iq2_xxs : Format256<block_iq2_xxs, true, 43, Mins::kNone, 32> {
  static constexpr float factor = 0.125f;
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const uint32_t index = load_as<uint32_t>(block.words[j]), signs = load_as<uint32_t>(block.words[j] + 2);
    const uint64_t* grid = kGrids.iq2_xxs;
    return with_signs(U64x4{grid[index & 255], grid[index >> 8 & 255], grid[index >> 16 & 255], grid[index >> 24]},
                      all_signs(signs));
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) scales |= static_cast<uint64_t>(block.words[j][3] >> 12) << (8 * j);
    return {odd_scales_twice<Ops>(scales), I16x16{}};
  }
  static uint16_t d(const Block& block) { return block.d; }
};

struct Product_iq2_xs : Format256<block_iq2_xs, true, 43, Mins::kNone, 16> {
  static constexpr float factor = 0.125f;
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const uint16_t* group = block.groups + 4 * j;
    const uint64_t* grid = kGrids.iq2_xs;
    uint32_t signs = 0;
    for (unsigned g = 0; g < 4; ++g) signs |= static_cast<uint32_t>(kEightSigns[group[g] >> 9]) << (8 * g);
    return with_signs(U64x4{grid[group[0] & 511], grid[group[1] & 511], grid[group[2] & 511], grid[group[3] & 511]},
                      signs);
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    return {odd_scales<Ops>(block.scales), I16x16{}};
  }
  static uint16_t d(const Block& block) { return block.d; }
};

struct Product_iq2_s : Format256<block_iq2_s, true, 43, Mins::kNone, 16> {
  static constexpr float factor = 0.125f;
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const auto at = [&](size_t g) { return kGrids.iq2_s[block.low[4 * j + g] | (block.high[j] >> (2 * g) & 3u) << 8]; };
    return with_signs(U64x4{at(0), at(1), at(2), at(3)}, block.signs + 4 * j);
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    return {odd_scales<Ops>(block.scales), I16x16{}};
  }
  static uint16_t d(const Block& block) { return block.d; }
};

struct Product_iq3_xxs : Format256<block_iq3_xxs, true, 62, Mins::kNone, 32> {
  static constexpr float factor = 0.25f;
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const uint8_t* index = block.indices + 8 * j;
    const auto at = [&](size_t g) {
      return kGrids.iq3_xxs[index[2 * g]] | static_cast<uint64_t>(kGrids.iq3_xxs[index[2 * g + 1]]) << 32;
    };
    return with_signs(U64x4{at(0), at(1), at(2), at(3)}, all_signs(load_as<uint32_t>(block.words + 4 * j)));
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) scales |= static_cast<uint64_t>(block.words[4 * j + 3] >> 4) << (8 * j);
    return {odd_scales_twice<Ops>(scales), I16x16{}};
  }
  static uint16_t d(const Block& block) { return block.d; }
};

struct Product_iq3_s : Format256<block_iq3_s, true, 15, Mins::kNone, 32> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const uint8_t* low = block.low + 8 * j;
    const unsigned high = block.high[j];
    const auto at = [&](size_t g) {
      const uint64_t first = kGrids.iq3_s[low[2 * g] | (high >> (2 * g) & 1u) << 8];
      const uint64_t second = kGrids.iq3_s[low[2 * g + 1] | (high >> (2 * g) & 2u) << 7];
      return first | second << 32;
    };
    return with_signs(U64x4{at(0), at(1), at(2), at(3)}, block.signs + 4 * j);
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    return {odd_scales_twice<Ops>(spread_nibbles(load_as<uint32_t>(block.scales))), I16x16{}};
  }
  static uint16_t d(const Block& block) { return block.d; }
};

// Levels -1, 0, 1 and a shift of 1/8 up or down, in eighths and less 9: 8 * level + 9 + 1 or - 1, which is 0 .. 18.
// A point of the grid, eight bytes, is moved up by 2 or 0.
constexpr uint64_t kUp = 0x0202020202020202u;

struct Product_iq1_s : Format256<block_iq1_s, false, 18, Mins::kOffset, 32> {
  static constexpr float factor = 0.125f;
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const unsigned word = block.words[j];
    const auto at = [&](size_t g) { return kGrids.iq1[block.low[4 * j + g] | (word >> (3 * g) & 7) << 8]; };
    return __builtin_bit_cast(U8x32, U64x4{at(0), at(1), at(2), at(3)} + (word & 0x8000 ? 0 : kUp));
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    uint64_t scales = 0;
    for (size_t j = 0; j < 8; ++j) scales |= static_cast<uint64_t>(block.words[j] >> 12 & 7) << (8 * j);
    return with_offset(odd_scales_twice<Ops>(scales), 9);
  }
  static uint16_t d(const Block& block) { return block.d; }
};

struct Product_iq1_m : Format256<block_iq1_m, false, 18, Mins::kOffset, 16> {
  static constexpr float factor = 0.125f;
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    const auto at = [&](size_t g) {
      const unsigned high = block.high[2 * j + g / 2] >> (4 * (g % 2));
      return kGrids.iq1[block.low[4 * j + g] | (high & 7) << 8] + (high & 8 ? 0 : kUp);
    };
    return __builtin_bit_cast(U8x32, U64x4{at(0), at(1), at(2), at(3)});
  }
  template <class Ops>
  static Scales256 scales(const Block& block) {
    const U16x16 words = __builtin_bit_cast(U16x16, U64x4{} + load_as<uint64_t>(block.words));
    const U16x16 four = __builtin_shufflevector(words, words, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const U16x16 up = {512, 64, 8, 1, 512, 64, 8, 1, 512, 64, 8, 1, 512, 64, 8, 1};  // fields of three bits, to bit 9
    return with_offset(__builtin_bit_cast(I16x16, (four * up >> 9 & 7) * 2 + 1), 9);
  }
  static uint16_t d(const Block& block) { return iq1_m_d(block); }
};

inline Scales256 unit_scales() { return {I16x16{} + int16_t{1}, I16x16{} + int16_t{1}}; }

// Digits to base 3 of numbers below 243, which are stored as 256/243 of them: times a power of 3 the digit is on top.
struct Product_tq1_0 : Format256<block_tq1_0, false, 2, Mins::kOffset, 32> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
    if constexpr (j < 5) {
      return digits(load_as<U8x32>(block.codes), U8x32{} + kPowers[j]);
    } else {
      const U8x16 bytes = load_as<U8x16>(block.codes + 32);
      if constexpr (j < 7) {
        return digits(halves(bytes, bytes), halves(U8x16{} + kPowers[2 * j - 10], U8x16{} + kPowers[2 * j - 9]));
      } else {
        const U8x16 rest = lanes_of<U8x16>(load_as<uint32_t>(block.codes + 48));
        const U8x16 powers = {1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27};
        return digits(halves(bytes, rest), halves(U8x16{} + kPowers[4], powers));
      }
    }
  }
  template <class>
  static Scales256 scales(const Block&) {
    return unit_scales();
  }
  static uint16_t d(const Block& block) { return block.d; }

 private:
  // floor(3 * (byte * power % 256) / 256), for the bytes at even and at odd places.
  static U8x32 digits(U8x32 bytes, U8x32 powers) {
    const U16x16 b = __builtin_bit_cast(U16x16, bytes), p = __builtin_bit_cast(U16x16, powers);
    const U16x16 even = ((b & 255) * (p & 255) & 255) * 3 >> 8, odd = ((b >> 8) * (p >> 8) & 255) * 3;
    return __builtin_bit_cast(U8x32, even | (odd & 0xff00));
  }
};

struct Product_tq2_0 : Format256<block_tq2_0, false, 3, Mins::kOffset, 32> {
  template <class, size_t j>
  static U8x32 codes(const Block& block) {
    return field<2 * (j % 4)>(load_as<U8x32>(block.codes + 32 * (j / 4)), 3);
  }
  template <class>
  static Scales256 scales(const Block&) {
    return unit_scales();
  }
  static uint16_t d(const Block& block) { return block.d; }
};

template <class Format, class Ops>
void unpack(const typename Format::Block& block, Unit256* unit) {
  unrolled<8>([&](auto j) __attribute__((always_inline)) {
    store_as(unit->codes + 32 * j, Format::template codes<Ops, j>(block));
  });
  const Scales256 all = Format::template scales<Ops>(block);
  store_as(unit->scales, all.scales);
  store_as(unit->mins, all.mins);
  unit->d = Ops::half(Format::d(block)) * Format::factor;
  if constexpr (Format::mins == Mins::kMinimum) unit->m = Ops::half(Format::m(block));
}

// Pairs of products of a code and an input's code (at most 127) that fit into 16 bits: as a power of two.
template <class Format>
constexpr size_t pairs_that_fit() {
  const int most = 32767 / (Format::max_code * 127 * 2);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

}  // namespace
