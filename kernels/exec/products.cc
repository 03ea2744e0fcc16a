// Products of activations with weights: embeddings, matrices, and the matrices of chosen experts.
#include "exec/math.h"
#include "exec/operations.h"
#include "exec/rounding.h"
#include "include/kernels.h"

namespace qs {

namespace {

// Bytes of a row, as check_weights has made sure they are.
size_t row_bytes(const qs_weight& w) { return static_cast<size_t>(w.bytes / w.rows / w.slices); }

// A row of a weight as float32: where it lies, or decoded into the thread's scratch.
const float* weight_row(const Run& run, const qs_weight& w, size_t row) {
  const size_t bytes = row_bytes(w);
  const uint8_t* data = static_cast<const uint8_t*>(w.data) + row * bytes;
  if (w.type == 0) return reinterpret_cast<const float*>(data);
  qs_dequantize_rows(w.type, data, bytes, run.scratch, w.columns * sizeof(float), 1, w.columns, run.isa);
  return run.scratch;
}

}  // namespace

void embed(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[1]];
  const float factor = o.number(2);
  each_token(run, [&](size_t token) {
    const float* source = weight_row(run, w, static_cast<size_t>(run.tokens[token]));
    float* target = run.row(o[0], token);
    for (size_t i = 0; i < w.columns; ++i) target[i] = source[i] * factor;
  });
}

namespace {

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

}  // namespace

void matmul(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[2]];
  const float* bias = run.vector(o[3]);
  round_input(run, o[1], w.columns, 1, w.type);
  each_part(run, w.rows, kRowsOfPart, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      const float* weights = weight_row(run, w, r);
      for (size_t token = 0; token < run.rows; ++token) {
        const float product = dot(weights, run.rounded + token * w.columns, w.columns);
        run.row(o[0], token)[r] = bias ? product + bias[r] : product;
      }
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
          if (!weights) weights = weight_row(run, w, slice * w.rows + r);
          const float* input = run.rounded + (token * blocks + (blocks == 1 ? 0 : k)) * w.columns;
          run.row(o[0], token)[k * w.rows + r] = dot(weights, input, w.columns);
        }
      }
    }
  });
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

}  // namespace qs
