// Few inputs, `Lanes::rows` rows side by side. Codes are multiplied in the registers that they were unpacked in, and a
// row's sum becomes a lane of the totals, so that scales and sums of all rows are handled by one instruction each. The
// other way through such a job is few-along-inl.h.
#pragma once

#include "product/formats.h"
#include "product/product.h"

namespace {

using qs::ProductJob;

// Before, rows went four at a time, and the units of 256 through memory. Weights of rows of 1,536 in the second-level
// cache, read by one thread, in GB/s before and after (AMD Zen 3, AVX2): Q4_0 13.1 and 21.7, Q4_1 11.5 and 17.4, Q5_0
// 10.4 and 13.6, Q8_0 27.4 and 30.5, IQ4_NL 11.2 and 12.8, Q2_K 5.3 and 10.0, Q3_K 5.2 and 10.6, Q4_K 8.4 and 19.6,
// Q5_K 9.6 and 17.7, Q6_K 13.2 and 19.7, IQ4_XS 3.4 and 9.0, TQ1_0 0.9 and 3.6. WebAssembly with one thread gained 20 %
// (Q4_0), 15 % (Q8_0), 33 % (Q4_K_M), 8 % (IQ4_XS) of generated tokens.

constexpr size_t kRows = Lanes::rows;

// Eight rows read side by side are no stream that a processor foresees, so what will be needed is asked for. Four rows
// generated 39.6 tokens/s of Q8_0 in the 0.5B shape with 8 KB ahead and 22.6 without; 1 KB gave 29.4, 4 KB 32.4, 16 KB
// 38.0. Rows are asked for one after another, so at least all kRows rows must lie ahead.
constexpr size_t kAhead = 8192;

// Calls work(first row, bytes between rows, rows) for kRows rows at a time. Those that are left at the end are computed
// together with some that were; fewer than kRows rows one by one.
template <class Work>
void each_few(const ProductJob& job, const Work& work) {
  if (job.end - job.begin < kRows) {
    for (size_t row = job.begin; row < job.end; ++row) work(row, 0, 1);
    return;
  }
  for (size_t row = job.begin; row < job.end; row += kRows) {
    work(job.end - row < kRows ? job.end - kRows : row, job.row_bytes, kRows);
  }
}

// Asks for what will be needed later, as many bytes as are worked on in a step.
struct Ahead {
  const uint8_t* at;

  Ahead(const uint8_t* rows, size_t row_bytes) : at(rows + (kRows * row_bytes > kAhead ? kRows * row_bytes : kAhead)) {}

  template <size_t bytes>
  void step() {
#pragma GCC unroll 32
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i, 0, 3);
    at += bytes;
  }
};

// Numbers of binary16, one of each row.
template <class HalfOf>
Lanes::F halves_of(const HalfOf& half) {
  return Lanes::halves(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7));
}

template <class Format, size_t count>
void few_256(const ProductJob& job) {
  using Block = typename Format::Block;
  each_few(job, [&](size_t first, size_t stride, size_t rows) {
    const uint8_t* weights = job.weights + first * job.row_bytes;
    Ahead ahead(weights, stride);
    Lanes::F totals[count];
    for (size_t k = 0; k < count; ++k) totals[k] = Lanes::set(0.0f);
    for (size_t b = 0; b < job.columns / 256; ++b, weights += sizeof(Block)) {
      ahead.template step<kRows * sizeof(Block)>();
      const auto block = [&](size_t r) -> const Block& {
        return *reinterpret_cast<const Block*>(weights + r * stride);
      };
      Lanes::I sums[count][kRows], below[count][kRows];
#pragma GCC unroll 1
      for (size_t r = 0; r < kRows; ++r) {
        const Block& own = block(r);
        const Scales256 all = Format::template scales<Lanes>(own);
        const auto scales = Lanes::template scales_of<Format::sub>(all.scales);
        Lanes::I sum[count];
        for (size_t k = 0; k < count; ++k) sum[k] = Lanes::zero_i();
        unrolled<8>([&](auto j) __attribute__((always_inline)) {
          const U8x32 codes = Format::template codes<Lanes, j>(own);
          for (size_t k = 0; k < count; ++k) {
            const int8_t* x = Blocks256::of(job.lanes[k].input, job.columns).codes + 256 * b + 32 * j;
            sum[k] = Lanes::add_i(sum[k], Lanes::template scaled_dot<Format, j>(codes, x, scales));
          }
        });
        for (size_t k = 0; k < count; ++k) {
          if (Format::mins != Mins::kNone) {
            const Blocks256 x = Blocks256::of(job.lanes[k].input, job.columns);
            const Lanes::I under = Lanes::dot_mins(all.mins, x.sums + 16 * b);
            if (Format::mins == Mins::kOffset) {
              sum[k] = Lanes::sub_i(sum[k], under);
            } else {
              below[k][r] = under;
            }
          }
          sums[k][r] = sum[k];
        }
      }
      const Lanes::F d = halves_of([&](size_t r) { return Format::d(block(r)); });
      for (size_t k = 0; k < count; ++k) {
        const Lanes::F scale = Lanes::set(Blocks256::of(job.lanes[k].input, job.columns).scales[b]);
        const Lanes::F whole = Lanes::to_float(Lanes::totals([&](size_t r) { return sums[k][r]; }));
        const Lanes::F step = Lanes::mul(d, Lanes::set(Format::factor));
        totals[k] = Lanes::add(totals[k], Lanes::mul(Lanes::mul(step, scale), whole));
        if constexpr (Format::mins == Mins::kMinimum) {
          const Lanes::F m = halves_of([&](size_t r) { return Format::m(block(r)); });
          const Lanes::F under = Lanes::to_float(Lanes::totals([&](size_t r) { return below[k][r]; }));
          totals[k] = Lanes::sub(totals[k], Lanes::mul(Lanes::mul(m, scale), under));
        }
      }
    }
    for (size_t k = 0; k < count; ++k) Lanes::store_some(job.lanes[k].output + first, totals[k], rows);
  });
}

