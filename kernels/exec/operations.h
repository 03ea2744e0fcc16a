// The operations of a program, one function each: which rows each thread computes with the functions of vector/ and
// product/. Every thread of the session calls them, and each_part and each_token share the work out; a part is whole
// outputs, so no result depends on how many threads there are. All that writes to shared memory is in parts. Nothing is
// checked here: exec/verify.cc has.
#pragma once

#include "exec/pages.h"
#include "exec/threads.h"
#include "exec/turns.h"
#include "include/kernels.h"
#include "product/product.h"
#include "vector/vector.h"

namespace qs {

// What one step works on. Shared by its threads, but for `rows` and the last four, which each has for itself.
struct Run {
  const Program& program;
  const qs_weight* weights;
  float* const* slots;   // memory of the slots that own theirs; the one of the logits is the caller's buffer
  uint8_t* const* keys;  // per layer, in pages (exec/pages.h)
  uint8_t* const* values;
  const Pages& pages;
  float* rounded;  // batch x rounded_columns(): the input of a product, prepared as its weights' type wants it
  const int32_t* tokens;
  const uint32_t* sequences;  // of each token
  const uint32_t* positions;  // of each token in its sequence
  const uint32_t* cells;      // of each token in the cache: page * 32 + position in it
  const uint8_t* wanted;      // of each token: whether its logits are
  size_t count;               // tokens of this step
  size_t outputs;             // how many are wanted
  size_t rows;                // tokens that operations work on: count, and outputs after WANTED
  int32_t isa;                // whose kernels compute: an index of include/kernels.h
  const Turns& turns;
  const Vector& vectors;
  Meeting* meeting;
  uint32_t threads;
  uint32_t phase;              // the number of the next each_part
  float* scratch;              // scratch_columns() floats of this thread's own
  int32_t prepared_slot = -1;  // what `rounded` holds: the rows of this slot, as this function writes them
  PrepareInput prepared_by = nullptr;

  size_t columns(int32_t slot) const { return static_cast<size_t>(program.slots[slot].columns); }
  // The row of a token in a slot.
  float* row(int32_t slot, size_t token) const {
    const Slot& s = program.slots[slot];
    return slots[s.base] + token * columns(s.base) + static_cast<size_t>(s.offset);
  }
  const float* vector(int32_t weight) const {
    return weight < 0 ? nullptr : static_cast<const float*>(weights[weight].data);
  }
};

// Floats a thread needs for itself: a row of the widest weight, the blocks and queries of attention, and the like.
size_t scratch_columns(const Program& program, const qs_weight* weights, size_t weight_count);

// Floats a thread needs for itself during a product.
size_t product_scratch(const Program& program);
// Floats a thread needs for itself during this attention.
size_t attention_scratch(const Step& o, const Program& program);

// The widest input of a product.
size_t rounded_columns(const Program& program);

// Calls `work(begin, end)` for parts of 0 .. count, on whichever thread is free, and returns when all are done. A step
// that is cancelled skips the parts that are left, so a part should be work for a few milliseconds at most.
template <class Work>
void each_part(Run& run, size_t count, size_t part, Work work) {
  while (count / part >= 1u << 30) part *= 2;
  // At least one, which may be empty: a phase ends when its last part does.
  const size_t parts = count == 0 ? 1 : (count + part - 1) / part;
  run.meeting->run(run.phase++, static_cast<uint32_t>(parts), run.threads, [&](uint32_t at) {
    const size_t begin = at * part, end = begin + part < count ? begin + part : count;
    if (begin < end) work(begin, end);
  });
}

// Calls `work(token)` for the tokens that operations work on.
template <class Work>
void each_token(Run& run, Work work) {
  // Four parts a thread: enough that one which comes late does not keep the others.
  const size_t part = run.rows / (4 * run.threads) + 1;
  each_part(run, run.rows, part, [&](size_t begin, size_t end) {
    for (size_t token = begin; token < end; ++token) work(token);
  });
}

// The operations that have files of their own: products.cc and attention.cc.
void embed(const Step& o, Run& run);
void matmul(const Step& o, Run& run);
void experts(const Step& o, Run& run);
void store(const Step& o, Run& run);
void attention(const Step& o, Run& run);

// Floats a thread needs for itself during this attention.
size_t attention_scratch(const Step& o, const Program& program);

// Runs one operation.
void run_operation(const Step& step, Run& run);

}  // namespace qs
