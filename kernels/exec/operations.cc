#include "exec/operations.h"

namespace qs {

namespace {

void rms_norm(const Step& o, Run& run) {
  const float* weight = run.vector(o[2]);
  const size_t width = static_cast<size_t>(o[3]), columns = run.columns(o[0]);
  each_token(run, [&](size_t token) {
    const float* source = run.row(o[1], token);
    float* target = run.row(o[0], token);
    for (size_t g = 0; g < columns; g += width) {
      run.vectors.rms_norm(target + g, source + g, weight, o.number(4), width);
    }
  });
}

void layer_norm(const Step& o, Run& run) {
  const float* weight = run.vector(o[2]);
  const float* bias = run.vector(o[3]);
  each_token(run, [&](size_t token) {
    run.vectors.layer_norm(run.row(o[0], token), run.row(o[1], token), weight, bias, o.number(4), run.columns(o[0]));
  });
}

void rope(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[1]), width = static_cast<size_t>(o[2]);
  const size_t pairs = static_cast<size_t>(run.program.constants[o[4]]);
  const float magnitude = o.number(5);
  const auto rotate = o[3] == 0 ? run.vectors.rotate_neighbours : run.vectors.rotate_halves;
  each_token(run, [&](size_t token) {
    const float* cosines = run.turns.cosines(token) + o[4] + 1;
    const float* sines = run.turns.sines(token) + o[4] + 1;
    if (magnitude != 1.0f) {
      run.vectors.scale(run.scratch, cosines, magnitude, pairs);
      run.vectors.scale(run.scratch + pairs, sines, magnitude, pairs);
      cosines = run.scratch, sines = run.scratch + pairs;
    }
    for (size_t h = 0; h < heads; ++h) rotate(run.row(o[0], token) + h * width, cosines, sines, pairs);
  });
}

// o[0] = compute(o[1]), row by row.
template <class Compute>
void map(const Step& o, Run& run, Compute compute) {
  each_token(run, [&](size_t token) { compute(run.row(o[0], token), run.row(o[1], token), run.columns(o[0])); });
}

// o[0] = compute(o[1], o[2]), row by row.
template <class Compute>
void zip(const Step& o, Run& run, Compute compute) {
  each_token(run, [&](size_t token) {
    compute(run.row(o[0], token), run.row(o[1], token), run.row(o[2], token), run.columns(o[0]));
  });
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
    const float total = run.vectors.exp_below(run.scratch, scores, largest, experts);
    double chosen_total = 0.0;
    for (size_t k = 0; k < used; ++k) {
      size_t best = experts;
      for (size_t e = 0; e < experts; ++e) {
        bool taken = false;
        for (size_t j = 0; j < k; ++j) taken = taken || pairs[2 * j] == static_cast<float>(e);
        if (!taken && (best == experts || scores[e] > scores[best])) best = e;
      }
      pairs[2 * k] = static_cast<float>(best);
      pairs[2 * k + 1] = run.scratch[best] / total;
      chosen_total += static_cast<double>(pairs[2 * k + 1]);
    }
    for (size_t k = 0; k < used; ++k) {
      const double weight = static_cast<double>(pairs[2 * k + 1]) / (normalize ? chosen_total : 1.0);
      pairs[2 * k + 1] = static_cast<float>(weight) * scale;
    }
  });
}

void mix(const Step& o, Run& run) {
  const size_t used = static_cast<size_t>(o[3]);
  each_token(run, [&](size_t token) {
    run.vectors.mix(run.row(o[0], token), run.row(o[1], token), run.row(o[2], token), used, run.columns(o[0]));
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
  const size_t turns = 2 * static_cast<size_t>(program.header->constants);  // cosines and sines
  most = turns > most ? turns : most;
  for (size_t i = 0; i < weight_count; ++i) most = weights[i].columns > most ? weights[i].columns : most;
  Step step = {program.code};
  for (int32_t i = 0; i < program.header->operations; ++i, step = step.next()) {
    size_t needed = 0;
    if (step.operation() == ATTENTION) needed = attention_scratch(step, program);
    if (step.operation() == ROUTE) needed = static_cast<size_t>(step[3]);
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
      zip(step, run, run.vectors.add);
      break;
    case GATE:
      zip(step, run, step[3] == 0 ? run.vectors.gate_silu : run.vectors.gate_gelu);
      break;
    case ACTIVATE:
      map(step, run, step[2] == 0 ? run.vectors.silu : run.vectors.gelu);
      break;
    case SCALE:
      map(step, run, [&](float* target, const float* source, size_t columns) {
        run.vectors.scale(target, source, step.number(2), columns);
      });
      break;
    case SOFT_CAP:
      map(step, run, [&](float* target, const float* source, size_t columns) {
        run.vectors.soft_cap(target, source, step.number(2), columns);
      });
      break;
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
