// The vector functions (vector/functions.inc), written once for every instruction set: the operations of the reference
// (vector/ref.cc) in its order, lane by lane. A translation unit per instruction set includes its simd header, then
// this file, and names its table with QS_VECTOR_TABLE.
//
// Values left over at the end of a row go through a register of their own, padded with zeros.
#pragma once

#include "quant/common.h"
#include "vector/constants.h"
#include "vector/vector.h"

namespace qs {

namespace {

using F = Simd::F;
using I = Simd::I;
using M = Simd::M;
constexpr size_t kLanes = Simd::lanes;
constexpr size_t kSums = 16 / kLanes;                       // registers of sixteen partial sums
constexpr size_t kBlockVectors = kBlockPositions / kLanes;  // registers of a block's positions

// ---- Rows ----

inline F load_some(const float* p, size_t count) {
  float room[kLanes] = {};
  __builtin_memcpy(room, p, count * sizeof(float));
  return Simd::load(room);
}

inline void store_some(float* p, F v, size_t count) {
  float room[kLanes];
  Simd::store(room, v);
  __builtin_memcpy(p, room, count * sizeof(float));
}

// target = value(index, load) for every index, `load` loading the same part of any row.
template <class Value>
inline void each(float* target, size_t count, Value value) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Simd::store(target + i, value([i](const float* row) { return Simd::load(row + i); }));
  }
  if (i == count) return;
  const size_t rest = count - i;
  store_some(target + i, value([i, rest](const float* row) { return load_some(row + i, rest); }), rest);
}

inline float fold(F (&sums)[kSums]) {
  for (size_t width = kSums / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) sums[j] = Simd::add(sums[j], sums[j + width]);
  }
  float lanes[kLanes];
  Simd::store(lanes, sums[0]);
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return lanes[0];
}

// The sum of term(load) over a row. A sum that began with +0 never becomes -0, so zeros added for padding change
// nothing.
template <class Term>
inline float sum_of(size_t count, Term term) {
  F sums[kSums];
  for (size_t j = 0; j < kSums; ++j) sums[j] = Simd::set(0.0f);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (size_t j = 0; j < kSums; ++j) {
      const size_t at = i + j * kLanes;
      sums[j] = Simd::add(sums[j], term([at](const float* row) { return Simd::load(row + at); }));
    }
  }
  for (size_t j = 0; i < count; ++j, i += kLanes) {
    const size_t rest = count - i < kLanes ? count - i : kLanes;
    sums[j] = Simd::add(sums[j], term([i, rest](const float* row) { return load_some(row + i, rest); }));
  }
  return fold(sums);
}

float dot(const float* a, const float* b, size_t count) {
  return sum_of(count, [=](auto load) { return Simd::mul(load(a), load(b)); });
}

float sum(const float* a, size_t count) {
  return sum_of(count, [=](auto load) { return load(a); });
}

void add(float* target, const float* a, const float* b, size_t count) {
  each(target, count, [=](auto load) { return Simd::add(load(a), load(b)); });
}

void scale(float* target, const float* a, float factor, size_t count) {
  const F factors = Simd::set(factor);
  each(target, count, [=](auto load) { return Simd::mul(load(a), factors); });
}

void mix(float* target, const float* blocks, const float* pairs, size_t used, size_t count) {
  each(target, count, [=](auto load) {
    F total = Simd::set(0.0f);
    for (size_t k = 0; k < used; ++k) {
      total = Simd::add(total, Simd::mul(load(blocks + k * count), Simd::set(pairs[2 * k + 1])));
    }
    return total;
  });
}

// ---- Elementary functions ----

inline F exp_of(F x) {
  const F shifted = Simd::add(Simd::mul(x, Simd::set(kLog2E)), Simd::set(kToInteger));
  const F k = Simd::sub(shifted, Simd::set(kToInteger));
  const F r = Simd::sub(Simd::sub(x, Simd::mul(k, Simd::set(kLn2High))), Simd::mul(k, Simd::set(kLn2Low)));
  F p = Simd::add(Simd::mul(Simd::set(kExp6), r), Simd::set(kExp5));
  p = Simd::add(Simd::mul(p, r), Simd::set(kExp4));
  p = Simd::add(Simd::mul(p, r), Simd::set(kExp3));
  p = Simd::add(Simd::mul(p, r), Simd::set(kExp2));
  const F power = Simd::add(Simd::set(1.0f), Simd::add(r, Simd::mul(Simd::mul(r, r), p)));
  F y = Simd::from_bits(Simd::add_i(Simd::bits(power), Simd::shl<23>(Simd::bits(shifted))));
  y = Simd::select(Simd::lt(x, Simd::set(kExpZero)), Simd::set(0.0f), y);
  y = Simd::select(Simd::lt(Simd::set(kExpInfinity), x), Simd::from_bits(Simd::set_i(0x7f800000)), y);
  return Simd::select(Simd::eq(x, x), y, x);
}

