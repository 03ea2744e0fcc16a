// What a forward pass computes besides products with weights, over rows of float32: norms, activations, rotations,
// softmax and attention. Each function has one order of float operations, without fused multiply-add and without libm,
// so that every instruction set returns the bits of the scalar reference (vector/ref.cc), which is the specification.
//
// Absent on purpose: weights in quantized formats (kernels/product), threads, memory of its own.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace qs {

// Positions of a block of keys and values, and of a page of the cache.
constexpr size_t kBlockPositions = 32;

// Value columns of a block are padded to a multiple of this, the most lanes that an instruction set has.
constexpr size_t kPadding = 16;

constexpr size_t padded(size_t columns) { return (columns + kPadding - 1) / kPadding * kPadding; }

// One query head on its way through the blocks of its sequence, first to last. In between, `mixed` is the sum of values
// seen so far by exp(score - largest), and `total` the sum of those weights; at the end their quotient is the result.
struct AttentionQuery {
  const float* row;     // key_width values
  float* mixed;         // padded value columns; 0 at first
  float largest;        // score; -FLT_MAX at first
  float total;          // 0 at first
  uint32_t begin, end;  // positions of the block that it may see, one at least
};

// Keys and values of one key/value head at 32 positions that follow one another. Values of positions that no query may
// see are not read, and what keys are there does not matter.
//
//   keys    column 0 at positions 0 .. 31, column 1 at positions 0 .. 31, …
//   values  padded columns of position 0, of position 1, …
struct AttentionBlock {
  const float* keys;
  const float* values;
  size_t key_width;
  size_t value_columns;  // a multiple of kPadding
  float scale;
  float cap;  // scores become cap * tanh(score / cap); 0: they do not
};

struct Vector {
#define FUNCTION(name, result, arguments) result(*name) arguments;
#include "vector/functions.inc"
#undef FUNCTION
};

// The table of an instruction set, an index as in include/kernels.h, or the best one this processor has.
const Vector& vector_of(int32_t isa);

}  // namespace qs
