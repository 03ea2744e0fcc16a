// Products of weights that are floats: sixteen partial sums per row and input. With one input, rows of 1,536 in the
// second-level cache, F16 went from 15.0 to 44 GB/s (one thread, AMD Zen 3, AVX2), and from memory with two threads
// from 16.8 to 27: four rows instead of two, sums in registers, the rest of a row apart, memory asked for ahead. Many
// inputs stayed where they were (53 GOP/s), and tiles of 256 or 512 columns were slower.
#pragma once

#include "product/rows-inl.h"

namespace {

using qs::ProductLane;

// A block of rows x inputs keeps its sixteen partial sums per product in scratch between tiles of columns: 24 inputs of
// 1,024 floats (96 KB) stay in the second-level cache while the rows pass by.
constexpr size_t kFloatLanes = 24, kFloatColumns = 1024;
constexpr size_t kFloatRows = Lanes::float_rows, kFloatGroup = Lanes::float_group;
template <class L>  // the lanes of few inputs may differ from those of many
constexpr size_t kVectors = 16 / L::float_lanes;
static_assert(qs::kProductRows * kFloatLanes * 16 * sizeof(float) <= qs::kProductScratch, "the sums must fit");

// The rest of a row followed by zeros. A sum is never -0, so adding 0 changes none.
template <class Value>
struct Sixteen {
  alignas(64) Value values[16];

  void set(const Value* rest, size_t count) {
    __builtin_memset(static_cast<void*>(values), 0, sizeof values);
    __builtin_memcpy(static_cast<void*>(values), rest, count * sizeof(Value));
  }
};

// Adds the products of columns `from` .. `to`; `before` is called before each sixteen. The sums are this function's own
// while it runs, so that they stay in registers.
template <class L, class Format, size_t rows, size_t count, class Before>
void add_floats(const typename Format::Block* const* weights, const float* const* x, size_t from, size_t to,
                typename L::F* sums, const Before& before) {
  constexpr size_t all = rows * count * kVectors<L>;
  typename L::F own[all];
  unrolled<all>([&](auto i) { own[i] = sums[i]; });
  const auto add = [&](const auto& weights_of, const auto& values_of) __attribute__((always_inline)) {
    unrolled<kVectors<L>>([&](auto v) __attribute__((always_inline)) {
      typename L::F row_vectors[rows];
      for (size_t r = 0; r < rows; ++r) row_vectors[r] = L::load_weights(weights_of(r) + v * L::float_lanes);
      for (size_t k = 0; k < count; ++k) {
        const typename L::F vector = L::load(values_of(k) + v * L::float_lanes);
        for (size_t r = 0; r < rows; ++r) {
          typename L::F& sum = own[(r * count + k) * kVectors<L> + v];
          sum = L::add(sum, L::mul(row_vectors[r], vector));
        }
      }
    });
  };
  size_t c = from;
  for (; c + 16 <= to; c += 16) {
    before();
    add([&](size_t r) { return weights[r] + c; }, [&](size_t k) { return x[k] + c; });
  }
  if (c < to) {
    Sixteen<typename Format::Block> row_rest[rows];
    Sixteen<float> x_rest[count];
    for (size_t r = 0; r < rows; ++r) row_rest[r].set(weights[r] + c, to - c);
    for (size_t k = 0; k < count; ++k) x_rest[k].set(x[k] + c, to - c);
    add([&](size_t r) { return row_rest[r].values; }, [&](size_t k) { return x_rest[k].values; });
  }
  unrolled<all>([&](auto i) { sums[i] = own[i]; });
}

template <class Format, size_t rows, size_t count>
void few_floats(const ProductJob& job, size_t row) {
  using Block = typename Format::Block;
  const Block* weights[rows];
  const float* x[count];
  for (size_t r = 0; r < rows; ++r) {
    weights[r] = reinterpret_cast<const Block*>(job.weights + (row + r) * job.row_bytes);
  }
  for (size_t k = 0; k < count; ++k) x[k] = static_cast<const float*>(job.lanes[k].input);
  Ahead ahead(job.weights + row * job.row_bytes, rows * job.row_bytes);
  Few::F sums[rows * count * kVectors<Few>];
  for (Few::F& sum : sums) sum = Few::set(0.0f);
  add_floats<Few, Format, rows, count>(weights, x, 0, job.columns, sums,
                                       [&] { ahead.template step<rows * 16 * sizeof(Block)>(); });
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < count; ++k) {
      job.lanes[k].output[row + r] = Few::fold_16(sums + (r * count + k) * kVectors<Few>);
    }
  }
}

