// Encoders of IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S: the search of quant/grid_search.h with one try per lane.
//
// All tries of a sub-block's scale are independent, so a lane performs the reference's operations for its try in the
// reference's order. Nine tenths of the time go into the lists of grid points near a group that is off the grid (30
// candidates on average for IQ2_XS, 5 for IQ3_XXS, in every one of 19 or 31 tries). A weight has only three or eight
// possible terms in the error of a candidate; they are computed once per try and looked up:
//  - where registers can be tables (AVX2, AVX-512), candidates are in the lanes and a try takes its list at once;
//  - elsewhere tries stay in the lanes, a term is a load, and since the levels change in few places while the scale
//    rises, one pass over a list serves all tries of a vector that round to the same point.
//
// Measured with importance on one core of an EPYC, shared with other work (Mweights/s):
//              ggml   ref    SSE2   AVX2   AVX-512
//   IQ2_XXS    2.7    2.1    12.1   24.0   31.8
//   IQ2_XS     0.8    1.1     9.2   15.5   21.9
//   IQ2_S      5.5    7.7    19.7   32.4   42.5
//   IQ3_XXS    3.0    3.5     8.4   16.6   21.3
//   IQ3_S      4.6    5.1    12.7   23.4   32.0
// What the steps bought, IQ3_S on AVX-512: one try per lane 19.1, no branch in the choice among lanes and in the signs
// 22.8, candidates in the lanes 32.0. WebAssembly reaches half of AVX2.
#pragma once

#include "quant/types.h"
#include "quantize/search-inl.h"

