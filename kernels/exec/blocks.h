// What attention does with a block: up to 32 consecutive positions of one key/value head, `width` values each, one
// after another as the cache has them (exec/pages.h). Several query heads that share the head go through the block
// together. Written plainly; whatever is faster gives the same bits.
#pragma once

#include "exec/math.h"
#include "exec/pages.h"
#include "quant/q8_0.h"

namespace qs {
namespace {

// Writes a row into the cache.
inline void store_row(int32_t cache_type, const float* source, size_t width, void* row) {
  if (cache_type == kCacheQ8_0) {
    quantize_row_q8_0_ref(source, static_cast<block_q8_0*>(row), width, nullptr);
  } else if (cache_type == kCacheF16) {
    uint16_t* target = static_cast<uint16_t*>(row);
    for (size_t i = 0; i < width; ++i) target[i] = float_to_half(source[i]);
  } else {
    __builtin_memcpy(row, source, width * sizeof(float));
  }
}

// Value `i` of a row of the cache.
inline float cached_value(int32_t cache_type, const void* row, size_t i) {
  if (cache_type == kCacheF32) return static_cast<const float*>(row)[i];
  if (cache_type == kCacheF16) return half_to_float(static_cast<const uint16_t*>(row)[i]);
  const block_q8_0& block = static_cast<const block_q8_0*>(row)[i / 32];
  return static_cast<float>(block.codes[i % 32]) * half_to_float(block.d);
}

// scores[q * stride + p] = query q . key p, summed in the order of dot() (exec/math.h).
inline void score_block(int32_t cache_type, const float* queries, size_t query_count, const void* keys, size_t count,
                        size_t width, float* scores, size_t stride) {
  const uint8_t* row = static_cast<const uint8_t*>(keys);
  for (size_t p = 0; p < count; ++p, row += cached_row_bytes(cache_type, width)) {
    for (size_t q = 0; q < query_count; ++q) {
      const float* query = queries + q * width;
      scores[q * stride + p] = dot_of(width, [&](size_t i) { return query[i] * cached_value(cache_type, row, i); });
    }
  }
}

// Scores become shares: softmax of score * scale, softly capped where cap is not 0.
inline void share_out(float* scores, size_t count, float scale, float cap) {
  float largest = -__FLT_MAX__;
  for (size_t i = 0; i < count; ++i) {
    float score = scores[i] * scale;
    if (cap != 0.0f) score = cap * tanh_float(score / cap);
    scores[i] = score;
    if (score > largest) largest = score;
  }
  double total = 0.0;
  for (size_t i = 0; i < count; ++i) {
    scores[i] = exp_float(scores[i] - largest);
    total += static_cast<double>(scores[i]);
  }
  const float factor = static_cast<float>(1.0 / total);
  for (size_t i = 0; i < count; ++i) scores[i] *= factor;
}

// targets[q * width + i] += shares[q * stride + p] * value p, position after position.
inline void mix_block(int32_t cache_type, const float* shares, size_t stride, size_t query_count, const void* values,
                      size_t count, size_t width, float* targets) {
  const uint8_t* row = static_cast<const uint8_t*>(values);
  for (size_t p = 0; p < count; ++p, row += cached_row_bytes(cache_type, width)) {
    for (size_t q = 0; q < query_count; ++q) {
      const float share = shares[q * stride + p];
      float* target = targets + q * width;
      for (size_t i = 0; i < width; ++i) target[i] += share * cached_value(cache_type, row, i);
    }
  }
}

}  // namespace
}  // namespace qs
