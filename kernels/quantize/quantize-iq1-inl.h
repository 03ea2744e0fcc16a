// Encoders of IQ1_S and IQ1_M. The search for the two cuts has one sub-block per lane; the search among the candidates
// of a group of eight has one candidate per lane.
//
// Measured on one busy core of an EPYC with AVX-512, IQ1_M with importance, Mweights/s; ggml's encoder made 5.4 in the
// same run:
//                                                   SSE2   AVX2   AVX-512
//   one sub-block after another (ref)                      8.9
//   cuts in lanes, candidates one after another              20.1      23.5
//   candidates in lanes, their terms looked up      17.0     29.5      37.4
// Of 39 cycles per weight (AVX2) the cuts take 24, the candidates 10, packing 3, sorting 2. Asking first whether any
// lane can improve saves 5 to 10 %: divisions are rare then. Beginning with the score of a likely pair of cuts, a
// little lowered, would save 3 to 5 % more and was left out: it is exact only as long as nothing over- or underflows.
#pragma once

#include "quantize/quantize-inl.h"

namespace {

// N weights of `lanes` sub-blocks in ascending order, with their importance and where they come from.
template <size_t N>
struct SortedLanes {
  F x[N];
  F weights[N];
  I origin[N];  // one bit, see origin_bit
};

// Bit of weight i of N. The bits of 32 weights are turned by one so that they compare in order as signed numbers.
template <size_t N>
constexpr int32_t origin_bit(size_t i) {
  return static_cast<int32_t>(N < 32 ? 1u << i : i == 0 ? 1u << 31 : 1u << (i - 1));
}

template <size_t N>
I in_order_of_weights(I bits) {
  return N < 32 ? bits : Simd::or_i(Simd::shl<1>(bits), Simd::shr<31>(bits));
}

// The exchanges of Batcher's odd-even merge sort: 63 for 16 values, 191 for 32.
template <size_t N>
struct SortingNetwork {
  uint8_t low[N * N / 4] = {}, high[N * N / 4] = {};
  size_t count = 0;

  constexpr SortingNetwork() {
    for (size_t p = 1; p < N; p *= 2) {
      for (size_t k = p; k >= 1; k /= 2) {
        for (size_t j = k % p; j + k < N; j += 2 * k) {
          for (size_t i = j; i < j + k && i + k < N; ++i) {
            if (i / (2 * p) != (i + k) / (2 * p)) continue;
            low[count] = static_cast<uint8_t>(i);
            high[count++] = static_cast<uint8_t>(i + k);
          }
        }
      }
    }
  }
};

// Equal values by origin: the order of a stable sort.
template <size_t N>
void sort_lanes(SortedLanes<N>* s) {
  static constexpr SortingNetwork<N> kNetwork;
  for (size_t e = 0; e < kNetwork.count; ++e) {
    const size_t i = kNetwork.low[e], j = kNetwork.high[e];
    const F a = s->x[i], b = s->x[j];
    const I g = s->origin[i], h = s->origin[j];
    const M swap = Simd::either(Simd::lt(b, a), Simd::both(Simd::eq(a, b), Simd::gt_i(g, h)));
    s->x[i] = Simd::select(swap, b, a);
    s->x[j] = Simd::select(swap, a, b);
    s->origin[i] = Simd::select_i(swap, h, g);
    s->origin[j] = Simd::select_i(swap, g, h);
    const F v = s->weights[i], w = s->weights[j];
    s->weights[i] = Simd::select(swap, w, v);
    s->weights[j] = Simd::select(swap, v, w);
  }
}

// The best pair of cuts so far.
struct BestCuts {
  F best = Simd::set(-__FLT_MAX__);
  F scale = Simd::set(0.0f);
  I first = Simd::set_i(-1), second = Simd::set_i(-1), shifts = Simd::set_i(0);