namespace {

alignas(64) const float kLaneNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
alignas(64) const int32_t kLanePositions[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The errors of candidates: ((t0 + t1) + t2) + .., with t the terms of the candidate's levels. Sums of the first three
// of eight terms are shared, too: 27 of them serve all candidates.
template <class Grid>
struct GridTerms {
  static constexpr size_t levels = Grid::top + 1;
  static constexpr size_t shared = Grid::group == 8 ? 3 : 1;
  static constexpr uint32_t level_mask = (1u << Grid::bits) - 1;
  static constexpr uint32_t shared_mask = (1u << (Grid::bits * shared)) - 1;
  alignas(64) float sums[shared_mask + 1][kLanes];  // by the packed levels of the first weights
  alignas(64) float terms[Grid::group - shared][levels][kLanes];

  void fill(const float* x, const float* roots, const F (&products)[levels]) {
    const auto term = [&](size_t i, size_t l) {
      const F difference = Simd::sub(products[l], Simd::set(x[i]));
      return Simd::mul(Simd::mul(Simd::set(roots[i]), difference), difference);
    };
    for (size_t l = 0; l < levels; ++l) {
      const F first = term(0, l);
      if constexpr (shared == 1) {
        Simd::store(sums[l], first);
      } else {
        for (size_t m = 0; m < levels; ++m) {
          const F second = Simd::add(first, term(1, m));
          for (size_t n = 0; n < levels; ++n) {
            Simd::store(sums[l | m << Grid::bits | n << (2 * Grid::bits)], Simd::add(second, term(2, n)));
          }
        }
      }
    }
    for (size_t i = shared; i < Grid::group; ++i) {
      for (size_t l = 0; l < levels; ++l) Simd::store(terms[i - shared][l], term(i, l));
    }
  }

  F error(uint32_t packed) const {
    F sum = Simd::load(sums[packed & shared_mask]);
    for (size_t i = shared; i < Grid::group; ++i) {
      sum = Simd::add(sum, Simd::load(terms[i - shared][packed >> (Grid::bits * i) & level_mask]));
    }
    return sum;
  }
};

// Every lane's group rounded to levels at the lane's scale, packed. The clamp works on the biased mantissa (see
// round_to_int); the bias is taken off once for all levels.
template <class Grid>
I round_group(const float* x, F inverse) {
  constexpr uint32_t bias = 0x00400000u;
  uint32_t all_biases = 0;
  I packed = Simd::set_i(0);
  for (size_t i = Grid::group; i-- > 0;) {
    const F scaled = Simd::mul(Simd::set(0.5f), Simd::sub(Simd::mul(inverse, Simd::set(x[i])), Simd::set(1.0f)));
    const I mantissa = Simd::and_i(Simd::bits(Simd::add(scaled, Simd::set(kMagic))), Simd::set_i(0x007fffff));
    const I level = Simd::min_i(Simd::max_i(mantissa, Simd::set_i(bias)), Simd::set_i(bias + Grid::top));
    packed = Simd::add_i(Simd::shl<Grid::bits>(packed), level);
    all_biases = (all_biases << Grid::bits) + bias;
  }
  return Simd::sub_i(packed, Simd::set_i(static_cast<int32_t>(all_biases)));
}

// The first candidate with the smallest error at one scale, candidates in the lanes.
template <class Grid, class V>
uint32_t best_candidate(const uint16_t* candidates, uint32_t count, const float* x, const float* roots, float scale) {
  const F zero = Simd::set(0.0f), limit = Simd::set(__FLT_MAX__);
  F tables[Grid::group];  // with lookups: the terms of all levels
  if constexpr (V::has_permute) {
    F products;
    if constexpr (Grid::group == 8) {
      products = Simd::mul(Simd::set(scale), V::odd4());
    } else {
      products = Simd::mul(Simd::set(scale), V::odd8());
    }
    for (size_t i = 0; i < Grid::group; ++i) {
      const F difference = Simd::sub(products, Simd::set(x[i]));
      tables[i] = Simd::mul(Simd::mul(Simd::set(roots[i]), difference), difference);
    }
  }
  const auto error_of = [&](I packed) {
    F error = zero;
    for (size_t i = 0; i < Grid::group; ++i) {
      F term;
      if constexpr (V::has_permute && Grid::group == 8) {
        term = V::permute4(tables[i], packed);
      } else if constexpr (V::has_permute) {
        term = V::permute8(tables[i], packed);
      } else {
        constexpr int32_t mask = (1 << Grid::bits) - 1;
        const F level = Simd::to_float(Simd::and_i(packed, Simd::set_i(mask)));
        const F odd = Simd::add(Simd::add(level, level), Simd::set(1.0f));
        const F difference = Simd::sub(Simd::mul(Simd::set(scale), odd), Simd::set(x[i]));
        term = Simd::mul(Simd::mul(Simd::set(roots[i]), difference), difference);
      }
      error = i == 0 ? term : Simd::add(error, term);
      packed = Simd::shr<Grid::bits>(packed);
    }
    return error;
  };
  I position = Simd::load_i(kLanePositions);
  const I end = Simd::set_i(static_cast<int32_t>(count));
  F best = Simd::select(Simd::gt_i(end, position), Simd::min(error_of(Simd::load_u16(candidates)), limit), limit);
  if constexpr (V::has_permute) {
    if (count <= kLanes) return candidates[__builtin_ctz(V::smallest(best))];
  }
  I best_position = position;
  for (uint32_t j = kLanes; j < count; j += kLanes) {
    position = Simd::add_i(position, Simd::set_i(kLanes));
    const F error = error_of(Simd::load_u16(candidates + j));
    const M better = Simd::both(Simd::gt_i(end, position), Simd::lt(error, best));
    best = Simd::select(better, error, best);
    best_position = Simd::select_i(better, position, best_position);
  }
  // The smallest error of all lanes, the first of equals: errors are not negative, so their bits are in their order. A
  // loop with branches is mispredicted in half of its turns.
  alignas(64) uint32_t errors[kLanes], positions[kLanes];
  Simd::store_i(positions, best_position);
  if constexpr (V::has_permute) {
    uint32_t lanes = V::smallest(best), first = positions[__builtin_ctz(lanes)];
    for (lanes &= lanes - 1; lanes != 0; lanes &= lanes - 1) {
      const uint32_t other = positions[__builtin_ctz(lanes)];
      first = other < first ? other : first;
    }
    return candidates[first];
  }
  Simd::store_i(errors, Simd::bits(best));
  uint64_t first = ~uint64_t{0};
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const uint64_t key = static_cast<uint64_t>(errors[lane]) << 32 | positions[lane];
    first = key < first ? key : first;
  }
  return candidates[static_cast<uint32_t>(first)];
}

struct LaneSearch {
  template <class Grid, class Tries, size_t N>
  static float grid(const Neighbours& grid, const SubBlock<N>& block, float extreme, float scale, uint16_t* points) {
    constexpr size_t kGroups = N / Grid::group, kLevels = Grid::top + 1;
    constexpr size_t kTries = 2 * Tries::last + 1, kVectors = (kTries + kLanes - 1) / kLanes;
    alignas(64) uint32_t rounded[kVectors][kGroups][kLanes];  // before and after the step onto the grid
    alignas(64) uint32_t chosen[kVectors][kGroups][kLanes];
    alignas(64) float sums_xq[kVectors][kLanes], sums_qq[kVectors][kLanes];
    for (size_t v = 0; v < kVectors; ++v) {
      const F attempt = Simd::add(Simd::load(kLaneNumbers), Simd::set(static_cast<float>(v * kLanes) - Tries::last));
      const F numerator = Simd::add(Simd::set(2 * Grid::top + 1), Simd::mul(attempt, Simd::set(Tries::step)));
      const F inverse = Simd::div(numerator, Simd::set(extreme));
      const F lane_scale = Simd::div(Simd::set(1.0f), inverse);
      F products[kLevels];
      for (size_t l = 0; l < kLevels; ++l)
        products[l] = Simd::mul(lane_scale, Simd::set(static_cast<float>(2 * l + 1)));
      alignas(64) float lane_scales[kLanes];
      Simd::store(lane_scales, lane_scale);
      const size_t used = kTries - v * kLanes < kLanes ? kTries - v * kLanes : kLanes;
      for (size_t g = 0; g < kGroups; ++g) {
        const float *x = block.x + Grid::group * g, *roots = block.roots + Grid::group * g;
        const I codes = round_group<Grid>(x, inverse);
        Simd::store_i(rounded[v][g], codes);
        if constexpr (Simd::has_permute) {
          Simd::store_i(chosen[v][g], codes);
          for (size_t lane = 0; lane < used; ++lane) {
            const uint32_t point = grid.points[Grid::number_of(rounded[v][g][lane])], count = point & 511u;
            if (count == 0) continue;
            chosen[v][g][lane] =
                best_candidate<Grid, Simd>(grid.candidates + (point >> 9), count, x, roots, lane_scales[lane]);
          }
        } else {
          Simd::store_i(chosen[v][g], onto_grid<Grid>(grid, codes, rounded[v][g], used, x, roots, products));
        }
      }
      sum_lanes<Grid>(block, chosen[v], sums_xq[v], sums_qq[v]);
    }
    float best = 0.0f;
    size_t best_try = kTries;
    for (size_t t = 0; t < kTries; ++t) {
      const float xq = sums_xq[t / kLanes][t % kLanes], qq = sums_qq[t / kLanes][t % kLanes];
      if (!(qq > 0.0f && xq * xq > best * qq)) continue;
      scale = xq / qq;
      best = scale * xq;
      best_try = t;
    }
    unsigned off_grid = Tries::again == Again::kOffGrid ? 0 : ~0u;
    if (best_try < kTries) off_grid = 0;
    for (size_t g = 0; g < kGroups; ++g) {
      points[g] = 0;
      if (best_try == kTries) continue;
      const size_t v = best_try / kLanes, lane = best_try % kLanes;
      points[g] = static_cast<uint16_t>(chosen[v][g][lane]);
      off_grid |= (chosen[v][g][lane] != rounded[v][g][lane] ? 1u : 0u) << g;
    }
    return again<Grid, Tries>(grid, block, off_grid, scale, points);
  }