// As many rows at a time as have their sums in registers. WebAssembly generates 10.1 tokens/s with two rows and 8.5
// with four (F16, two layers of the 0.5B shape, one thread).
template <class Format, size_t count>
void few_rows_of_floats(const ProductJob& job) {
  constexpr size_t kRows = Few::float_sums / (kVectors<Few> * count);
  size_t row = job.begin;
  for (; row + kRows <= job.end; row += kRows) few_floats<Format, kRows, count>(job, row);
  for (; row < job.end; ++row) few_floats<Format, 1, count>(job, row);
}

// One tile of columns for some rows and inputs; `stored` has the sums of input k of row r at (r * kFloatLanes + k)
// * 16.
template <class Format, size_t rows, size_t count>
void tile_floats(const ProductJob& job, size_t row, const ProductLane* lanes, size_t from, size_t to, float* stored) {
  const typename Format::Block* weights[rows];
  const float* x[count];
  Lanes::F sums[rows * count * kVectors<Lanes>];
  for (size_t r = 0; r < rows; ++r) {
    weights[r] = reinterpret_cast<const typename Format::Block*>(job.weights + (row + r) * job.row_bytes);
    for (size_t k = 0; k < count; ++k) {
      x[k] = static_cast<const float*>(lanes[k].input);
      for (size_t v = 0; v < kVectors<Lanes>; ++v) {
        const float* at = stored + (r * kFloatLanes + k) * 16 + v * Lanes::float_lanes;
        sums[(r * count + k) * kVectors<Lanes> + v] = from == 0 ? Lanes::set(0.0f) : Lanes::load(at);
      }
    }
  }
  add_floats<Lanes, Format, rows, count>(weights, x, from, to, sums, [] {});
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < count; ++k) {
      const Lanes::F* sum = sums + (r * count + k) * kVectors<Lanes>;
      if (to == job.columns) {
        lanes[k].output[row + r] = Lanes::fold_16(sum);
      } else {
        for (size_t v = 0; v < kVectors<Lanes>; ++v) {
          Lanes::store(stored + (r * kFloatLanes + k) * 16 + v * Lanes::float_lanes, sum[v]);
        }
      }
    }
  }
}

// The same for `count` inputs, `most` at most.
template <class Format, size_t rows, size_t most = kFloatGroup>
void tile_group(const ProductJob& job, size_t row, size_t lane, size_t count, size_t from, size_t to, float* stored) {
  if constexpr (most > 1) {
    if (count < most) return tile_group<Format, rows, most - 1>(job, row, lane, count, from, to, stored);
  }
  tile_floats<Format, rows, most>(job, row, job.lanes + lane, from, to, stored);
}

template <class Format>
void many_floats(const ProductJob& job) {
  float* stored = static_cast<float*>(job.scratch);
  for (size_t first = job.begin; first < job.end; first += qs::kProductRows) {
    const size_t last = job.end - first < qs::kProductRows ? job.end : first + qs::kProductRows;
    for (size_t lane = 0; lane < job.lane_count; lane += kFloatLanes) {
      const size_t lane_end = job.lane_count - lane < kFloatLanes ? job.lane_count : lane + kFloatLanes;
      for (size_t from = 0; from < job.columns; from += kFloatColumns) {
        const size_t to = job.columns - from < kFloatColumns ? job.columns : from + kFloatColumns;
        for (size_t row = first, rows; row < last; row += rows) {
          rows = last - row < kFloatRows ? 1 : kFloatRows;
          for (size_t k = lane; k < lane_end; k += kFloatGroup) {
            float* sums = stored + ((row - first) * kFloatLanes + (k - lane)) * 16;
            const size_t count = lane_end - k < kFloatGroup ? lane_end - k : kFloatGroup;
            if (rows == 1) {
              tile_group<Format, 1>(job, row, k, count, from, to, sums);
            } else {
              tile_group<Format, kFloatRows>(job, row, k, count, from, to, sums);
            }
          }
        }
      }
    }
  }
}

}  // namespace