  M promising(F sum_xq, F sum_qq) const { return Simd::lt(Simd::mul(best, sum_qq), Simd::mul(sum_xq, sum_xq)); }
  void offer(F sum_xq, F sum_qq, size_t i1, size_t i2, int shift) {
    const M better = Simd::both(Simd::lt(Simd::set(0.0f), sum_qq), promising(sum_xq, sum_qq));
    const F fit = Simd::div(sum_xq, sum_qq);
    scale = Simd::select(better, fit, scale);
    best = Simd::select(better, Simd::mul(fit, sum_xq), best);
    first = Simd::select_i(better, Simd::set_i(static_cast<int32_t>(i1)), first);
    second = Simd::select_i(better, Simd::set_i(static_cast<int32_t>(i2)), second);
    shifts = Simd::select_i(better, Simd::set_i(shift), shifts);
  }
};

inline BestCuts search_iq1_m_cuts_lanes(const SortedLanes<16>& s) {
  F sum_x[2][17], sum_w[2][17], wide[2][17], narrow[2][17];  // wide, narrow: 1.25 and 0.75 times sum_w
  for (size_t h = 0; h < 2; ++h) sum_x[h][0] = sum_w[h][0] = Simd::set(0.0f);
  for (size_t k = 0; k < 16; ++k) {
    const M second = Simd::gt_i(s.origin[k], Simd::set_i(255));
    const F wx = Simd::mul(s.weights[k], s.x[k]);
    sum_x[0][k + 1] = Simd::select(second, sum_x[0][k], Simd::add(sum_x[0][k], wx));
    sum_x[1][k + 1] = Simd::select(second, Simd::add(sum_x[1][k], wx), sum_x[1][k]);
    sum_w[0][k + 1] = Simd::select(second, sum_w[0][k], Simd::add(sum_w[0][k], s.weights[k]));
    sum_w[1][k + 1] = Simd::select(second, Simd::add(sum_w[1][k], s.weights[k]), sum_w[1][k]);
  }
  F plus_x[2], minus_x[2], plus_w[2], minus_w[2];
  for (size_t h = 0; h < 2; ++h) {
    const F plus = Simd::set(1.125f), minus = Simd::set(0.875f);
    plus_x[h] = Simd::mul(plus, sum_x[h][16]);
    minus_x[h] = Simd::mul(minus, sum_x[h][16]);
    plus_w[h] = Simd::mul(Simd::mul(sum_w[h][16], plus), plus);
    minus_w[h] = Simd::mul(Simd::mul(sum_w[h][16], minus), minus);
    for (size_t k = 0; k < 17; ++k) {
      wide[h][k] = Simd::mul(Simd::set(1.25f), sum_w[h][k]);
      narrow[h][k] = Simd::mul(Simd::set(0.75f), sum_w[h][k]);
    }
  }
  BestCuts found;
  for (size_t i1 = 0; i1 <= 16; ++i1) {
    F plus_base[2], minus_base[2];
    for (size_t h = 0; h < 2; ++h) {
      plus_base[h] = Simd::add(plus_w[h], narrow[h][i1]);
      minus_base[h] = Simd::add(minus_w[h], wide[h][i1]);
    }
    for (size_t i2 = i1; i2 <= 16; ++i2) {
      F xq[2][2], qq[2][2];
      for (size_t h = 0; h < 2; ++h) {
        const F both = Simd::add(sum_x[h][i2], sum_x[h][i1]);
        xq[0][h] = Simd::sub(plus_x[h], both);
        xq[1][h] = Simd::sub(minus_x[h], both);
        qq[0][h] = Simd::sub(plus_base[h], wide[h][i2]);
        qq[1][h] = Simd::sub(minus_base[h], narrow[h][i2]);
      }
      F sum_xq[4], sum_qq[4];
      for (size_t k = 0; k < 4; ++k) {
        sum_xq[k] = Simd::add(xq[k >> 1][0], xq[k & 1][1]);
        sum_qq[k] = Simd::add(qq[k >> 1][0], qq[k & 1][1]);
      }
      const M low = Simd::either(found.promising(sum_xq[0], sum_qq[0]), found.promising(sum_xq[1], sum_qq[1]));
      const M high = Simd::either(found.promising(sum_xq[2], sum_qq[2]), found.promising(sum_xq[3], sum_qq[3]));
      if (!Simd::any(Simd::either(low, high))) continue;
      for (size_t k = 0; k < 4; ++k) found.offer(sum_xq[k], sum_qq[k], i1, i2, static_cast<int>(k));
    }
  }
  return found;
}

inline BestCuts search_iq1_s_cuts_lanes(const SortedLanes<32>& s) {
  F sum_x[33], sum_w[33], right_x[2][33], right_w[2][33];  // right: what lies beyond the second cut, per shift
  sum_x[0] = sum_w[0] = Simd::set(0.0f);
  for (size_t k = 0; k < 32; ++k) {
    sum_x[k + 1] = Simd::add(sum_x[k], Simd::mul(s.weights[k], s.x[k]));
    sum_w[k + 1] = Simd::add(sum_w[k], s.weights[k]);
  }
  const float* const values[2] = {kIq1Plus, kIq1Minus};
  for (size_t m = 0; m < 2; ++m) {
    const F v = Simd::set(values[m][2]);
    for (size_t k = 0; k < 33; ++k) {
      right_x[m][k] = Simd::mul(Simd::sub(sum_x[32], sum_x[k]), v);
      right_w[m][k] = Simd::mul(Simd::mul(Simd::sub(sum_w[32], sum_w[k]), v), v);
    }
  }
  BestCuts found;
  for (size_t i1 = 0; i1 <= 32; ++i1) {
    F left_x[2], left_w[2];
    for (size_t m = 0; m < 2; ++m) {
      const F v = Simd::set(values[m][0]);
      left_x[m] = Simd::mul(sum_x[i1], v);
      left_w[m] = Simd::mul(Simd::mul(sum_w[i1], v), v);
    }
    for (size_t i2 = i1; i2 <= 32; ++i2) {
      const F shift = Simd::set(kIq1Shift);
      const F middle_x = Simd::mul(Simd::sub(sum_x[i2], sum_x[i1]), shift);  // of the positive shift
      const F middle_w = Simd::mul(Simd::mul(Simd::sub(sum_w[i2], sum_w[i1]), shift), shift);
      const F xq0 = Simd::add(Simd::add(left_x[0], middle_x), right_x[0][i2]);
      const F xq1 = Simd::add(Simd::sub(left_x[1], middle_x), right_x[1][i2]);
      const F qq0 = Simd::add(Simd::add(left_w[0], middle_w), right_w[0][i2]);
      const F qq1 = Simd::add(Simd::add(left_w[1], middle_w), right_w[1][i2]);
      if (!Simd::any(Simd::either(found.promising(xq0, qq0), found.promising(xq1, qq1)))) continue;
      found.offer(xq0, qq0, i1, i2, 0);
      found.offer(xq1, qq1, i1, i2, 1);
    }
  }
  return found;
}

// Bits 0 .. 15 to bits 0, 2, .. 30.
inline I spread_bits(I a) {
  a = Simd::and_i(Simd::or_i(a, Simd::shl<8>(a)), Simd::set_i(0x00ff00ff));
  a = Simd::and_i(Simd::or_i(a, Simd::shl<4>(a)), Simd::set_i(0x0f0f0f0f));
  a = Simd::and_i(Simd::or_i(a, Simd::shl<2>(a)), Simd::set_i(0x33333333));
  return Simd::and_i(Simd::or_i(a, Simd::shl<1>(a)), Simd::set_i(0x55555555));
}

// Packed levels, sixteen weights to a vector.
template <size_t N>
void levels_of_cuts_lanes(const SortedLanes<N>& s, const BestCuts& cuts, M mirrored, I (&packed)[N / 16]) {
  I low = Simd::set_i(0), high = Simd::set_i(0);  // weights of level 0, of level 2
  for (size_t k = 0; k < N; ++k) {
    const I at = Simd::set_i(static_cast<int32_t>(k));
    low = Simd::or_i(low, Simd::select_i(Simd::gt_i(cuts.first, at), s.origin[k], Simd::set_i(0)));
    high = Simd::or_i(high, Simd::select_i(Simd::gt_i(cuts.second, at), Simd::set_i(0), s.origin[k]));
  }
  low = in_order_of_weights<N>(low);
  high = in_order_of_weights<N>(high);
  for (size_t half = 0; half < N / 16; ++half) {
    const I l = half == 0 ? Simd::and_i(low, Simd::set_i(0xffff)) : Simd::shr<16>(low);
    const I h = half == 0 ? Simd::and_i(high, Simd::set_i(0xffff)) : Simd::shr<16>(high);
    // level = 1 - (level is 0) + (level is 2): no borrow between the fields
    const I levels = Simd::sub_i(Simd::add_i(Simd::set_i(0x55555555), spread_bits(h)), spread_bits(l));
    packed[half] =
        Simd::select_i(mirrored, Simd::sub_i(Simd::set_i(static_cast<int32_t>(0xaaaaaaaau)), levels), levels);
  }
}

// The nearest candidate of one group: a term w (scale * value - x)^2 can only have three values per weight, so they are
// computed once and looked up per candidate.
inline uint16_t nearest_iq1_point(const uint16_t* candidates, size_t count, const float* x, const float* weights,
                                  float scale, const float* values) {
  const float scaled[4] = {scale * values[0], scale * values[1], scale * values[2], 0.0f};
  const F tries = Simd::load_4(scaled);
  F terms[8];
  for (size_t i = 0; i < 8; ++i) {
    const F difference = Simd::sub(tries, Simd::set(x[i]));
    terms[i] = Simd::mul(Simd::mul(Simd::set(weights[i]), difference), difference);
  }
  F best = Simd::set(__FLT_MAX__), best_at = Simd::set(0.0f);
  alignas(64) static const float kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  F at = Simd::load(kLane);
  const F end = Simd::set(static_cast<float>(count));
  for (size_t k = 0; k < count; k += kLanes) {
    const I points = Simd::load_u16(candidates + k);
    F distance = Simd::permute4(terms[0], points);
    distance = Simd::add(distance, Simd::permute4(terms[1], Simd::shr<2>(points)));
    distance = Simd::add(distance, Simd::permute4(terms[2], Simd::shr<4>(points)));
    distance = Simd::add(distance, Simd::permute4(terms[3], Simd::shr<6>(points)));
    distance = Simd::add(distance, Simd::permute4(terms[4], Simd::shr<8>(points)));
    distance = Simd::add(distance, Simd::permute4(terms[5], Simd::shr<10>(points)));
    distance = Simd::add(distance, Simd::permute4(terms[6], Simd::shr<12>(points)));
    distance = Simd::add(distance, Simd::permute4(terms[7], Simd::shr<14>(points)));
    const M better = Simd::both(Simd::lt(distance, best), Simd::lt(at, end));
    best = Simd::select(better, distance, best);
    best_at = Simd::select(better, at, best_at);
    at = Simd::add(at, Simd::set(static_cast<float>(kLanes)));
  }
  // Of the lanes with the smallest distance the one that met it first.
  alignas(64) float distances[kLanes], positions[kLanes];
  Simd::store(distances, best);
  Simd::store(positions, best_at);
  uint32_t lanes = Simd::smallest(best);
  size_t nearest = static_cast<size_t>(__builtin_ctz(lanes));
  while ((lanes &= lanes - 1) != 0) {
    const size_t lane = static_cast<size_t>(__builtin_ctz(lanes));
    if (positions[lane] < positions[nearest]) nearest = lane;
  }
  return distances[nearest] < __FLT_MAX__ ? candidates[static_cast<size_t>(positions[nearest])] : candidates[0];
}

// What the search found for `lanes` sub-blocks of N weights.
template <size_t N>
struct FoundLanes {
  float scale[kLanes];
  int32_t shifts[kLanes];
  uint32_t points[N / 16][kLanes];  // two packed points each
};

// `kHalves`: each eight weights of a sub-block of 16 have a shift of their own (IQ1_M).
template <size_t N, bool kHalves>
void search_iq1_lanes(const Neighbours& neighbours, const float* source, const float* weights, float empty_below,
                      FoundLanes<N>* found) {
  Lanes<N, 1> x, w;
  x.load(source);
  w.load(weights);
  SortedLanes<N> sorted;
  F largest = Simd::set(0.0f);
  for (size_t i = 0; i < N; ++i) {
    largest = Simd::max(largest, Simd::abs(x.v[0][i]));
    sorted.x[i] = x.v[0][i];
    sorted.weights[i] = w.v[0][i];
    sorted.origin[i] = Simd::set_i(origin_bit<N>(i));
  }
  sort_lanes<N>(&sorted);
  BestCuts cuts;
  if constexpr (kHalves) {
    cuts = search_iq1_m_cuts_lanes(sorted);
  } else {
    cuts = search_iq1_s_cuts_lanes(sorted);
  }
  const F zero = Simd::set(0.0f);
  const M mirrored = Simd::lt(cuts.scale, zero);
  const M nothing = Simd::either(Simd::gt_i(Simd::set_i(0), cuts.first), Simd::lt(largest, Simd::set(empty_below)));
  const F scale = Simd::select(nothing, zero, Simd::select(mirrored, Simd::neg(cuts.scale), cuts.scale));
  I shifts = Simd::select_i(mirrored, Simd::sub_i(Simd::set_i(kHalves ? 3 : 1), cuts.shifts), cuts.shifts);
  shifts = Simd::select_i(nothing, Simd::set_i(0), shifts);
  I levels[N / 16];
  levels_of_cuts_lanes<N>(sorted, cuts, mirrored, levels);
  for (size_t half = 0; half < N / 16; ++half) {
    Simd::store_i(found->points[half], Simd::select_i(nothing, Simd::set_i(0), levels[half]));
  }
  Simd::store(found->scale, scale);
  Simd::store_i(found->shifts, shifts);

  alignas(64) int32_t moved[kLanes] = {};
  bool any_moved = false;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    for (size_t g = 0; g < N / 8; ++g) {
      const uint32_t packed = found->points[g / 2][lane] >> (16 * (g % 2)) & 0xffff;
      const uint32_t entry = neighbours.points[number_of_eight(packed)];
      if ((entry & 511) == 0) continue;
      const size_t at = N * lane + 8 * g;
      const bool minus = kHalves ? found->shifts[lane] >> (1 - g) & 1 : found->shifts[lane] & 1;
      const uint32_t point = nearest_iq1_point(neighbours.candidates + (entry >> 9), entry & 511, source + at,
                                               weights + at, found->scale[lane], minus ? kIq1Minus : kIq1Plus);
      found->points[g / 2][lane] ^= (packed ^ point) << (16 * (g % 2));
      moved[lane] = -1;
      any_moved = true;
    }
  }
  if (!any_moved) return;
  // Sub-blocks with a group that moved: the scale is fitted again.
  F sum_xq = zero, sum_qq = zero, offset = zero;
  I rest = Simd::set_i(0);
  for (size_t i = 0; i < N; ++i) {
    if (i % 16 == 0) rest = Simd::load_i(found->points[i / 16]);
    if (i == 0 || (kHalves && i == 8)) {
      const I minus = kHalves && i == 0 ? Simd::shr<1>(shifts) : Simd::and_i(shifts, Simd::set_i(1));
      offset = Simd::select(Simd::eq_i(minus, Simd::set_i(0)), Simd::set(kIq1Plus[0]), Simd::set(kIq1Minus[0]));
    }
    const F value = Simd::add(Simd::to_float(Simd::and_i(rest, Simd::set_i(3))), offset);
    const F weighted = Simd::mul(w.v[0][i], value);
    sum_xq = Simd::add(sum_xq, Simd::mul(weighted, x.v[0][i]));
    sum_qq = Simd::add(sum_qq, Simd::mul(weighted, value));
    rest = Simd::shr<2>(rest);
  }
  const M fits = Simd::both(Simd::lt(zero, sum_xq), Simd::lt(zero, sum_qq));
  const M again = Simd::both(Simd::eq_i(Simd::load_i(moved), Simd::set_i(-1)), fits);
  Simd::store(found->scale, Simd::select(again, Simd::div(sum_xq, sum_qq), scale));
}