  static constexpr size_t kSubBlocks = kLanes > 8 ? kLanes : 8;
  // One sub-block per lane.
  template <size_t N>
  static void positive_scales(const SubBlock<N>* blocks, int top, float* scales) {
    constexpr size_t kStride = sizeof *blocks / sizeof(float);
    static_assert(sizeof *blocks % sizeof(float) == 0, "sub-blocks lie at a distance of whole floats");
    for (size_t b = 0; b < 8; b += kLanes) {
      Lanes<N, 1> x;
      F weights[N], found[1];
      I codes[1][N];
      for (size_t i = 0; i < N; i += kLanes) {
        Simd::transpose(blocks[b].x + i, kStride, x.v[0] + i);
        Simd::transpose(blocks[b].weights + i, kStride, weights + i);
      }
      search_positive_scale_lanes<N, 1>(x, weights, top, found, codes);
      Simd::store(scales + b, found[0]);
    }
  }

 private:
  // Replaces the points of lanes that are off the grid; `lane_codes` are the `codes` in memory.
  template <class Grid, size_t kLevels>
  static I onto_grid(const Neighbours& grid, I codes, const uint32_t* lane_codes, size_t used, const float* x,
                     const float* roots, const F (&products)[kLevels]) {
    GridTerms<Grid> terms;
    bool filled = false;
    I result = codes;
    // Lanes that differ from the one before; the loop over bits is mispredicted once, one over lanes several times.
    uint32_t starts = 1;
    for (size_t lane = 1; lane < kLanes; ++lane) starts |= (lane_codes[lane] != lane_codes[lane - 1] ? 1u : 0u) << lane;
    for (starts &= ~0u >> (32 - used); starts != 0; starts &= starts - 1) {
      const uint32_t packed = lane_codes[__builtin_ctz(starts)];
      const uint32_t point = grid.points[Grid::number_of(packed)];
      const uint32_t count = point & 511u;
      if (count == 0) continue;
      if (!filled) terms.fill(x, roots, products);
      filled = true;
      const uint16_t* candidates = grid.candidates + (point >> 9);
      F best = Simd::set(__FLT_MAX__);
      I winner = Simd::set_i(candidates[0]);
      for (uint32_t j = 0; j < count; ++j) {
        const F error = terms.error(candidates[j]);
        const M better = Simd::lt(error, best);
        best = Simd::min(error, best);
        winner = Simd::select_i(better, Simd::set_i(candidates[j]), winner);
      }
      result = Simd::select_i(Simd::eq_i(codes, Simd::set_i(static_cast<int32_t>(packed))), winner, result);
    }
    return result;
  }

