// Encoders whose scale follows from the extremes of a block, without a search: the weights stay in the order of memory,
// and become bytes as soon as they are codes. Only what there is one of in a block (extremes, scale, inverse) is
// computed for `lanes` blocks at once. The order in which extremes are taken does not matter, except where the sign of
// the first of several counts: those blocks are looked through once more.
//
// One block per lane, as the searches have it, needs a transposition before and another one of the codes behind. From
// F16, ns a weight on one thread of an EPYC (family 25), lanes before, this after:
//            Q4_0           Q4_1           Q5_0           Q8_0           MXFP4          TQ1_0          TQ2_0
//   AVX2     0.55 -> 0.40   0.61 -> 0.46   0.63 -> 0.49   0.68 -> 0.38   0.66 -> 0.66   0.45 -> 0.35   0.39 -> 0.28
//   WASM     1.94 -> 0.77   1.90 -> 0.85   1.96 -> 0.88   2.23 -> 0.85   2.74 -> 1.23   1.76 -> 0.94   1.21 -> 0.70
// In WASM 0.2 of it came from reading halves in larger pieces, in both some from looking for NaN in the file's format.
// Codes that went through memory as bytes made AVX2 slower than before: 0.78 for Q4_0.
#pragma once

#include "quant/types.h"
#include "quantize/batches-inl.h"

namespace {

struct Extremes {
  F smallest, largest;
};

// result lane l = fold of the lanes of vector l of `partial`.
template <class Fold>
F fold_across(const float (&partial)[kLanes * kLanes], Fold fold) {
  F columns[kLanes];
  Simd::transpose(partial, kLanes, columns);
  F result = columns[0];
  for (size_t i = 1; i < kLanes; ++i) result = fold(columns[i], result);
  return result;
}

// Of each of `lanes` blocks of N weights; never above `smallest`, never below `largest`.
template <size_t N>
Extremes extremes_of(const float* source, float smallest, float largest) {
  alignas(64) float low[kLanes * kLanes], high[kLanes * kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane, source += N) {
    F min = Simd::set(smallest), max = Simd::set(largest);
    for (size_t i = 0; i < N; i += kLanes) {
      const F x = Simd::load(source + i);
      min = Simd::min(x, min);
      max = Simd::max(x, max);
    }
    Simd::store(low + kLanes * lane, min);
    Simd::store(high + kLanes * lane, max);
  }
  return {fold_across(low, Simd::min), fold_across(high, Simd::max)};
}

// The largest magnitude of each of `lanes` blocks of N weights. Two chains of maxima: one would be waited for.
template <size_t N>
F largest_magnitudes(const float* source) {
  alignas(64) float partial[kLanes * kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane, source += N) {
    F even = Simd::set(0.0f), odd = even;
    for (size_t i = 0; i < N; i += 2 * kLanes) {
      even = Simd::max(Simd::abs(Simd::load(source + i)), even);
      odd = Simd::max(Simd::abs(Simd::load(source + i + kLanes)), odd);
    }
    Simd::store(partial + kLanes * lane, Simd::max(even, odd));
  }
  return fold_across(partial, Simd::max);
}

// `count` weights as bytes that code(vector of them) gives as int32. They stay in registers: stored as sixteen bytes
// and loaded as thirty-two, they would be waited for.
template <size_t count, class Code>
struct ByteCodes {
  Bytes sixteens[count / 16];

