#include "exec/operations.h"

#include "exec/math.h"
#include "exec/rounding.h"
#include "include/kernels.h"

namespace qs {

namespace {

// Calls `work(token)` for this thread's share of the tokens.
template <class Work>
void each_token(const Run& run, Work work) {
  for (size_t token = run.thread; token < run.rows; token += run.threads) work(token);
}

// Calls `work(begin, end)` for parts of 0 .. count, whoever is free taking the next.
template <class Work>
void each_part(const Run& run, size_t count, size_t part, Work work) {
  for (size_t begin; (begin = run.meeting->take() * part) < count;) {
    work(begin, begin + part < count ? begin + part : count);
  }
}

// Bytes of a row, as check_weights has made sure they are.
size_t row_bytes(const qs_weight& w) { return static_cast<size_t>(w.bytes / w.rows / w.slices); }

// A row of a weight as float32: where it lies, or decoded into `scratch`.
const float* weight_row(const qs_weight& w, size_t row, float* scratch) {
  const size_t bytes = row_bytes(w);
  const uint8_t* data = static_cast<const uint8_t*>(w.data) + row * bytes;
  if (w.type == 0) return reinterpret_cast<const float*>(data);
  qs_dequantize_rows(w.type, data, bytes, scratch, w.columns * sizeof(float), 1, w.columns, QS_ISA_BEST);
  return scratch;
}

void embed(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[1]];
  const float factor = o.number(2);
  each_token(run, [&](size_t token) {
    const float* source = weight_row(w, static_cast<size_t>(run.tokens[token]), run.scratch);
    float* target = run.row(o[0], token);
    for (size_t i = 0; i < w.columns; ++i) target[i] = source[i] * factor;
  });
}

void rms_norm(const Step& o, Run& run) {
  const float* weight = run.vector(o[2]);
  const size_t width = static_cast<size_t>(o[3]), columns = run.columns(o[0]);
  const float epsilon = o.number(4);
  each_token(run, [&](size_t token) {
    const float* source = run.row(o[1], token);
    float* target = run.row(o[0], token);
    for (size_t g = 0; g < columns; g += width) {
      const float mean = dot(source + g, source + g, width) / static_cast<float>(width);
      const float scale = 1.0f / __builtin_sqrtf(mean + epsilon);
      for (size_t i = 0; i < width; ++i) target[g + i] = source[g + i] * scale * (weight ? weight[i] : 1.0f);
    }
  });
}

void layer_norm(const Step& o, Run& run) {
  const float* weight = run.vector(o[2]);
  const float* bias = run.vector(o[3]);
  const size_t columns = run.columns(o[0]);
  const float epsilon = o.number(4);
  each_token(run, [&](size_t token) {
    const float* source = run.row(o[1], token);
    float* target = run.row(o[0], token);
    const float mean = sum(source, columns) / static_cast<float>(columns);
    for (size_t i = 0; i < columns; ++i) target[i] = source[i] - mean;
    const float variance = dot(target, target, columns) / static_cast<float>(columns);
    const float scale = 1.0f / __builtin_sqrtf(variance + epsilon);
    for (size_t i = 0; i < columns; ++i) {
      target[i] = target[i] * scale * (weight ? weight[i] : 1.0f) + (bias ? bias[i] : 0.0f);
    }
  });
}

// Rounds the rows of a product's input into run.rounded, `blocks` rows of `columns` per token.
void round_input(Run& run, int32_t slot, size_t columns, size_t blocks, int32_t type) {
  const Rounding rounding = rounding_for(type);
  each_token(run, [&](size_t token) {
    float* target = run.rounded + token * blocks * columns;
    __builtin_memcpy(target, run.row(slot, token), blocks * columns * sizeof(float));
    for (size_t b = 0; b < blocks; ++b) round_row(rounding, target + b * columns, columns);
  });
  run.meet();
}

constexpr size_t kRowsOfPart = 16;

void matmul(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[2]];
  const float* bias = run.vector(o[3]);
  round_input(run, o[1], w.columns, 1, w.type);
  each_part(run, w.rows, kRowsOfPart, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      const float* weights = weight_row(w, r, run.scratch);
      for (size_t token = 0; token < run.rows; ++token) {
        const float product = dot(weights, run.rounded + token * w.columns, w.columns);
        run.row(o[0], token)[r] = bias ? product + bias[r] : product;
      }
    }
  });
}

