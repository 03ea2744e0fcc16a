// Products with one or two inputs (product-inl.h says why), eight rows side by side; the other way through such a job
// is few-along-inl.h. The weights of the rows become codes in registers, and their sums the lanes of one register.
//
// Before, rows went four at a time, and the units of 256 through memory. Weights of rows of 1,536 in the second-level
// cache, read by one thread, in GB/s before and after (AMD Zen 3, AVX2, a busy machine, best of some runs): Q4_0 13.8
// and 21.9, Q4_1 12.3 and 17.9, Q5_0 10.2 and 13.5, Q8_0 27.2 and 31.3, IQ4_NL 11.1 and 16.4, Q2_K 7.2 and 11.4, Q3_K
// 5.5 and 11.1, Q4_K 9.5 and 19.7, Q5_K 9.6 and 18.1, Q6_K 16.9 and 24.3, IQ4_XS 6.2 and 13.6, TQ1_0 0.9 and 3.7, F16
// 15.0 and 44. What is called per unit has to be inlined by force: Q8_0 was at 20.6 and Q5_0 at 9.2 with calls in the
// loop.
#pragma once

#include "product/rows-inl.h"

namespace {

// Numbers of binary16, one of each row.
template <class HalfOf>
[[gnu::always_inline]] inline Few::F halves_of(const HalfOf& half) {
  return Few::halves(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7));
}

// Units of a row that are multiplied before the next row's, so that a processor sees a stream: of rows of 1,536 in
// memory two threads read 10 to 20 % more of Q4_K and Q6_K than with one unit of each row in turn; of rows of 8,960, 4
// to 10 % less, and with sixteen less again. What is asked for ahead goes through memory in order all the same: the
// next units of each row instead cost a quarter with long rows.
constexpr size_t kRowUnits = 8;

template <class Format, size_t count>
void few_256(const ProductJob& job) {
  using Block = typename Format::Block;
  const size_t units = job.columns / 256, tiles = (units + kRowUnits - 1) / kRowUnits,
               tile = (units + tiles - 1) / tiles;
  Blocks256 inputs[count];
  for (size_t k = 0; k < count; ++k) inputs[k] = Blocks256::of(job.lanes[k].input, job.columns);
  each_few(job, [&](size_t first, size_t stride, size_t rows) {
    const uint8_t* weights = job.weights + first * job.row_bytes;
    Ahead ahead(weights, kR * stride);
    Few::F totals[count];
    for (size_t k = 0; k < count; ++k) totals[k] = Few::set(0.0f);
    for (size_t from = 0; from < units; from += tile) {
      const size_t to = units - from < tile ? units : from + tile;
      Few::I sums[count][kRowUnits][kR], below[count][kRowUnits][kR];
      for (size_t r = 0; r < kR; ++r) {
        const uint8_t* at = weights + r * stride + from * sizeof(Block);
        for (size_t u = from; u < to; ++u, at += sizeof(Block)) {
          ahead.template step<sizeof(Block)>();
          const Block& block = *reinterpret_cast<const Block*>(at);
          const Scales256 all = Format::template scales<Few>(block);
          const auto scales = Few::template scales_of<Format::sub>(all.scales);
          Few::I sum[count], chains[count][Few::chains];
          for (size_t k = 0; k < count; ++k) {
            for (Few::I& chain : chains[k]) chain = Few::zero_i();
          }
          unrolled<8>([&](auto j) __attribute__((always_inline)) {
            const U8x32 codes = Format::template codes<Few, j>(block);
            for (size_t k = 0; k < count; ++k) {
              const int8_t* x = inputs[k].codes + 256 * u + 32 * j;
              Few::I& chain = chains[k][j % Few::chains];
              chain = Few::template add_scaled_dot<Format, j>(chain, codes, x, scales);
            }
          });
          for (size_t k = 0; k < count; ++k) {
            sum[k] = chains[k][0];
            for (size_t c = 1; c < Few::chains; ++c) sum[k] = Few::add_i(sum[k], chains[k][c]);
            if (Format::mins != Mins::kNone) {
              const Few::I under = Few::dot_mins(all.mins, inputs[k].sums + 16 * u);
              if (Format::mins == Mins::kOffset) {
                sum[k] = Few::sub_i(sum[k], under);
              } else {
                below[k][u - from][r] = under;
              }
            }
            sums[k][u - from][r] = sum[k];
          }
        }
      }
      for (size_t u = from; u < to; ++u) {
        const auto block = [&](size_t r) -> const Block& {
          return reinterpret_cast<const Block*>(weights + r * stride)[u];
        };
        const Few::F halves = halves_of([&](size_t r) { return Format::d(block(r)); });
        const Few::F d = Few::mul(halves, Few::set(Format::factor));
        for (size_t k = 0; k < count; ++k) {
          const Few::F scale = Few::set(inputs[k].scales[u]);
          const Few::F whole = Few::to_float(Few::totals([&](size_t r) { return sums[k][u - from][r]; }));
          totals[k] = Few::add(totals[k], Few::mul(Few::mul(d, scale), whole));
          if constexpr (Format::mins == Mins::kMinimum) {
            const Few::F m = halves_of([&](size_t r) { return Format::m(block(r)); });
            const Few::F under = Few::to_float(Few::totals([&](size_t r) { return below[k][u - from][r]; }));
            totals[k] = Few::sub(totals[k], Few::mul(Few::mul(m, scale), under));
          }
        }
      }
    }
    for (size_t k = 0; k < count; ++k) Few::store_some(job.lanes[k].output + first, totals[k], rows);
  });
}