// importance * sqrt(mean square + x^2) of a super-block; `importance` may be missing.
inline void iq1_weights(const float* source, const float* importance, float mean_square, float* weights) {
  const F mean = Simd::set(mean_square);
  for (size_t i = 0; i < kSuperBlock; i += kLanes) {
    const F x = Simd::load(source + i);
    const F spread = Simd::sqrt(Simd::add(mean, Simd::mul(x, x)));
    Simd::store(weights + i, importance ? Simd::mul(Simd::load(importance + i), spread) : spread);
  }
}

inline void encode_row_iq1_m(const float* source, block_iq1_m* blocks, size_t columns, const float* importance) {
  const Neighbours& neighbours = neighbours_iq1_s();
  for (size_t b = 0; b < columns / kSuperBlock; ++b, source += kSuperBlock) {
    float weights[kSuperBlock];
    if (importance) {
      iq1_weights(source, importance + kSuperBlock * b, iq1_mean_square(source), weights);
    } else {
      for (size_t i = 0; i < kSuperBlock; ++i) weights[i] = source[i] * source[i];
    }
    Iq1MSubBlock sub_blocks[16];
    for (size_t j = 0; j < 16; j += kLanes) {
      FoundLanes<16> found;
      search_iq1_lanes<16, true>(neighbours, source + 16 * j, weights + 16 * j, kEmptyIq1M, &found);
      for (size_t lane = 0; lane < kLanes; ++lane) {
        Iq1MSubBlock* sub = sub_blocks + j + lane;
        sub->scale = found.scale[lane];
        sub->shifts = static_cast<unsigned>(found.shifts[lane]);
        sub->points[0] = static_cast<uint16_t>(found.points[0][lane]);
        sub->points[1] = static_cast<uint16_t>(found.points[0][lane] >> 16);
      }
    }
    pack_iq1_m(neighbours, blocks + b, sub_blocks, source, weights);
  }
}