inline F tanh_of(F x) {
  const F magnitude = Simd::abs(x), z = Simd::mul(x, x);
  F p = Simd::add(Simd::mul(Simd::set(kTanh11), z), Simd::set(kTanh9));
  p = Simd::add(Simd::mul(p, z), Simd::set(kTanh7));
  p = Simd::add(Simd::mul(p, z), Simd::set(kTanh5));
  p = Simd::add(Simd::mul(p, z), Simd::set(kTanh3));
  const F small = Simd::add(x, Simd::mul(Simd::mul(x, z), p));
  const F above = Simd::add(exp_of(Simd::add(magnitude, magnitude)), Simd::set(1.0f));
  const F large = Simd::sub(Simd::set(1.0f), Simd::div(Simd::set(2.0f), above));
  const I sign = Simd::and_i(Simd::bits(x), Simd::set_i(INT32_MIN));
  return Simd::select(Simd::lt(magnitude, Simd::set(kTanhSmall)), small,
                      Simd::from_bits(Simd::or_i(Simd::bits(large), sign)));
}

inline F silu_of(F x) { return Simd::div(x, Simd::add(Simd::set(1.0f), exp_of(Simd::neg(x)))); }

inline F gelu_of(F x) {
  const F y = Half::round(x);
  const F cube = Simd::mul(Simd::mul(Simd::set(kGeluCube), y), y);
  const F inner = Simd::mul(Simd::mul(Simd::set(kGeluScale), y), Simd::add(Simd::set(1.0f), cube));
  const F gelu = Simd::mul(Simd::mul(Simd::set(0.5f), y), Simd::add(Simd::set(1.0f), tanh_of(inner)));
  const F low = Simd::set(-10.0f), high = Simd::set(10.0f);
  const F rounded = Half::round(gelu);
  const F above = Simd::select(Simd::either(Simd::lt(high, x), Simd::eq(high, x)), x, rounded);
  return Simd::select(Simd::either(Simd::lt(x, low), Simd::eq(x, low)), Simd::set(0.0f), above);
}

void exp(float* target, const float* a, size_t count) {
  each(target, count, [=](auto load) { return exp_of(load(a)); });
}

float exp_below(float* target, const float* a, float largest, size_t count) {
  const F subtracted = Simd::set(largest);
  each(target, count, [=](auto load) { return exp_of(Simd::sub(load(a), subtracted)); });
  return sum(target, count);
}

inline F soft_cap_of(F x, F cap) { return Simd::mul(cap, tanh_of(Simd::div(x, cap))); }

void soft_cap(float* target, const float* a, float cap, size_t count) {
  const F caps = Simd::set(cap);
  each(target, count, [=](auto load) { return soft_cap_of(load(a), caps); });
}

void silu(float* target, const float* a, size_t count) {
  each(target, count, [=](auto load) { return silu_of(load(a)); });
}

void gelu(float* target, const float* a, size_t count) {
  each(target, count, [=](auto load) { return gelu_of(load(a)); });
}

void gate_silu(float* target, const float* a, const float* b, size_t count) {
  each(target, count, [=](auto load) { return Simd::mul(silu_of(load(a)), load(b)); });
}

void gate_gelu(float* target, const float* a, const float* b, size_t count) {
  each(target, count, [=](auto load) { return Simd::mul(gelu_of(load(a)), load(b)); });
}

// ---- Norms, rotations, halves ----

void rms_norm(float* target, const float* a, const float* weight, float epsilon, size_t count) {
  const float mean = dot(a, a, count) / static_cast<float>(count);
  const F factor = Simd::set(1.0f / __builtin_sqrtf(mean + epsilon));
  if (weight)
    each(target, count, [=](auto load) { return Simd::mul(Simd::mul(load(a), factor), load(weight)); });
  else
    each(target, count, [=](auto load) { return Simd::mul(load(a), factor); });
}

