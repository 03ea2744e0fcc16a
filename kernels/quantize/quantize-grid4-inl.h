// IQ4_NL and IQ4_XS with one block (sub-block) per lane: the search of quant/grid4.h.
//
// The reference looks up the nearest grid value 16 times per weight. Two observations make most of that needless:
//  - The scales after the first map a weight to values that differ by 11.7 % at most (120 .. 134 for the largest), and
//    the relative gaps between the grid's midpoints are wider. So a weight has two candidate values in all 15 tries,
//    one midpoint between them, and its terms w * q * x and w * q * q need computing for those two only.
//  - A pair of neighbouring grid values is found by arithmetic: a quadratic function of the mapped weight, rounded, is
//    its index (`bracket`). A comparison with their midpoint then decides exactly.
// What remains of a try are a product, a comparison, two choices and two additions per weight. Several tries run side
// by side, because their sums are chains of dependent additions. Measured on one core of an EPYC (IQ4_NL, Mweights/s):
//                                        SSE2   AVX2   AVX-512
//   one block after another (ref)                 15
//   lanes, `bracket` in every try          55    152     435
//   lanes, two candidates, 1 try a time   138    359     782
//                          3 tries        142    365     893
//                          5 tries        125    390     923
#pragma once

#include "quantize/quantize-inl.h"

namespace {

// Tries at once: two sums, an inverse and the loaded terms of each have to fit in the registers.
constexpr int kTriesAtOnce = kLanes >= 8 ? 5 : 3;
static_assert((2 * kGrid4Tries + 1) % kTriesAtOnce == 0, "the tries are done in equal groups");

// Neighbouring values of the grid, by the index of the lower one, and the middle between them.
struct Bracket {
  I index;  // in the low four bits
  F low, high, middle;
};

// Index of the lower neighbour: 7 + round(u * (a - b * |u|)) with u = value + 5, for |value| <= 134.5. It may be off
// near a grid value, where that does not matter: `middle` is the only midpoint within value * (120 / 127 .. 134 / 127).
// a, b by a search for the largest margin: the function stays 0.085 away from every place where that would fail.
constexpr float kBracketShift = 5.0f, kBracketSlope = 0.0958f, kBracketBend = 0.000302f;

struct Grid4 {
  Simd::Table lower = Simd::table(kGrid4);
  Simd::Table upper = Simd::table(kGrid4Upper);

  // kGrid4[index + 1]; index is at most 14.
  static constexpr int8_t kGrid4Upper[16] = {-104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, 113};

