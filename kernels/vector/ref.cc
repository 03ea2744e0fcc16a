// The scalar reference of every vector function: their specification, operation by operation.
#include "quant/common.h"
#include "vector/constants.h"
#include "vector/vector.h"

namespace qs {

namespace {

// Sixteen partial sums, element i in sum i mod 16, folded 8, 4, 2, 1: every instruction set with 4, 8 or 16 lanes can
// do this order.
template <class Term>
float sum_of(size_t count, Term term) {
  float sums[16] = {};
  for (size_t i = 0; i < count; ++i) sums[i % 16] += term(i);
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) sums[j] += sums[j + width];
  }
  return sums[0];
}

float dot(const float* a, const float* b, size_t count) {
  return sum_of(count, [=](size_t i) { return a[i] * b[i]; });
}

float sum(const float* a, size_t count) {
  return sum_of(count, [=](size_t i) { return a[i]; });
}

void add(float* target, const float* a, const float* b, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = a[i] + b[i];
}

void scale(float* target, const float* a, float factor, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = a[i] * factor;
}

// `used` blocks of `count` values, weighted by the second number of each pair.
void mix(float* target, const float* blocks, const float* pairs, size_t used, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float total = 0.0f;
    for (size_t k = 0; k < used; ++k) total += blocks[k * count + i] * pairs[2 * k + 1];
    target[i] = total;
  }
}

// x = k ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 p(r); k is added to the exponent.
float exp_float(float x) {
  if (x != x) return x;
  if (x < kExpZero) return 0.0f;
  if (x > kExpInfinity) return float_of(0x7f800000u);
  const float shifted = x * kLog2E + kToInteger, k = shifted - kToInteger;
  const float r = (x - k * kLn2High) - k * kLn2Low;
  const float p = (((kExp6 * r + kExp5) * r + kExp4) * r + kExp3) * r + kExp2;
  return float_of(bits_of(1.0f + (r + r * r * p)) + (bits_of(shifted) << 23));
}

// 1 - 2 / (e^2|x| + 1) with the sign of x; near 0, where that would cancel, x + x^3 p(x^2).
float tanh_float(float x) {
  const float magnitude = __builtin_fabsf(x);
  if (magnitude < kTanhSmall) {
    const float z = x * x;
    const float p = (((kTanh11 * z + kTanh9) * z + kTanh7) * z + kTanh5) * z + kTanh3;
    return x + x * z * p;
  }
  const float large = 1.0f - 2.0f / (exp_float(magnitude + magnitude) + 1.0f);
  return float_of(bits_of(large) | (bits_of(x) & 0x80000000u));
}

float silu_float(float x) { return x / (1.0f + exp_float(-x)); }

// The tanh form. Input and output are rounded to binary16, because llama.cpp looks it up in a table of those: with
// exact values the logits of the reference models differ by up to 1.8e-4 of their range. The float operations are those
// that llama.cpp fills its table with, and all its 65536 values come out the same.
float gelu_float(float x) {
  if (x < -10.0f || x == -10.0f) return 0.0f;
  if (x > 10.0f || x == 10.0f) return x;
  const float y = half_to_float(float_to_half(x));
  const float inner = kGeluScale * y * (1.0f + kGeluCube * y * y);
  return half_to_float(float_to_half(0.5f * y * (1.0f + tanh_float(inner))));
}

void exp(float* target, const float* a, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = exp_float(a[i]);
}

// exp(a - largest), and the sum of those.
float exp_below(float* target, const float* a, float largest, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = exp_float(a[i] - largest);
  return sum(target, count);
}

void soft_cap(float* target, const float* a, float cap, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = cap * tanh_float(a[i] / cap);
}

void silu(float* target, const float* a, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = silu_float(a[i]);
}

void gelu(float* target, const float* a, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = gelu_float(a[i]);
}

void gate_silu(float* target, const float* a, const float* b, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = silu_float(a[i]) * b[i];
}

void gate_gelu(float* target, const float* a, const float* b, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = gelu_float(a[i]) * b[i];
}

// No weight is one of 1, no bias one of 0.
void rms_norm(float* target, const float* a, const float* weight, float epsilon, size_t count) {
  const float mean = dot(a, a, count) / static_cast<float>(count);
  const float factor = 1.0f / __builtin_sqrtf(mean + epsilon);
  for (size_t i = 0; i < count; ++i) target[i] = a[i] * factor * (weight ? weight[i] : 1.0f);
}

void layer_norm(float* target, const float* a, const float* weight, const float* bias, float epsilon, size_t count) {
  const float mean = sum(a, count) / static_cast<float>(count);
  for (size_t i = 0; i < count; ++i) target[i] = a[i] - mean;
  const float variance = dot(target, target, count) / static_cast<float>(count);
  const float factor = 1.0f / __builtin_sqrtf(variance + epsilon);
  for (size_t i = 0; i < count; ++i) {
    target[i] = target[i] * factor * (weight ? weight[i] : 1.0f) + (bias ? bias[i] : 0.0f);
  }
}

void rotate(float* x, float* y, float cosine, float sine) {
  const float a = *x, b = *y;
  *x = a * cosine - b * sine;
  *y = b * cosine + a * sine;
}

// Pairs (0, 1), (2, 3) …; cosines and sines have one value per pair.
void rotate_neighbours(float* row, const float* cosines, const float* sines, size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) rotate(row + 2 * i, row + 2 * i + 1, cosines[i], sines[i]);
}

// Pairs (0, pairs), (1, pairs + 1) …
void rotate_halves(float* row, const float* cosines, const float* sines, size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) rotate(row + i, row + pairs + i, cosines[i], sines[i]);
}

void half_to_float(float* target, const uint16_t* a, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = ::half_to_float(a[i]);
}

void float_to_half(uint16_t* target, const float* a, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = ::float_to_half(a[i]);
}

// One block more, for each query alone. Scores are sums in the order of the columns, mixed values in the order of the
// positions; so a query's result is the same whatever other queries are done with it, and wherever its block lies.
void attend(AttentionQuery* queries, size_t count, const AttentionBlock& block) {
  const float infinity = float_of(0x7f800000u);
  for (AttentionQuery* query = queries; query < queries + count; ++query) {
    float scores[kBlockPositions];
    float largest = query->largest;
    for (size_t p = 0; p < kBlockPositions; ++p) {
      float score = 0.0f;
      for (size_t i = 0; i < block.key_width; ++i) score += query->row[i] * block.keys[i * kBlockPositions + p];
      score *= block.scale;
      if (block.cap != 0.0f) score = block.cap * tanh_float(score / block.cap);
      scores[p] = p >= query->begin && p < query->end ? score : -infinity;
      largest = scores[p] > largest ? scores[p] : largest;
    }
    if (largest != query->largest) {
      const float factor = exp_float(query->largest - largest);
      query->largest = largest;
      query->total *= factor;
      scale(query->mixed, query->mixed, factor, block.value_columns);
    }
    query->total += exp_below(scores, scores, largest, kBlockPositions);
    for (size_t p = query->begin; p < query->end; ++p) {
      const float* values = block.values + p * block.value_columns;
      for (size_t i = 0; i < block.value_columns; ++i) query->mixed[i] += scores[p] * values[i];
    }
  }
}

}  // namespace

#define FUNCTION(name, result, arguments) name,
extern const Vector vector_ref;
const Vector vector_ref = {
#include "vector/functions.inc"
};

}  // namespace qs