void layer_norm(float* target, const float* a, const float* weight, const float* bias, float epsilon, size_t count) {
  const F mean = Simd::set(sum(a, count) / static_cast<float>(count));
  each(target, count, [=](auto load) { return Simd::sub(load(a), mean); });
  const float variance = dot(target, target, count) / static_cast<float>(count);
  const F factor = Simd::set(1.0f / __builtin_sqrtf(variance + epsilon));
  each(target, count, [=](auto load) {
    const F scaled = Simd::mul(load(target), factor), weighted = weight ? Simd::mul(scaled, load(weight)) : scaled;
    return Simd::add(weighted, bias ? load(bias) : Simd::set(0.0f));
  });
}

inline void rotate(float* x, float* y, float cosine, float sine) {
  const float a = *x, b = *y;
  *x = a * cosine - b * sine;
  *y = b * cosine + a * sine;
}

// Both of a pair at once: the lanes hold x, y, x, y …, and the sine of x is subtracted.
void rotate_neighbours(float* row, const float* cosines, const float* sines, size_t pairs) {
  alignas(64) static const float kSigns[16] = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
  const F signs = Simd::load(kSigns);
  size_t i = 0;
  for (; i + kLanes / 2 <= pairs; i += kLanes / 2) {
    const F x = Simd::load(row + 2 * i);
    const F turned = Simd::mul(Simd::swap_pairs(x), Simd::mul(signs, Simd::load_pairs(sines + i)));
    Simd::store(row + 2 * i, Simd::add(Simd::mul(x, Simd::load_pairs(cosines + i)), turned));
  }
  for (; i < pairs; ++i) rotate(row + 2 * i, row + 2 * i + 1, cosines[i], sines[i]);
}

void rotate_halves(float* row, const float* cosines, const float* sines, size_t pairs) {
  float* other = row + pairs;
  size_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    const F x = Simd::load(row + i), y = Simd::load(other + i);
    const F cosine = Simd::load(cosines + i), sine = Simd::load(sines + i);
    Simd::store(row + i, Simd::sub(Simd::mul(x, cosine), Simd::mul(y, sine)));
    Simd::store(other + i, Simd::add(Simd::mul(y, cosine), Simd::mul(x, sine)));
  }
  for (; i < pairs; ++i) rotate(row + i, other + i, cosines[i], sines[i]);
}

void half_to_float(float* target, const uint16_t* a, size_t count) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) Simd::store(target + i, Half::load(a + i));
  for (; i < count; ++i) target[i] = ::half_to_float(a[i]);
}

void float_to_half(uint16_t* target, const float* a, size_t count) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) Simd::store_u16(target + i, Half::from_float(Simd::load(a + i)));
  for (; i < count; ++i) target[i] = ::float_to_half(a[i]);
}

// ---- Attention ----
//
// On Zen 3 (AVX2, 512 tokens of 14 heads of 64 in 24 layers): 250 ms, 0.035 ns per product and sum, where 0.027 is what
// two multiplications and two additions a cycle allow; SSE2 needs 720 ms, WebAssembly 770 (kernels/bench/vector.mjs).

// Queries whose scores are computed together: as many as there are registers for. They share the loads of the keys, and
// their sums are chains enough to hide the latency of an addition.
constexpr size_t kTogether = kLanes == 16 ? 4 : kLanes == 8 ? 2 : 1;

template <size_t queries>
inline void score(const AttentionQuery* query, const AttentionBlock& block, float (*scores)[kBlockPositions]) {
  F sums[queries][kBlockVectors];
  for (size_t q = 0; q < queries; ++q) {
    for (size_t v = 0; v < kBlockVectors; ++v) sums[q][v] = Simd::set(0.0f);
  }
  const float* keys = block.keys;
  for (size_t i = 0; i < block.key_width; ++i, keys += kBlockPositions) {
    F value[queries];
    for (size_t q = 0; q < queries; ++q) value[q] = Simd::set(query[q].row[i]);
    for (size_t v = 0; v < kBlockVectors; ++v) {
      const F key = Simd::load(keys + v * kLanes);
      for (size_t q = 0; q < queries; ++q) sums[q][v] = Simd::add(sums[q][v], Simd::mul(value[q], key));
    }
  }
  for (size_t q = 0; q < queries; ++q) {
    for (size_t v = 0; v < kBlockVectors; ++v) Simd::store(scores[q] + v * kLanes, sums[q][v]);
  }
}