  Bracket bracket(F value) const {
    const F u = Simd::add(value, Simd::set(kBracketShift));
    const F slope = Simd::sub(Simd::set(kBracketSlope), Simd::mul(Simd::set(kBracketBend), Simd::abs(u)));
    Bracket found;
    found.index = Simd::bits(Simd::add(Simd::mul(u, slope), Simd::set(kMagic + 7.0f)));
    found.low = Simd::lookup(lower, found.index);
    found.high = Simd::lookup(upper, found.index);
    found.middle = Simd::mul(Simd::add(found.low, found.high), Simd::set(0.5f));
    return found;
  }
};

// xq and qq of `Grid4Fit`, summed in order.
struct FitLanes {
  F xq, qq;
  void add(F weight, F value, F x) {
    const F weighted = Simd::mul(weight, value);
    xq = Simd::add(xq, Simd::mul(weighted, x));
    qq = Simd::add(qq, Simd::mul(weighted, value));
  }
};

// search_grid4_scale for `lanes` blocks.
inline F search_grid4_lanes(const Grid4& grid, const Lanes<32, 1>& x, const Lanes<32, 1>& weights) {
  const F zero = Simd::set(0.0f);
  F extreme = zero, magnitude = zero;
  for (size_t i = 0; i < 32; ++i) {
    const F m = Simd::abs(x.v[0][i]);
    const M larger = Simd::lt(magnitude, m);
    magnitude = Simd::max(m, magnitude);
    extreme = Simd::select(larger, x.v[0][i], extreme);
  }
  const M empty = Simd::lt(magnitude, Simd::set(kEmptyBlock));
  extreme = Simd::select(empty, Simd::set(1.0f), extreme);  // keeps the lane finite; overwritten below

  // The first try, and the two candidates of all others.
  struct Candidates {
    F middle, low_xq, low_qq, high_xq, high_qq;
  } candidates[32];
  const F first = Simd::div(Simd::set(1.0f), Simd::div(extreme, Simd::set(127.0f)));
  const F centre = Simd::div(Simd::set(-127.0f), extreme);
  FitLanes sums = {zero, zero};
  for (size_t i = 0; i < 32; ++i) {
    const F weight = x.v[0][i], w = weights.v[0][i];
    const F mapped = Simd::mul(first, weight);
    const Bracket around = grid.bracket(mapped);
    sums.add(w, Simd::select(Simd::lt(mapped, around.middle), around.low, around.high), weight);
    const Bracket pair = grid.bracket(Simd::mul(centre, weight));
    const F low = Simd::mul(w, pair.low), high = Simd::mul(w, pair.high);
    candidates[i] = {pair.middle, Simd::mul(low, weight), Simd::mul(low, pair.low), Simd::mul(high, weight),
                     Simd::mul(high, pair.high)};
  }
  F scale = Simd::select(Simd::lt(zero, sums.qq), Simd::div(sums.xq, sums.qq), zero);
  F best = Simd::mul(scale, sums.xq);

  for (int shift = -kGrid4Tries; shift <= kGrid4Tries; shift += kTriesAtOnce) {
    F inverse[kTriesAtOnce], xq[kTriesAtOnce], qq[kTriesAtOnce];
    for (int t = 0; t < kTriesAtOnce; ++t) {
      inverse[t] = Simd::div(Simd::set(static_cast<float>(shift + t - 127)), extreme);
      xq[t] = qq[t] = zero;
    }
    for (size_t i = 0; i < 32; ++i) {
      const Candidates c = candidates[i];
      for (int t = 0; t < kTriesAtOnce; ++t) {
        const M below = Simd::lt(Simd::mul(inverse[t], x.v[0][i]), c.middle);
        xq[t] = Simd::add(xq[t], Simd::select(below, c.low_xq, c.high_xq));
        qq[t] = Simd::add(qq[t], Simd::select(below, c.low_qq, c.high_qq));
      }
    }
    for (int t = 0; t < kTriesAtOnce; ++t) {
      const M better = Simd::both(Simd::lt(zero, qq[t]), Simd::lt(Simd::mul(best, qq[t]), Simd::mul(xq[t], xq[t])));
      const F try_scale = Simd::div(xq[t], qq[t]);
      scale = Simd::select(better, try_scale, scale);
      best = Simd::select(better, Simd::mul(try_scale, xq[t]), best);
    }
  }
  return Simd::select(empty, zero, scale);
}

// importance * sqrt(twice the mean square + x^2), or x^2.
inline void grid4_weights_lanes(const Lanes<32, 1>& x, const float* importance, F twice_mean_square,
                                Lanes<32, 1>* weights) {
  if (importance) {
    const F spread[1] = {twice_mean_square};
    importance_weights(x, importance, spread, weights);
    return;
  }
  for (size_t i = 0; i < 32; ++i) weights->v[0][i] = Simd::mul(x.v[0][i], x.v[0][i]);
}

// encode_grid4 for `lanes` blocks: 16 bytes each.
inline void encode_grid4_lanes(const Grid4& grid, const Lanes<32, 1>& x, F scale, uint8_t* packed) {
  const F inverse = inverse_or_zero(scale);
  const auto code = [&](size_t i) {
    // The scale of the search may be far too small for the largest weights: they get the ends of the grid. The order of
    // operands sends NaN to the upper end, where the reference's comparisons send it.
    const F mapped = Simd::max(Simd::min(Simd::mul(inverse, x.v[0][i]), Simd::set(127.0f)), Simd::set(-127.0f));
    const Bracket around = grid.bracket(mapped);
    const I index = Simd::and_i(around.index, Simd::set_i(15));
    return Simd::select_i(Simd::lt(mapped, around.middle), index, Simd::add_i(index, Simd::set_i(1)));
  };
  I bytes[16];
  for (size_t i = 0; i < 16; ++i) bytes[i] = Simd::or_i(code(i), Simd::shl<4>(code(i + 16)));
  store_codes<16>(bytes, packed);
}

inline void encode_row_iq4_nl(const float* source, block_iq4_nl* blocks, size_t columns, const float* importance) {
  const Grid4 grid;
  for_each_batch<kLanes, 32>(source, blocks, columns, importance, [&](const float* in, const float* w, auto* out) {
    Lanes<32, 1> x, weights;
    x.load(in);
    F squares = Simd::set(0.0f);
    for (size_t i = 0; i < 32; ++i) squares = Simd::add(squares, Simd::mul(x.v[0][i], x.v[0][i]));
    grid4_weights_lanes(x, w, Simd::mul(squares, Simd::set(2.0f / 32.0f)), &weights);
    const F scale = search_grid4_lanes(grid, x, weights);
    uint8_t bytes[kLanes * 16];
    uint16_t halves[kLanes];
    encode_grid4_lanes(grid, x, scale, bytes);
    store_halves(scale, halves);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      out[lane].d = halves[lane];
      __builtin_memcpy(out[lane].codes, bytes + 16 * lane, 16);
    }
  });
}

