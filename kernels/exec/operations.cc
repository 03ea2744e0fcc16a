#include "exec/operations.h"

#include "exec/math.h"

namespace qs {

namespace {

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

void rope(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[1]), width = static_cast<size_t>(o[2]);
  const float* constants = run.program.constants + o[4];
  const size_t pairs = static_cast<size_t>(constants[0]);
  const float* frequencies = constants + 1;
  const float magnitude = o.number(5);
  // Pair i is (2i, 2i + 1) or (i, i + pairs).
  const size_t step = o[3] == 0 ? 2 : 1, distance = o[3] == 0 ? 1 : pairs;
  each_token(run, [&](size_t token) {
    const double position = static_cast<double>(run.positions[token]);
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

// Rows move towards the front, so in ascending order none is overwritten before it is read: all are one part.
void wanted(const Step& o, Run& run) {
  each_part(run, 1, 1, [&](size_t, size_t) {
    size_t target = 0;
    for (size_t token = 0; token < run.count; ++token) {
      if (run.wanted && run.wanted[token]) {
        __builtin_memmove(run.row(o[0], target++), run.row(o[1], token), run.columns(o[0]) * sizeof(float));
      }
    }
  });
  run.rows = run.outputs;
}

}  // namespace

size_t scratch_columns(const Program& program, const qs_weight* weights, size_t weight_count) {
  size_t most = product_scratch(program);
  for (size_t i = 0; i < weight_count; ++i) most = weights[i].columns > most ? weights[i].columns : most;
  Step step = {program.code};
  for (int32_t i = 0; i < program.header->operations; ++i, step = step.next()) {
    if (step.operation() != ATTENTION) continue;
    const size_t needed = attention_scratch(step, program);
    most = needed > most ? needed : most;
  }
  return most;
}

void run_operation(const Step& step, Run& run) {
  // Only neighbours share a prepared input: whatever lies between may have written the slot.
  if (step.operation() != MATMUL && step.operation() != EXPERTS) run.prepared_slot = -1;
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
    default:  // LOGITS: they lie in the caller's buffer already
      break;
  }
}

}  // namespace qs
