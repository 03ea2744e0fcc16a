// Products of activations with weights: embeddings, matrices, and the matrices of chosen experts. The arithmetic is
// kernels/product; here is which rows and inputs each thread computes.
#include "exec/operations.h"

namespace qs {

namespace {

// Bytes of a row, as check_weights has made sure they are.
size_t row_bytes(const qs_weight& w) { return static_cast<size_t>(w.bytes / w.rows / w.slices); }

// A thread's scratch during a product: that of the kernel, then the lanes.
ProductLane* lanes_of(const Run& run) {
  return reinterpret_cast<ProductLane*>(reinterpret_cast<uint8_t*>(run.scratch) + kProductScratch);
}

// Prepares `blocks` rows of `columns` values per token for a kernel, unless the operation before has done just that.
void prepare(Run& run, const ProductKernel& kernel, int32_t slot, size_t columns, size_t blocks) {
  if (run.prepared_slot == slot && run.prepared_by == kernel.prepare) return;
  each_token(run, [&](size_t token) {
    for (size_t b = 0; b < blocks; ++b) {
      kernel.prepare(run.row(slot, token) + b * columns, columns, run.rounded + (token * blocks + b) * columns);
    }
  });
  run.prepared_slot = slot;
  run.prepared_by = kernel.prepare;
}

// Rows handed to a thread at once: several parts per thread, so that one that started late does not hold up all, of
// at most a few milliseconds.
size_t rows_of_part(const Run& run, size_t rows) {
  const size_t share = rows / (run.threads * 4) / kProductRows * kProductRows;
  return share < kProductRows ? kProductRows : share > 16 * kProductRows ? 16 * kProductRows : share;
}

}  // namespace

void embed(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[1]];
  const float factor = o.number(2);
  const size_t bytes = row_bytes(w);
  each_token(run, [&](size_t token) {
    const uint8_t* source = static_cast<const uint8_t*>(w.data) + static_cast<size_t>(run.tokens[token]) * bytes;
    float* target = run.row(o[0], token);
    qs_dequantize_rows(w.type, source, bytes, target, w.columns * sizeof(float), 1, w.columns, run.isa);
    for (size_t i = 0; i < w.columns; ++i) target[i] *= factor;
  });
}

void matmul(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[2]];
  const float* bias = run.vector(o[3]);
  const ProductKernel kernel = product_kernel(w.type, static_cast<size_t>(run.isa));
  prepare(run, kernel, o[1], w.columns, 1);
  ProductLane* lanes = lanes_of(run);
  for (size_t token = 0; token < run.rows; ++token) {
    lanes[token] = {run.rounded + token * w.columns, run.row(o[0], token)};
  }
  ProductJob job = {static_cast<const uint8_t*>(w.data), row_bytes(w), w.columns, 0, 0, lanes, run.rows, run.scratch};
  each_part(run, w.rows, rows_of_part(run, w.rows), [&](size_t begin, size_t end) {
    job.begin = begin;
    job.end = end;
    kernel.multiply(job);
    if (!bias) return;
    for (size_t token = 0; token < run.rows; ++token) {
      for (size_t r = begin; r < end; ++r) lanes[token].output[r] += bias[r];
    }
  });
}

void experts(const Step& o, Run& run) {
  const qs_weight& w = run.weights[o[3]];
  const size_t used = static_cast<size_t>(o[4]), blocks = run.columns(o[1]) / w.columns;
  const ProductKernel kernel = product_kernel(w.type, static_cast<size_t>(run.isa));
  prepare(run, kernel, o[1], w.columns, blocks);
  ProductLane* lanes = lanes_of(run);
  const size_t bytes = row_bytes(w), part = rows_of_part(run, w.rows), parts = (w.rows + part - 1) / part;
  // A part is some rows of one expert, multiplied with the inputs of all tokens that chose it.
  each_part(run, parts * w.slices, 1, [&](size_t at, size_t) {
    const size_t slice = at / parts, begin = at % parts * part, end = begin + part < w.rows ? begin + part : w.rows;
    size_t count = 0;
    for (size_t token = 0; token < run.rows; ++token) {
      const float* pairs = run.row(o[2], token);
      for (size_t k = 0; k < used; ++k) {
        if (pairs[2 * k] != static_cast<float>(slice)) continue;
        lanes[count++] = {run.rounded + (token * blocks + (blocks == 1 ? 0 : k)) * w.columns,
                          run.row(o[0], token) + k * w.rows};
      }
    }
    if (count == 0) return;
    kernel.multiply({static_cast<const uint8_t*>(w.data) + slice * w.rows * bytes, bytes, w.columns, begin, end, lanes,
                     count, run.scratch});
  });
}

size_t product_scratch(const Program& program) {
  size_t most = 0;
  Step step = {program.code};
  for (int32_t i = 0; i < program.header->operations; ++i, step = step.next()) {
    const size_t lanes = step.operation() == MATMUL    ? 1
                         : step.operation() == EXPERTS ? static_cast<size_t>(step[4])
                                                       : 0;
    most = lanes > most ? lanes : most;
  }
  const size_t bytes = kProductScratch + most * static_cast<size_t>(program.header->batch) * sizeof(ProductLane);
  return most == 0 ? 0 : bytes / sizeof(float);
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