constexpr size_t kIq1SBatch = kLanes > 8 ? kLanes / 8 : 1;  // super-blocks

inline void encode_iq1_s(const Neighbours& neighbours, const float* source, const float* importance,
                         block_iq1_s* blocks) {
  float weights[kIq1SBatch * kSuperBlock];
  for (size_t b = 0; b < kIq1SBatch; ++b) {
    const float* x = source + kSuperBlock * b;
    iq1_weights(x, importance ? importance + kSuperBlock * b : nullptr, iq1_mean_square(x), weights + kSuperBlock * b);
  }
  Iq1SSubBlock sub_blocks[8 * kIq1SBatch];
  for (size_t j = 0; j < 8 * kIq1SBatch; j += kLanes) {
    FoundLanes<32> found;
    search_iq1_lanes<32, false>(neighbours, source + 32 * j, weights + 32 * j, kEmptyIq1S, &found);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      Iq1SSubBlock* sub = sub_blocks + j + lane;
      sub->scale = found.scale[lane];
      sub->minus = found.shifts[lane] != 0;
      for (size_t g = 0; g < 4; ++g) {
        sub->points[g] = static_cast<uint16_t>(found.points[g / 2][lane] >> (16 * (g % 2)));
      }
    }
  }
  for (size_t b = 0; b < kIq1SBatch; ++b) pack_iq1_s(neighbours, blocks + b, sub_blocks + 8 * b);
}

inline void encode_row_iq1_s(const float* source, block_iq1_s* blocks, size_t columns, const float* importance) {
  const Neighbours& neighbours = neighbours_iq1_s();
  for_each_batch<kIq1SBatch, kSuperBlock>(
      source, blocks, columns, importance,
      [&](const float* x, const float* w, block_iq1_s* out) { encode_iq1_s(neighbours, x, w, out); });
}

}  // namespace