void rope(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[1]), width = static_cast<size_t>(o[2]);
  const float* constants = run.program.constants + o[4];
  const size_t pairs = static_cast<size_t>(constants[0]);
  const float* frequencies = constants + 1;
  const float magnitude = o.number(5);
  // Pair i is (2i, 2i + 1) or (i, i + pairs).
  const size_t step = o[3] == 0 ? 2 : 1, distance = o[3] == 0 ? 1 : pairs;
  each_token(run, [&](size_t token) {
    const double position = static_cast<double>(run.first + token);
    float* row = run.row(o[0], token);
    for (size_t i = 0; i < pairs; ++i) {
      const SinCos turn = sin_cos(position * static_cast<double>(frequencies[i]));
      const float sine = static_cast<float>(turn.sine) * magnitude;
      const float cosine = static_cast<float>(turn.cosine) * magnitude;
      for (size_t h = 0; h < heads; ++h) {
        float* a = row + h * width + i * step;
        float* b = a + distance;
        const float x = *a, y = *b;
        *a = x * cosine - y * sine;
        *b = x * sine + y * cosine;
      }
    }
  });
}

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

void store(const Step& o, Run& run) {
  const bool half = run.program.header->cache_type == 1;
  each_token(run, [&](size_t token) {
    store_row(half, run.keys[o[0]], run.first + token, run.row(o[1], token), run.columns(o[1]));
    store_row(half, run.values[o[0]], run.first + token, run.row(o[2], token), run.columns(o[2]));
  });
}

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

void attention(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[3]);
  each_part(run, run.rows * heads, 1, [&](size_t at, size_t) { attend(o, run, at / heads, at % heads); });
}

// o[0] = combine(o[1]), value by value.
template <class Combine>
void map(const Step& o, Run& run, Combine combine) {
  const size_t columns = run.columns(o[0]);
  each_token(run, [&](size_t token) {
    const float* a = run.row(o[1], token);
    float* target = run.row(o[0], token);
    for (size_t i = 0; i < columns; ++i) target[i] = combine(a[i]);
  });
}

// o[0] = combine(o[1], o[2]), value by value.
template <class Combine>
void zip(const Step& o, Run& run, Combine combine) {
  const size_t columns = run.columns(o[0]);
  each_token(run, [&](size_t token) {
    const float* a = run.row(o[1], token);
    const float* b = run.row(o[2], token);
    float* target = run.row(o[0], token);
    for (size_t i = 0; i < columns; ++i) target[i] = combine(a[i], b[i]);
  });
}

void gate(const Step& o, Run& run) {
  if (o[3] == 0)
    zip(o, run, [](float a, float b) { return silu(a) * b; });
  else
    zip(o, run, [](float a, float b) { return gelu(a) * b; });
}

void activate(const Step& o, Run& run) {
  if (o[2] == 0)
    map(o, run, silu);
  else
    map(o, run, gelu);
}

// Probabilities by softmax over all experts; the first of equals wins, as in a stable sort.
void route(const Step& o, Run& run) {
  const size_t used = static_cast<size_t>(o[2]), experts = static_cast<size_t>(o[3]);
  const bool normalize = o[4] == 1;
  const float scale = o.number(5);
  each_token(run, [&](size_t token) {
    const float* scores = run.row(o[1], token);
    float* pairs = run.row(o[0], token);
    float largest = scores[0];
    for (size_t e = 1; e < experts; ++e) largest = scores[e] > largest ? scores[e] : largest;
    double total = 0.0;
    for (size_t e = 0; e < experts; ++e) total += static_cast<double>(exp_float(scores[e] - largest));
    double chosen_total = 0.0;
    for (size_t k = 0; k < used; ++k) {
      size_t best = experts;
      for (size_t e = 0; e < experts; ++e) {
        bool taken = false;
        for (size_t j = 0; j < k; ++j) taken = taken || pairs[2 * j] == static_cast<float>(e);
        if (!taken && (best == experts || scores[e] > scores[best])) best = e;
      }
      pairs[2 * k] = static_cast<float>(best);
      pairs[2 * k + 1] = static_cast<float>(static_cast<double>(exp_float(scores[best] - largest)) / total);
      chosen_total += static_cast<double>(pairs[2 * k + 1]);
    }
    for (size_t k = 0; k < used; ++k) {
      const double weight = static_cast<double>(pairs[2 * k + 1]) / (normalize ? chosen_total : 1.0);
      pairs[2 * k + 1] = static_cast<float>(weight) * scale;
    }
  });
}

