// Every vector function of every instruction set against the scalar reference, bit by bit, on random rows: ordinary
// values, wild ones, and arbitrary bits; rows of any length at any address; targets that are their own source.
//   fuzz-vector [seed [rounds]]
// Sources besides this file: vector/ref.cc and the vector/<isa>.cc of the processor, with the flags of
// scripts/build-kernels.mjs. A NaN counts as equal to any other: which one comes out IEEE 754 does not say.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vector/vector.h"

namespace qs {
extern const Vector vector_ref, vector_sse2, vector_avx2, vector_avx512, vector_neon;
}

namespace {

using qs::kBlockPositions;
using qs::Vector;

struct Set {
  const char* name;
  const Vector* functions;
  bool available;
};

#if defined(__x86_64__)
const Set kSets[] = {
    {"sse2", &qs::vector_sse2, true},
    {"avx2", &qs::vector_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")},
    {"avx512", &qs::vector_avx512,
     __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl")},
};
#elif defined(__aarch64__)
const Set kSets[] = {{"neon", &qs::vector_neon, true}};
#endif

uint64_t state;

uint64_t next() {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

// 0 ordinary, 1 of every magnitude, 2 mostly special values, 3 arbitrary bits
float random_float(unsigned kind) {
  static const float special[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,     1e-45f,  -1e-45f, 1e-38f, 3.4e38f,
                                  88.72f, 88.73f, -87.33f,  -87.34f,   0.6249f, -0.625f, 10.0f,   -10.0f, 65519.0f};
  const float uniform = static_cast<float>(static_cast<int32_t>(next())) * 0x1p-31f;
  if (kind == 0) return uniform * 8.0f;
  if (kind == 1) return ldexpf(uniform, static_cast<int>(next() % 290) - 150);
  if (kind == 2 && next() % 4 != 0) return special[next() % (sizeof special / sizeof *special)];
  if (kind == 2) return uniform;
  const uint32_t bits = static_cast<uint32_t>(next());
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

constexpr size_t kMost = 400;  // values of a row
float a[kMost], b[kMost], c[kMost], pairs[2 * kMost], blocks[4 * kMost], expected[kMost + 1], found[kMost + 1];
uint16_t halves[kMost], expected_halves[kMost + 1], found_halves[kMost + 1];

unsigned long seed, round_number;

void fail(const char* function, const char* isa, size_t at, float want, float have) {
  fprintf(stderr, "%s of %s differs at %zu: %a, not %a (seed %lu, round %lu)\n", function, isa, at,
          static_cast<double>(have), static_cast<double>(want), seed, round_number);
  exit(1);
}

bool same(float x, float y) { return memcmp(&x, &y, sizeof x) == 0 || (x != x && y != y); }

void compare(const char* function, const char* isa, const float* want, const float* have, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!same(want[i], have[i])) fail(function, isa, i, want[i], have[i]);
  }
}

// Runs a function that writes `count` floats with both tables, into memory of its own and into `source` if there is
// one.
template <class Call>
void row(const char* name, const Set& set, size_t count, const float* source, Call call) {
  constexpr float kGuard = 12345.0f;
  for (int in_place = 0; in_place <= (source ? 1 : 0); ++in_place) {
    float* const targets[] = {expected, found};
    const Vector* const tables[] = {&qs::vector_ref, set.functions};
    for (int k = 0; k < 2; ++k) {
      for (size_t i = 0; i <= count; ++i) targets[k][i] = in_place && i < count ? source[i] : kGuard;
      call(*tables[k], targets[k], in_place ? targets[k] : source);
    }
    compare(name, set.name, expected, found, count);
    if (found[count] != kGuard) fail(name, set.name, count, kGuard, found[count]);
  }
}

void attend(const Set& set, unsigned kind) {
  constexpr size_t kQueries = 9, kWidth = 80;
  static float keys[kWidth * kBlockPositions], values[kBlockPositions * kWidth], rows[kQueries][kWidth];
  static float mixed[2][kQueries][kWidth];
  const size_t key_width = 1 + next() % kWidth, value_columns = 16 * (1 + next() % (kWidth / 16));
  const size_t count = 1 + next() % kQueries;
  qs::AttentionQuery queries[2][kQueries];
  memset(mixed, 0, sizeof mixed);
  for (size_t q = 0; q < count; ++q) {
    for (float& x : rows[q]) x = random_float(kind);
    for (int k = 0; k < 2; ++k) queries[k][q] = {rows[q], mixed[k][q], -__FLT_MAX__, 0.0f, 0, 0};
  }
  const float cap = next() % 2 ? 0.0f : 30.0f, scale = 0.125f;
  for (int block = 0; block < 3; ++block) {
    for (float& x : keys) x = random_float(kind);
    for (float& x : values) x = random_float(kind);
    for (size_t q = 0; q < count; ++q) {
      const uint32_t begin = next() % 2 ? 0 : static_cast<uint32_t>(next() % kBlockPositions);
      const uint32_t end = next() % 2 ? static_cast<uint32_t>(kBlockPositions)
                                      : begin + 1 + static_cast<uint32_t>(next() % (kBlockPositions - begin));
      for (int k = 0; k < 2; ++k) queries[k][q].begin = begin, queries[k][q].end = end;
    }
    qs::vector_ref.attend(queries[0], count, {keys, values, key_width, value_columns, scale, cap});
    set.functions->attend(queries[1], count, {keys, values, key_width, value_columns, scale, cap});
  }
  for (size_t q = 0; q < count; ++q) {
    // Which is the largest among NaN is open, and so is what is left of a sum by then: all that counts is that it is
    // NaN.
    if (queries[0][q].total != queries[0][q].total && queries[1][q].total != queries[1][q].total) continue;
    compare("attend, total", set.name, &queries[0][q].total, &queries[1][q].total, 1);
    compare("attend, largest", set.name, &queries[0][q].largest, &queries[1][q].largest, 1);
    compare("attend, mixed", set.name, mixed[0][q], mixed[1][q], value_columns);
  }
}

void try_set(const Set& set, unsigned kind, size_t count, size_t shift) {
  const float* x = a + shift;
  const float* y = b + shift;
  const float* z = c + shift;
  const Vector& ref = qs::vector_ref;
  const Vector& own = *set.functions;
  const auto number = [&](const char* name, float want, float have) { compare(name, set.name, &want, &have, 1); };
  number("dot", ref.dot(x, y, count), own.dot(x, y, count));
  number("sum", ref.sum(x, count), own.sum(x, count));
  row("add", set, count, x, [&](const Vector& v, float* t, const float* s) { v.add(t, s, y, count); });
  row("scale", set, count, x, [&](const Vector& v, float* t, const float* s) { v.scale(t, s, z[0], count); });
  row("mix", set, count, nullptr, [&](const Vector& v, float* t, const float*) { v.mix(t, blocks, pairs, 3, count); });
  row("exp", set, count, x, [&](const Vector& v, float* t, const float* s) { v.exp(t, s, count); });
  row("exp_below", set, count, x, [&](const Vector& v, float* t, const float* s) { v.exp_below(t, s, z[0], count); });
  row("soft_cap", set, count, x, [&](const Vector& v, float* t, const float* s) { v.soft_cap(t, s, 30.0f, count); });
  row("silu", set, count, x, [&](const Vector& v, float* t, const float* s) { v.silu(t, s, count); });
  row("gelu", set, count, x, [&](const Vector& v, float* t, const float* s) { v.gelu(t, s, count); });
  row("gate_silu", set, count, x, [&](const Vector& v, float* t, const float* s) { v.gate_silu(t, s, y, count); });
  row("gate_gelu", set, count, x, [&](const Vector& v, float* t, const float* s) { v.gate_gelu(t, s, y, count); });
  for (int k = 0; k < 4; ++k) {
    const float* weight = k & 1 ? y : nullptr;
    const float* bias = k & 2 ? z : nullptr;
    row("rms_norm", set, count, x,
        [&](const Vector& v, float* t, const float* s) { v.rms_norm(t, s, weight, 1e-6f, count); });
    row("layer_norm", set, count, x,
        [&](const Vector& v, float* t, const float* s) { v.layer_norm(t, s, weight, bias, 1e-5f, count); });
  }
  const auto copy = [&](float* t) { memcpy(t, x, count / 2 * 2 * sizeof(float)); };
  row("rotate_neighbours", set, count / 2 * 2, nullptr,
      [&](const Vector& v, float* t, const float*) { copy(t), v.rotate_neighbours(t, y, z, count / 2); });
  row("rotate_halves", set, count / 2 * 2, nullptr,
      [&](const Vector& v, float* t, const float*) { copy(t), v.rotate_halves(t, y, z, count / 2); });
  for (size_t i = 0; i < count; ++i) halves[i] = static_cast<uint16_t>(next());
  row("half_to_float", set, count, nullptr,
      [&](const Vector& v, float* t, const float*) { v.half_to_float(t, halves, count); });
  expected_halves[count] = found_halves[count] = 4711;
  ref.float_to_half(expected_halves, x, count);
  own.float_to_half(found_halves, x, count);
  for (size_t i = 0; i <= count; ++i) {
    if (expected_halves[i] != found_halves[i]) fail("float_to_half", set.name, i, expected_halves[i], found_halves[i]);
  }
  attend(set, kind);
}

}  // namespace

int main(int count, char** arguments) {
  seed = count > 1 ? strtoul(arguments[1], nullptr, 10) : 1;
  const unsigned long rounds = count > 2 ? strtoul(arguments[2], nullptr, 10) : 3000;
  state = seed * 0x9e3779b97f4a7c15u + 1;
  printf("seed %lu, %lu rounds:", seed, rounds);
  for (const Set& set : kSets) printf(" %s%s", set.name, set.available ? "" : " (not here)");
  puts("");
  for (round_number = 0; round_number < rounds; ++round_number) {
    const unsigned kind = static_cast<unsigned>(next() % 4);
    for (size_t i = 0; i < kMost; ++i) a[i] = random_float(kind), b[i] = random_float(kind), c[i] = random_float(kind);
    for (float& x : blocks) x = random_float(kind);
    for (float& x : pairs) x = random_float(kind);
    const size_t shift = next() % 4, length = 1 + next() % (kMost - 4);
    for (const Set& set : kSets) {
      if (set.available) try_set(set, kind, length, shift);
    }
  }
  puts("every function the same");
}
