// Rows that are multiplied side by side, `Few::rows` of them.
#pragma once

#include "product/formats.h"
#include "product/product.h"

namespace {

using qs::ProductJob;

using Few = Lanes::Few;
constexpr size_t kR = Few::rows;

// Eight rows read side by side are no stream that a processor foresees, so what will be needed is asked for. Four rows
// generated 39.6 tokens/s of Q8_0 in the 0.5B shape with 8 KB ahead and 22.6 without; 1 KB gave 29.4, 4 KB 32.4, 16 KB
// 38.0. Rows are asked for one after another, so at least all kR rows must lie ahead.
constexpr size_t kAhead = 8192;

// Calls work(first row, bytes between rows, rows) for kR rows at a time. Those that are left at the end are computed
// together with some that were; fewer than kR rows one by one.
template <class Work>
void each_few(const ProductJob& job, const Work& work) {
  const size_t rows = job.end - job.begin < kR ? 1 : kR, stride = rows == 1 ? 0 : job.row_bytes;
  for (size_t row = job.begin; row < job.end; row += rows) {
    work(job.end - row < rows ? job.end - rows : row, stride, rows);
  }
}

// Asks for what will be needed later, as many bytes as are worked on in a step.
struct Ahead {
  const uint8_t* at;

  Ahead(const uint8_t* rows, size_t bytes) : at(rows + (bytes > kAhead ? bytes : kAhead)) {}

  template <size_t bytes>
  void step() {
#pragma GCC unroll 32
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i, 0, 3);
    at += bytes;
  }
};

}  // namespace
