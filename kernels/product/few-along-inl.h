// Few inputs, along a row: the other way through a job with one or two inputs than few-rows-inl.h, for instruction sets
// that cannot ask for memory ahead. Rows follow each other in memory, so one after another they are the one stream that
// every processor foresees; side by side they are none, and WebAssembly waited for memory half of the time.
//
// With one input, rows of 1,536 weights from memory, one thread of Node 24 on AMD Zen 3, in GOP/s, rows side by side
// and along a row: Q4_0 13 and 25, Q5_0 9 and 12, Q8_0 12 and 18, Q4_K 18 and 24, Q6_K 7 and 21, IQ4_XS 9 and 14
// (kernels/bench/products.mjs, the best of alternating runs on a busy machine). Four units of 32 weights at a time: one
// by one, each would be folded alone. A unit of 256 is: it is folded once in 256 weights.
#pragma once

#include "product/formats.h"
#include "product/product.h"

namespace {

using qs::ProductJob;

// Adds the products of four units from `u` on.
template <class Format, size_t count>
[[gnu::always_inline]] inline void add_four(const typename Format::Block* blocks, size_t u, const Blocks32* x,
                                            float* totals) {
  const auto block = [&](size_t i) -> const typename Format::Block& { return blocks[(u + i) / Format::units]; };
  U8x32 codes[4];
  float d[4];
  unrolled<4>([&](auto i) __attribute__((always_inline)) {
    codes[i] = Format::template codes<Lanes>(block(i), (u + i) % Format::units);
    d[i] = scale_of<Format, Lanes>(block(i), (u + i) % Format::units);
  });
  const auto step = Lanes::four(d[0], d[1], d[2], d[3]);
  unrolled<count>([&](auto k) __attribute__((always_inline)) {
    const auto chunk = [&](size_t i) { return (u + i) / Format::parts; };
    Lanes::I sums[4];
    unrolled<4>([&](auto i) __attribute__((always_inline)) {
      sums[i] = Lanes::template dot_32<Format>(codes[i], x[k].codes + 32 * chunk(i));
    });
    // Two units of one chunk have its scale both.
    const float* s = x[k].scales;
    const auto scales =
        Format::parts == 1 ? Lanes::load_four(s + u) : Lanes::four(s[chunk(0)], s[chunk(1)], s[chunk(2)], s[chunk(3)]);
    const auto whole = Lanes::template fold_four<Format::offset>(sums, x[k].sums + u);
    const auto products = Lanes::mul_four(Lanes::mul_four(step, scales), whole);
    if constexpr (Format::has_minimum) {
      const auto m = Lanes::four(Lanes::half(block(0).m), Lanes::half(block(1).m), Lanes::half(block(2).m),
                                 Lanes::half(block(3).m));
      const auto more = Lanes::mul_four(Lanes::mul_four(m, scales), Lanes::to_floats(x[k].sums + u));
      unrolled<4>([&](auto i) __attribute__((always_inline)) {
        totals[k] = totals[k] + Lanes::template at<i>(products) + Lanes::template at<i>(more);
      });
    } else {
      unrolled<4>([&](auto i)
                      __attribute__((always_inline)) { totals[k] = totals[k] + Lanes::template at<i>(products); });
    }
  });
}

// The same for one unit, of those at the end of a row.
template <class Format, size_t count>
void add_one(const typename Format::Block* blocks, size_t u, const Blocks32* x, float* totals) {
  const auto& block = blocks[u / Format::units];
  const size_t chunk = u / Format::parts;
  const U8x32 codes = Format::template codes<Lanes>(block, u % Format::units);
  const float d = scale_of<Format, Lanes>(block, u % Format::units);
  for (size_t k = 0; k < count; ++k) {
    const int32_t sum = Lanes::fold(Lanes::template dot_32<Format>(codes, x[k].codes + 32 * chunk));
    const float scale = x[k].scales[chunk];
    totals[k] = totals[k] + d * scale * static_cast<float>(sum - Format::offset * x[k].sums[chunk]);
    if constexpr (Format::has_minimum) {
      totals[k] = totals[k] + Lanes::half(block.m) * scale * static_cast<float>(x[k].sums[chunk]);
    }
  }
}

template <class Format, size_t count>
void few_32(const ProductJob& job) {
  const size_t units = job.columns / 32 * Format::parts;
  Blocks32 x[count];
  for (size_t k = 0; k < count; ++k) x[k] = Blocks32::of(job.lanes[k].input, job.columns);
  for (size_t row = job.begin; row < job.end; ++row) {
    const auto* blocks = reinterpret_cast<const typename Format::Block*>(job.weights + row * job.row_bytes);
    float totals[count] = {};
    size_t u = 0;
    for (; u + 4 <= units; u += 4) add_four<Format, count>(blocks, u, x, totals);
    for (; u < units; ++u) add_one<Format, count>(blocks, u, x, totals);
    for (size_t k = 0; k < count; ++k) job.lanes[k].output[row] = totals[k];
  }
}

template <class Format, size_t count>
void few_256(const ProductJob& job) {
  Blocks256 x[count];
  for (size_t k = 0; k < count; ++k) x[k] = Blocks256::of(job.lanes[k].input, job.columns);
  for (size_t row = job.begin; row < job.end; ++row) {
    const auto* blocks = reinterpret_cast<const typename Format::Block*>(job.weights + row * job.row_bytes);
    float totals[count] = {};
    for (size_t b = 0; b < job.columns / 256; ++b) {
      const auto& block = blocks[b];
      const Scales256 all = Format::template scales<Lanes>(block);
      const auto scales = Lanes::template scales_of<Format::sub>(all.scales);
      Lanes::I sums[count];
      for (size_t k = 0; k < count; ++k) sums[k] = Lanes::zero_i();
      unrolled<8>([&](auto j) __attribute__((always_inline)) {
        const U8x32 codes = Format::template codes<Lanes, j>(block);
        for (size_t k = 0; k < count; ++k) {
          sums[k] = Lanes::template add_scaled_dot<Format, j>(sums[k], codes, x[k].codes + 256 * b + 32 * j, scales);
        }
      });
      const float d = Lanes::half(Format::d(block)) * Format::factor;
      for (size_t k = 0; k < count; ++k) {
        Lanes::I whole = sums[k], under = Lanes::zero_i();
        if constexpr (Format::mins != Mins::kNone) under = Lanes::dot_mins(all.mins, x[k].sums + 16 * b);
        if constexpr (Format::mins == Mins::kOffset) whole = Lanes::sub_i(whole, under);
        totals[k] = totals[k] + d * x[k].scales[b] * static_cast<float>(Lanes::fold(whole));
        if constexpr (Format::mins == Mins::kMinimum) {
          const float m = Lanes::half(Format::m(block));
          totals[k] = totals[k] - m * x[k].scales[b] * static_cast<float>(Lanes::fold(under));
        }
      }
    }
    for (size_t k = 0; k < count; ++k) job.lanes[k].output[row] = totals[k];
  }
}

}  // namespace