  ByteCodes(const float* source, Code code) {
    for (size_t i = 0; i < count / 16; ++i) {
      I codes[16 / kLanes];
      for (size_t k = 0; k < 16 / kLanes; ++k) codes[k] = code(Simd::load(source + 16 * i + k * kLanes));
      sixteens[i] = Simd::narrow(codes);
    }
  }
};
template <size_t count, class Code>
ByteCodes<count, Code> byte_codes(const float* source, Code code) {
  return {source, code};
}

// Four bytes a lane, whose bits can be shifted as a word as long as none leaves its byte: compilers make many
// instructions of a shift of bytes.
typedef uint32_t Words __attribute__((vector_size(16)));

// The codes of 32 weights as nibbles, and their fifth bits where the format has such.
template <class Block>
void store_nibbles(Bytes low, Bytes high, uint8_t top, Block* block) {
  low = low < top ? low : Bytes{} + top;
  high = high < top ? high : Bytes{} + top;
  if constexpr (requires { block->high; }) {
    uint8_t codes[32];
    __builtin_memcpy(codes, &low, 16);
    __builtin_memcpy(codes + 16, &high, 16);
    const uint32_t fifth = gather_fifth_bits(codes);
    __builtin_memcpy(block->high, &fifth, sizeof fifth);
    low &= 15;
    high &= 15;
  }
  const Words packed = (Words)low | (Words)high << 4;
  __builtin_memcpy(block->codes, &packed, 16);
}

// ---- Q4_0, Q5_0: d = extreme / -top, the extreme being the first weight of the largest magnitude ----

inline F first_extremes(const float* source, F extreme) {
  alignas(64) float found[kLanes];
  Simd::store(found, extreme);
  for (size_t lane = 0; lane < kLanes; ++lane, source += 32) {
    const float magnitude = __builtin_fabsf(found[lane]);
    for (size_t i = 0; i < 32 && magnitude > 0.0f; ++i) {
      if (__builtin_fabsf(source[i]) != magnitude) continue;
      found[lane] = source[i];
      break;
    }
  }
  return Simd::load(found);
}

template <int top, class Block>
void encode_symmetric(const float* source, Block* blocks) {
  const Extremes found = extremes_of<32>(source, 0.0f, 0.0f);
  const F opposite = Simd::neg(found.smallest);
  F extreme = Simd::select(Simd::lt(found.largest, opposite), found.smallest, found.largest);
  const M both_signs = Simd::both(Simd::eq(found.largest, opposite), Simd::lt(Simd::set(0.0f), opposite));
  if (Simd::any(both_signs)) extreme = first_extremes(source, extreme);
  const F d = Simd::div(extreme, Simd::set(static_cast<float>(-top)));
  alignas(64) float inverses[kLanes];
  uint16_t halves[kLanes];
  Simd::store(inverses, inverse_or_zero(d));
  store_halves(d, halves);
  const F offset = Simd::set(static_cast<float>(top) + 0.5f);
  for (size_t lane = 0; lane < kLanes; ++lane, source += 32) {
    const F inverse = Simd::set(inverses[lane]);
    const auto codes =
        byte_codes<32>(source, [=](F x) { return Simd::whole_byte(Simd::add(Simd::mul(x, inverse), offset)); });
    blocks[lane].d = halves[lane];
    store_nibbles(codes.sixteens[0], codes.sixteens[1], 2 * top - 1, blocks + lane);
  }
}

// ---- Q4_1, Q5_1: d = (max - min) / top ----

// A smallest weight that is zero has the sign of the block's first zero.
inline F first_zeros(const float* source, F smallest) {
  alignas(64) float found[kLanes];
  Simd::store(found, smallest);
  for (size_t lane = 0; lane < kLanes; ++lane, source += 32) {
    for (size_t i = 0; i < 32 && found[lane] == 0.0f; ++i) {
      if (source[i] != 0.0f) continue;
      found[lane] = source[i];
      break;
    }
  }
  return Simd::load(found);
}

template <int top, class Block>
void encode_affine(const float* source, Block* blocks) {
  Extremes found = extremes_of<32>(source, __FLT_MAX__, -__FLT_MAX__);
  if (Simd::any(Simd::eq(found.smallest, Simd::set(0.0f)))) found.smallest = first_zeros(source, found.smallest);
  const F d = Simd::div(Simd::sub(found.largest, found.smallest), Simd::set(static_cast<float>(top)));
  alignas(64) float inverses[kLanes], smallest[kLanes];
  uint16_t halves[kLanes], minimums[kLanes];
  Simd::store(inverses, inverse_or_zero(d));
  Simd::store(smallest, found.smallest);
  store_halves(d, halves);
  store_halves(found.smallest, minimums);
  for (size_t lane = 0; lane < kLanes; ++lane, source += 32) {
    const F inverse = Simd::set(inverses[lane]), min = Simd::set(smallest[lane]), half = Simd::set(0.5f);
    const auto codes = byte_codes<32>(
        source, [=](F x) { return Simd::whole_byte(Simd::add(Simd::mul(Simd::sub(x, min), inverse), half)); });
    blocks[lane].d = halves[lane];
    blocks[lane].m = minimums[lane];
    store_nibbles(codes.sixteens[0], codes.sixteens[1], top, blocks + lane);
  }
}

template <int top, class Block>
void encode_row_symmetric_plain(const float* source, Block* blocks, size_t columns) {
  for_each_batch<kLanes, 32>(source, blocks, columns, nullptr,
                             [](const float* x, const float*, Block* out) { encode_symmetric<top>(x, out); });
}

template <int top, class Block>
void encode_row_affine_plain(const float* source, Block* blocks, size_t columns) {
  for_each_batch<kLanes, 32>(source, blocks, columns, nullptr,
                             [](const float* x, const float*, Block* out) { encode_affine<top>(x, out); });
}

// ---- Q8_0 ----

// round_half_away for magnitudes below 2^22: the sum of x and the largest number below a half (with the sign of x) is
// rounded up to the next whole number exactly where x is at least half-way.
inline I round_to_byte(F x) {
  const I sign = Simd::and_i(Simd::bits(x), Simd::set_i(INT32_MIN));
  const F below_half = Simd::from_bits(Simd::or_i(sign, Simd::bits(Simd::set(0x1.fffffep-2f))));
  return Simd::whole_byte(Simd::add(x, below_half));
}

inline void encode_row_q8_0(const float* source, block_q8_0* blocks, size_t columns, const float*) {
  for_each_batch<kLanes, 32>(source, blocks, columns, nullptr, [](const float* x, const float*, block_q8_0* out) {
    const F d = Simd::div(largest_magnitudes<32>(x), Simd::set(127.0f));
    alignas(64) float inverses[kLanes];
    uint16_t halves[kLanes];
    Simd::store(inverses, inverse_or_zero(d));
    store_halves(d, halves);
    for (size_t lane = 0; lane < kLanes; ++lane, x += 32) {
      const F inverse = Simd::set(inverses[lane]);
      const auto codes = byte_codes<32>(x, [=](F weights) { return round_to_byte(Simd::mul(weights, inverse)); });
      out[lane].d = halves[lane];
      __builtin_memcpy(out[lane].codes, codes.sixteens, 32);
    }
  });
}

}  // namespace