// The whole sums of integers of a unit in kR rows, for each input; L is Few, which may have a way of its own for two
// rows of a format.
template <class Format, size_t count, class L, class BlockOf>
[[gnu::always_inline]] inline void unit_totals(const BlockOf& block, size_t index, const int8_t* const* codes,
                                               Few::I* whole) {
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
    Ahead ahead(weights, kR * stride);
    Few::F totals[count];
    for (size_t k = 0; k < count; ++k) totals[k] = Few::set(0.0f);
    for (size_t u = 0; u < job.columns / 32 * Format::parts; ++u) {
      const size_t chunk = u / Format::parts, index = u % Format::units;
      if (index == 0) ahead.template step<kR * sizeof(Block)>();
      const auto block = [&](size_t r) -> const Block& {
        return *reinterpret_cast<const Block*>(weights + r * stride);
      };
      const int8_t* codes[count];
      for (size_t k = 0; k < count; ++k) codes[k] = Blocks32::of(job.lanes[k].input, job.columns).codes + 32 * chunk;
      Few::I whole[count];
      unit_totals<Format, count, Few>(block, index, codes, whole);
      Few::F d;
      if constexpr (requires(Block own) { Format::scale(own, index); }) {
        const auto scale = [&](size_t r) { return Format::scale(block(r), index); };
        d = Few::set_all(scale(0), scale(1), scale(2), scale(3), scale(4), scale(5), scale(6), scale(7));
      } else {
        d = halves_of([&](size_t r) { return block(r).d; });
      }
      for (size_t k = 0; k < count; ++k) {
        const Blocks32 x = Blocks32::of(job.lanes[k].input, job.columns);
        const Few::F scale = Few::set(x.scales[chunk]);
        if (Format::offset != 0) whole[k] = Few::sub_i(whole[k], Few::set_i(Format::offset * x.sums[chunk]));
        totals[k] = Few::add(totals[k], Few::mul(Few::mul(d, scale), Few::to_float(whole[k])));
        if constexpr (Format::has_minimum) {
          const Few::F m = halves_of([&](size_t r) { return block(r).m; });
          const Few::F ones = Few::set(static_cast<float>(x.sums[chunk]));
          totals[k] = Few::add(totals[k], Few::mul(Few::mul(m, scale), ones));
        }
      }
      if (index == Format::units - 1) weights += sizeof(Block);
    }
    for (size_t k = 0; k < count; ++k) Few::store_some(job.lanes[k].output + first, totals[k], rows);
  });
}

}  // namespace