// The whole sums of integers of a unit in kRows rows, for each input; L is Lanes, which may have a way of its own for
// two rows of a format.
template <class Format, size_t count, class L, class BlockOf>
void unit_totals(const BlockOf& block, size_t index, const int8_t* const* codes, Lanes::I* whole) {
  if constexpr (requires { L::paired(block(0), block(0)); }) {
    typename L::PairedCodes pairs[4];
    for (size_t p = 0; p < 4; ++p) pairs[p] = L::paired(block(p), block(p + 4));
    for (size_t k = 0; k < count; ++k) {
      whole[k] = L::template paired_totals<Format, pairs_that_fit<Format>()>(pairs, codes[k]);
    }
  } else {
    for (size_t k = 0; k < count; ++k) {
      whole[k] = L::totals([&](size_t r) __attribute__((always_inline)) {
        return L::template dot_32<Format>(Format::template codes<L>(block(r), index), codes[k]);
      });
    }
  }
}

template <class Format, size_t count>
void few_32(const ProductJob& job) {
  using Block = typename Format::Block;
  each_few(job, [&](size_t first, size_t stride, size_t rows) {
    const uint8_t* weights = job.weights + first * job.row_bytes;
    Ahead ahead(weights, stride);
    Lanes::F totals[count];
    for (size_t k = 0; k < count; ++k) totals[k] = Lanes::set(0.0f);
    for (size_t u = 0; u < job.columns / 32 * Format::parts; ++u) {
      const size_t chunk = u / Format::parts, index = u % Format::units;
      if (index == 0) ahead.template step<kRows * sizeof(Block)>();
      const auto block = [&](size_t r) -> const Block& {
        return *reinterpret_cast<const Block*>(weights + r * stride);
      };
      const int8_t* codes[count];
      for (size_t k = 0; k < count; ++k) codes[k] = Blocks32::of(job.lanes[k].input, job.columns).codes + 32 * chunk;
      Lanes::I whole[count];
      unit_totals<Format, count, Lanes>(block, index, codes, whole);
      Lanes::F d;
      if constexpr (requires(Block own) { Format::scale(own, index); }) {
        const auto scale = [&](size_t r) { return Format::scale(block(r), index); };
        d = Lanes::set_all(scale(0), scale(1), scale(2), scale(3), scale(4), scale(5), scale(6), scale(7));
      } else {
        d = halves_of([&](size_t r) { return block(r).d; });
      }
      for (size_t k = 0; k < count; ++k) {
        const Blocks32 x = Blocks32::of(job.lanes[k].input, job.columns);
        const Lanes::F scale = Lanes::set(x.scales[chunk]);
        if (Format::offset != 0) whole[k] = Lanes::sub_i(whole[k], Lanes::set_i(Format::offset * x.sums[chunk]));
        totals[k] = Lanes::add(totals[k], Lanes::mul(Lanes::mul(d, scale), Lanes::to_float(whole[k])));
        if constexpr (Format::has_minimum) {
          const Lanes::F m = halves_of([&](size_t r) { return block(r).m; });
          const Lanes::F ones = Lanes::set(static_cast<float>(x.sums[chunk]));
          totals[k] = Lanes::add(totals[k], Lanes::mul(Lanes::mul(m, scale), ones));
        }
      }
      if (index == Format::units - 1) weights += sizeof(Block);
    }
    for (size_t k = 0; k < count; ++k) Lanes::store_some(job.lanes[k].output + first, totals[k], rows);
  });
}

template <class Format, size_t count>
void few(const ProductJob& job) {
  if constexpr (Format::input == Input::kBlocks256) {
    few_256<Format, count>(job);
  } else {
    few_32<Format, count>(job);
  }
}

}  // namespace