void experts(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[3]];
  const size_t used = static_cast<size_t>(o[4]), blocks = run.columns(o[1]) / w.columns;
  round_input(run, o[1], w.columns, blocks, w.type);
  // A part is some rows of one expert: each row is decoded once for all tokens that chose it.
  const size_t parts = (w.rows + kRowsOfPart - 1) / kRowsOfPart;
  each_part(run, parts * w.slices, 1, [&](size_t at, size_t) {
    const size_t slice = at / parts, begin = at % parts * kRowsOfPart;
    const size_t end = begin + kRowsOfPart < w.rows ? begin + kRowsOfPart : w.rows;
    for (size_t r = begin; r < end; ++r) {
      const float* weights = nullptr;
      for (size_t token = 0; token < run.rows; ++token) {
        const float* pairs = run.row(o[2], token);
        for (size_t k = 0; k < used; ++k) {
          if (pairs[2 * k] != static_cast<float>(slice)) continue;
          if (!weights) weights = weight_row(w, slice * w.rows + r, run.scratch);
          const float* input = run.rounded + (token * blocks + (blocks == 1 ? 0 : k)) * w.columns;
          run.row(o[0], token)[k * w.rows + r] = dot(weights, input, w.columns);
        }
      }
    }
  });
}

void mix(const Step& o, Run& run) {
  const size_t used = static_cast<size_t>(o[3]), columns = run.columns(o[0]);
  each_token(run, [&](size_t token) {
    const float* blocks = run.row(o[1], token);
    const float* pairs = run.row(o[2], token);
    float* target = run.row(o[0], token);
    for (size_t i = 0; i < columns; ++i) {
      float total = 0.0f;
      for (size_t k = 0; k < used; ++k) total += blocks[k * columns + i] * pairs[2 * k + 1];
      target[i] = total;
    }
  });
}

// Rows move towards the front, so in ascending order none is overwritten before it is read; one thread does it.
void wanted(const Step& o, Run& run) {
  if (run.thread == 0) {
    for (size_t token = 0; token < run.outputs; ++token) {
      __builtin_memmove(run.row(o[0], token), run.row(o[1], run.count - run.outputs + token),
                        run.columns(o[0]) * sizeof(float));
    }
  }
  run.rows = run.outputs;
}

void logits(const Step& o, Run& run) {
  const size_t columns = run.columns(o[0]);
  each_token(run, [&](size_t token) {
    __builtin_memcpy(run.logits + token * columns, run.row(o[0], token), columns * sizeof(float));
  });
}

}  // namespace

size_t scratch_columns(const Program& program, const qs_weight* weights, size_t weight_count) {
  size_t most = 0;
  for (size_t i = 0; i < weight_count; ++i) most = weights[i].columns > most ? weights[i].columns : most;
  for (int32_t i = 0; i < program.header->layers; ++i) {
    const Layer& layer = program.layers[i];
    const size_t widest =
        static_cast<size_t>(layer.key_columns > layer.value_columns ? layer.key_columns : layer.value_columns);
    const size_t needed = static_cast<size_t>(program.header->context) + widest;
    most = needed > most ? needed : most;
  }
  return most;
}

size_t rounded_columns(const Program& program) {
  size_t most = 0;
  Step step = {program.code};
  for (int32_t i = 0; i < program.header->operations; ++i, step = step.next()) {
    if (step.operation() != MATMUL && step.operation() != EXPERTS) continue;
    const size_t columns = static_cast<size_t>(program.slots[step[1]].columns);
    most = columns > most ? columns : most;
  }
  return most;
}

void run_operation(const Step& step, Run& run) {
  switch (step.operation()) {
    case EMBED:
      embed(step, run);
      break;
    case RMS_NORM:
      rms_norm(step, run);
      break;
    case LAYER_NORM:
      layer_norm(step, run);
      break;
    case MATMUL:
      matmul(step, run);
      break;
    case ROPE:
      rope(step, run);
      break;
    case STORE:
      store(step, run);
      break;
    case ATTENTION:
      attention(step, run);
      break;
    case ADD:
      zip(step, run, [](float a, float b) { return a + b; });
      break;
    case GATE:
      gate(step, run);
      break;
    case ACTIVATE:
      activate(step, run);
      break;
    case SCALE: {
      const float factor = step.number(2);
      map(step, run, [factor](float x) { return x * factor; });
      break;
    }
    case SOFT_CAP: {
      const float cap = step.number(2);
      map(step, run, [cap](float x) { return cap * tanh_float(x / cap); });
      break;
    }
    case ROUTE:
      route(step, run);
      break;
    case EXPERTS:
      experts(step, run);
      break;
    case MIX:
      mix(step, run);
      break;
    case WANTED:
      wanted(step, run);
      break;
    case LOGITS:
      logits(step, run);
      break;
    default:
      break;
  }
  run.meet();
}

}  // namespace qs
