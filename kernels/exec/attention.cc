// Keys and values of a layer: storing them, and attending to them.
#include "exec/math.h"
#include "exec/operations.h"

namespace qs {

namespace {

void store_row(bool half, void* cache, size_t position, const float* source, size_t columns) {
  if (!half) {
    __builtin_memcpy(static_cast<float*>(cache) + position * columns, source, columns * sizeof(float));
    return;
  }
  uint16_t* target = static_cast<uint16_t*>(cache) + position * columns;
  for (size_t i = 0; i < columns; ++i) target[i] = float_to_half(source[i]);
}

// `width` values of a cached row from `offset` on, as float32: where they lie, or converted into `scratch`.
const float* cached(bool half, const void* cache, size_t at, size_t width, float* scratch) {
  if (!half) return static_cast<const float*>(cache) + at;
  const uint16_t* source = static_cast<const uint16_t*>(cache) + at;
  for (size_t i = 0; i < width; ++i) scratch[i] = half_to_float(source[i]);
  return scratch;
}

}  // namespace

void store(const Step& o, Run& run) {
  const bool half = run.program.header->cache_type == 1;
  each_token(run, [&](size_t token) {
    store_row(half, run.keys[o[0]], run.first + token, run.row(o[1], token), run.columns(o[1]));
    store_row(half, run.values[o[0]], run.first + token, run.row(o[2], token), run.columns(o[2]));
  });
}

namespace {

// One query head against the positions it may see.
void attend(const Step& o, Run& run, size_t token, size_t head) {
  const Layer& layer = run.program.layers[o[2]];
  const bool half = run.program.header->cache_type == 1;
  const size_t kv_heads = static_cast<size_t>(o[4]), shared = static_cast<size_t>(o[3]) / kv_heads;
  const size_t key_columns = static_cast<size_t>(layer.key_columns), key_width = key_columns / kv_heads;
  const size_t value_columns = static_cast<size_t>(layer.value_columns), value_width = value_columns / kv_heads;
  const float scale = o.number(5), cap = o.number(6);
  const size_t window = static_cast<size_t>(o[7]), position = run.first + token;
  const size_t begin = window != 0 && position >= window ? position - window + 1 : 0, seen = position + 1 - begin;
  float* scores = run.scratch;
  float* converted = scores + run.program.header->context;

  const float* query = run.row(o[1], token) + head * key_width;
  const size_t key_offset = head / shared * key_width, value_offset = head / shared * value_width;
  float largest = -__FLT_MAX__;
  for (size_t i = 0; i < seen; ++i) {
    const float* key = cached(half, run.keys[o[2]], (begin + i) * key_columns + key_offset, key_width, converted);
    float score = dot(query, key, key_width) * scale;
    if (cap != 0.0f) score = cap * tanh_float(score / cap);
    scores[i] = score;
    if (score > largest) largest = score;
  }
  double total = 0.0;
  for (size_t i = 0; i < seen; ++i) {
    scores[i] = exp_float(scores[i] - largest);
    total += static_cast<double>(scores[i]);
  }
  const float share = static_cast<float>(1.0 / total);
  float* target = run.row(o[0], token) + head * value_width;
  __builtin_memset(target, 0, value_width * sizeof(float));
  for (size_t i = 0; i < seen; ++i) {
    const float* value =
        cached(half, run.values[o[2]], (begin + i) * value_columns + value_offset, value_width, converted);
    const float weight = scores[i] * share;
    for (size_t j = 0; j < value_width; ++j) target[j] += weight * value[j];
  }
}

}  // namespace

void attention(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[3]);
  each_part(run, run.rows * heads, 1, [&](size_t at, size_t) { attend(o, run, at / heads, at % heads); });
}

}  // namespace qs