// Twice the mean square of each super-block: `lanes` of them side by side, each in order.
inline void twice_mean_squares(const float* source, size_t count, float* result) {
  for (size_t b = 0; b < count; b += kLanes) {
    const size_t side_by_side = count - b < kLanes ? count - b : kLanes;
    const float* x = source + kSuperBlock * b;
    alignas(64) float squares[kLanes] = {};
    if (side_by_side == kLanes) {
      F sum = Simd::set(0.0f), columns[kLanes];
      for (size_t i = 0; i < kSuperBlock; i += kLanes) {
        Simd::transpose(x + i, kSuperBlock, columns);
        for (size_t k = 0; k < kLanes; ++k) sum = Simd::add(sum, Simd::mul(columns[k], columns[k]));
      }
      Simd::store(squares, sum);
    } else {
      for (size_t i = 0; i < kSuperBlock; ++i) {
        for (size_t k = 0; k < side_by_side; ++k) squares[k] += x[kSuperBlock * k + i] * x[kSuperBlock * k + i];
      }
    }
    for (size_t k = 0; k < side_by_side; ++k) result[b + k] = squares[k] * (2.0f / kSuperBlock);
  }
}

// IQ4_XS: a batch is as many super-blocks as fill the lanes, at least one: 2, 1, 1 for 16, 8, 4 lanes.
constexpr size_t kGrid4Batch = kLanes > 8 ? kLanes / 8 : 1;

inline void encode_iq4_xs_batch(const Grid4& grid, const float* source, const float* importance,
                                const float* mean_squares, block_iq4_xs* blocks) {
  constexpr size_t S = 8 * kGrid4Batch, U = S / kLanes;
  Lanes<32, 1> x[U], weights;
  alignas(64) float scales[S], steps[S], spread[S];
  for (size_t s = 0; s < S; ++s) spread[s] = importance ? mean_squares[s / 8] : 0.0f;
  for (size_t u = 0; u < U; ++u) {
    const size_t first = u * kLanes;
    x[u].load(source + 32 * first);
    grid4_weights_lanes(x[u], importance ? importance + 32 * first : nullptr, Simd::load(spread + first), &weights);
    Simd::store(scales + first, search_grid4_lanes(grid, x[u], weights));
  }
  for (size_t b = 0; b < kGrid4Batch; ++b) encode_iq4_xs_scales(blocks + b, scales + 8 * b, steps + 8 * b);
  for (size_t u = 0; u < U; ++u) {
    uint8_t bytes[kLanes * 16];
    encode_grid4_lanes(grid, x[u], Simd::load(steps + u * kLanes), bytes);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t s = u * kLanes + lane;
      __builtin_memcpy(blocks[s / 8].codes + 16 * (s % 8), bytes + 16 * lane, 16);
    }
  }
}

inline void encode_row_iq4_xs(const float* source, block_iq4_xs* blocks, size_t columns, const float* importance) {
  constexpr size_t kChunk = 16;  // super-blocks whose mean squares are computed at a time
  const Grid4 grid;
  for (size_t begin = 0; begin < columns; begin += kChunk * kSuperBlock) {
    const size_t rest = columns - begin, length = rest < kChunk * kSuperBlock ? rest : kChunk * kSuperBlock;
    float mean_squares[kChunk] = {};
    if (importance) twice_mean_squares(source + begin, length / kSuperBlock, mean_squares);
    const float* next = mean_squares;
    for_each_batch<kGrid4Batch, kSuperBlock>(source + begin, blocks + begin / kSuperBlock, length,
                                             importance ? importance + begin : nullptr,
                                             [&](const float* in, const float* w, block_iq4_xs* out) {
                                               encode_iq4_xs_batch(grid, in, w, next, out);
                                               next += kGrid4Batch;
                                             });
  }
}

}  // namespace
