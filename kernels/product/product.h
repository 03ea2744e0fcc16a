// Products of rows of weights with prepared inputs: what a forward pass spends its time on. One function per type and
// instruction set (kernels.inc); ref.cc is the specification, and every other one gives the same bits:
//
//   Inside a unit (32 or 256 weights) everything is integers and exact, so the order does not matter. A unit's sum then
//   becomes one float product, and these are added in the order of the units, without fused multiply-add. Float weights
//   are summed in sixteen partial sums, weight i in sum i mod 16, folded 8, 4, 2, 1.
//
// So a result depends neither on how many rows or inputs are computed together nor on the instruction set, and a
// token's logits are the same whether it was computed alone or in a batch.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace qs {

// One input with its output: `output[r]` is the product of row r (of the matrix, not of the job) with `input`, which
// prepare_input has written.
struct ProductLane {
  const void* input;
  float* output;
};

struct ProductJob {
  const uint8_t* weights;  // the matrix
  size_t row_bytes;
  size_t columns;
  size_t begin, end;  // rows to compute
  const ProductLane* lanes;
  size_t lane_count;
  void* scratch;  // kProductScratch bytes, aligned to 64
};

constexpr size_t kProductScratch = 64 * 1024;
constexpr size_t kProductRows = 16;  // rows that a job is best made of, or a multiple

using Product = void (*)(const ProductJob& job);
using PrepareInput = void (*)(const float* values, size_t columns, void* row);

struct ProductKernel {
  Product multiply;
  PrepareInput prepare;  // `row` takes `columns` floats of memory
  const char* isa;       // whose code it is
};

// The kernel of a type (ggml's number, one that qs_type_id knows) for an instruction set, as qs_isa numbers them.
ProductKernel product_kernel(int32_t type, size_t isa);

}  // namespace qs