// mixed += scores[p] * values of p, for `vectors` registers of columns.
template <size_t vectors>
inline void mix_columns(float* mixed, const AttentionQuery& query, const float* scores, const float* values,
                        size_t stride) {
  F sums[vectors];
  for (size_t v = 0; v < vectors; ++v) sums[v] = Simd::load(mixed + v * kLanes);
  for (size_t p = query.begin; p < query.end; ++p) {
    const F weight = Simd::set(scores[p]);
    for (size_t v = 0; v < vectors; ++v) {
      sums[v] = Simd::add(sums[v], Simd::mul(weight, Simd::load(values + p * stride + v * kLanes)));
    }
  }
  for (size_t v = 0; v < vectors; ++v) Simd::store(mixed + v * kLanes, sums[v]);
}

// Scores become weights; what was mixed before shrinks if a score is larger than all before.
inline void weigh(AttentionQuery& query, const AttentionBlock& block, float* scores) {
  const F factor = Simd::set(block.scale), cap = Simd::set(block.cap);
  for (size_t i = 0; i < kBlockPositions; i += kLanes) {
    const F scaled = Simd::mul(Simd::load(scores + i), factor);
    Simd::store(scores + i, block.cap != 0.0f ? soft_cap_of(scaled, cap) : scaled);
  }
  for (size_t p = 0; p < query.begin; ++p) scores[p] = -__builtin_inff();
  for (size_t p = query.end; p < kBlockPositions; ++p) scores[p] = -__builtin_inff();
  F most = Simd::load(scores);
  for (size_t i = kLanes; i < kBlockPositions; i += kLanes) most = Simd::max(Simd::load(scores + i), most);
  float lanes[kLanes];
  Simd::store(lanes, most);
  float largest = query.largest;
  for (size_t j = 0; j < kLanes; ++j) largest = lanes[j] > largest ? lanes[j] : largest;
  if (largest != query.largest) {
    Simd::store(lanes, exp_of(Simd::set(query.largest - largest)));
    query.largest = largest;
    query.total *= lanes[0];
    scale(query.mixed, query.mixed, lanes[0], block.value_columns);
  }
  query.total += exp_below(scores, scores, largest, kBlockPositions);
}

inline void mix_values(const AttentionQuery& query, const AttentionBlock& block, const float* weights) {
  constexpr size_t widest = 8;
  const float* values = block.values;
  float* mixed = query.mixed;
  const auto mix_some = [&]<size_t vectors>() {
    mix_columns<vectors>(mixed, query, weights, values, block.value_columns);
    mixed += vectors * kLanes, values += vectors * kLanes;
  };
  size_t vectors = block.value_columns / kLanes;
  for (; vectors >= widest; vectors -= widest) mix_some.template operator()<widest>();
  if (vectors & 4) mix_some.template operator()<4>();
  if (vectors & 2) mix_some.template operator()<2>();
  if (vectors & 1) mix_some.template operator()<1>();
}

// Step by step for some queries at a time, so that work of several is under way at once: against one query after the
// other, SSE2 takes 17 % less, AVX2 3 %.
void attend(AttentionQuery* queries, size_t count, const AttentionBlock& block) {
  constexpr size_t kQueries = 8;
  float scores[kQueries][kBlockPositions];
  for (; count > 0;) {
    const size_t some = count < kQueries ? count : kQueries;
    size_t q = 0;
    for (; q + kTogether <= some; q += kTogether) score<kTogether>(queries + q, block, scores + q);
    for (; q < some; ++q) score<1>(queries + q, block, scores + q);
    for (q = 0; q < some; ++q) weigh(queries[q], block, scores[q]);
    for (q = 0; q < some; ++q) mix_values(queries[q], block, scores[q]);
    queries += some, count -= some;
  }
}

}  // namespace

#define FUNCTION(name, result, arguments) name,
extern const Vector QS_VECTOR_TABLE;
const Vector QS_VECTOR_TABLE = {
#include "vector/functions.inc"
};
#undef FUNCTION

}  // namespace qs
