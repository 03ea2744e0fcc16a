// Cosines and sines by which ROPE rotates, for every frequency and every token of a step: computed once when the step
// begins, not in each layer for keys and queries (512 tokens of 32 pairs take 1 ms so, and would take 48 ms in 24
// layers).
#pragma once

#include "exec/math.h"
#include "exec/program.h"

namespace qs {

struct Turns {
  size_t constants;
  uint8_t* frequency;  // per constant of the program: 1 if it is a frequency
  float* values;       // per token: cosines by constant, then sines by constant

  float* cosines(size_t token) const { return values + token * 2 * constants; }
  float* sines(size_t token) const { return cosines(token) + constants; }

  void start(const Program& program) {
    __builtin_memset(frequency, 0, constants);
    Step step = {program.code};
    for (int32_t i = 0; i < program.header->operations; ++i, step = step.next()) {
      if (step.operation() != ROPE) continue;
      const size_t at = static_cast<size_t>(step[4]);
      __builtin_memset(frequency + at + 1, 1, static_cast<size_t>(program.constants[at]));
    }
  }

  // The angle in double precision: at position 2^20 a float's would be off by 0.06.
  void turn(const Program& program, size_t token, uint32_t position) const {
    for (size_t i = 0; i < constants; ++i) {
      if (!frequency[i]) continue;
      const SinCos turn = sin_cos(static_cast<double>(position) * static_cast<double>(program.constants[i]));
      cosines(token)[i] = static_cast<float>(turn.cosine);
      sines(token)[i] = static_cast<float>(turn.sine);
    }
  }
};

}  // namespace qs