  template <class Grid, size_t N>
  static void sum_lanes(const SubBlock<N>& block, const uint32_t (*chosen)[kLanes], float* sums_xq, float* sums_qq) {
    constexpr int32_t mask = (1 << (Grid::bits + 1)) - 2;
    F xq = Simd::set(0.0f), qq = Simd::set(0.0f);
    for (size_t g = 0; g < N / Grid::group; ++g) {
      I twice = Simd::shl<1>(Simd::load_i(chosen[g]));
      for (size_t i = 0; i < Grid::group; ++i) {
        const float x = block.x[Grid::group * g + i], w = block.weights[Grid::group * g + i];
        const F odd = Simd::to_float(Simd::or_i(Simd::and_i(twice, Simd::set_i(mask)), Simd::set_i(1)));
        xq = Simd::add(xq, Simd::mul(Simd::set(w * x), odd));
        qq = Simd::add(qq, Simd::mul(Simd::mul(Simd::set(w), odd), odd));
        twice = Simd::shr<Grid::bits>(twice);
      }
    }
    Simd::store(sums_xq, xq);
    Simd::store(sums_qq, qq);
  }

  // Groups chosen once more at the scale of the best try, and the scale that fits them.
  template <class Grid, class Tries, size_t N>
  static float again(const Neighbours& grid, const SubBlock<N>& block, unsigned off_grid, float scale,
                     uint16_t* points) {
    if (!(scale > 0.0f)) return scale;
    bool any = false;
    for (size_t g = 0; g < N / Grid::group; ++g) {
      if (!chosen_again(Tries::again, off_grid, g)) continue;
      any = true;
      const float* x = block.x + Grid::group * g;
      const uint32_t packed = round_to_levels<Grid>(x, 1.0f / scale);
      const uint32_t point = grid.points[Grid::number_of(packed)];
      const uint32_t count = point & 511u;
      points[g] =
          static_cast<uint16_t>(count == 0 ? packed
                                           : best_candidate<Grid, Simd>(grid.candidates + (point >> 9), count, x,
                                                                        block.roots + Grid::group * g, scale));
    }
    if (!any) return scale;
    const GridSums sums = grid_sums<Grid>(block, points);
    return sums.qq > 0.0f ? sums.xq / sums.qq : scale;
  }
};

#define QS_ENCODE_ROW(type)                                                                                           \
  inline void encode_row_##type(const float* source, block_##type* blocks, size_t columns, const float* importance) { \
    for (size_t b = 0; b < columns / kSuperBlock; ++b) {                                                              \
      encode_##type<LaneSearch>(source + kSuperBlock * b, blocks + b,                                                 \
                                importance ? importance + kSuperBlock * b : nullptr);                                 \
    }                                                                                                                 \
  }
QS_ENCODE_ROW(iq2_xxs)
QS_ENCODE_ROW(iq2_xs)
QS_ENCODE_ROW(iq2_s)
QS_ENCODE_ROW(iq3_xxs)
QS_ENCODE_ROW(iq3_s)
#undef QS_ENCODE_ROW

}  // namespace
