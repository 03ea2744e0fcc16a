// A program as a view of its words (include/executor.h): where its parts begin, and nothing copied. Only what
// exec/verify.cc has passed may be run.
#pragma once

#include "include/executor.h"

namespace qs {

enum Operation : int32_t {
#define OPERATION(name, operands) name,
#include "exec/operations.inc"
#undef OPERATION
  kOperations
};

constexpr const char* kOperands[] = {
#define OPERATION(name, operands) operands,
#include "exec/operations.inc"
#undef OPERATION
};

inline size_t operand_count(int32_t operation) {
  size_t count = 0;
  while (kOperands[operation][count]) ++count;
  return count;
}

struct Header {
  int32_t magic, version, slots, constants, layers, operations, code_words;
  int32_t context, sequences, cells, batch, vocabulary, cache_type;
};

struct Slot {
  int32_t base, offset, columns;
};

struct Layer {
  int32_t key_columns, value_columns, heads;
};

struct Program {
  const Header* header;
  const Slot* slots;
  const Layer* layers;
  const float* constants;
  const int32_t* code;

  static Program of(const int32_t* words) {
    Program program;
    program.header = reinterpret_cast<const Header*>(words);
    program.slots = reinterpret_cast<const Slot*>(program.header + 1);
    program.layers = reinterpret_cast<const Layer*>(program.slots + program.header->slots);
    program.constants = reinterpret_cast<const float*>(program.layers + program.header->layers);
    program.code = reinterpret_cast<const int32_t*>(program.constants + program.header->constants);
    return program;
  }
};

// One operation: its operands as words, floats by their bits.
struct Step {
  const int32_t* word;

  int32_t operation() const { return word[0]; }
  int32_t operator[](size_t i) const { return word[1 + i]; }
  float number(size_t i) const { return __builtin_bit_cast(float, word[1 + i]); }
  Step next() const { return {word + 1 + operand_count(word[0])}; }
};

// The slot that the last operation, LOGITS, returns.
inline int32_t logits_slot(const Program& program) { return program.code[program.header->code_words - 1]; }

}  // namespace qs
