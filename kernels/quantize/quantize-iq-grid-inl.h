// Encoders of IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S: the search of quant/grid_search.h with one try per lane.
//
// All tries of a sub-block's scale are independent, so a lane performs the reference's operations for its try in the
// reference's order. Nearly all time goes into the grid points near a group that is off the grid (30 candidates on
// average for IQ2_XS, 5 for IQ3_XXS, in every one of 19 or 31 tries), and that is where work is saved:
//  - a weight has three or eight possible terms per try; they are computed once, and the error of a candidate is then
//    a sum of eight or four loaded terms;
//  - with the scale rising from lane to lane the levels of a group change in few places, so that neighbouring tries
//    mostly round to the same point and share its list: one pass over a list serves all lanes of a vector that ask it.
//
// Measured with importance on one core of an EPYC (Mweights/s; ggml's encoder in the same run):
//              ggml   ref    SSE2   AVX2   AVX-512
//   IQ2_XXS    2.7    2.1    10.3   14.9   17.5
//   IQ2_XS     0.8    1.1     8.7   12.0   13.8
//   IQ2_S      5.5    7.7    19.4   26.8   30.2
//   IQ3_XXS    3.0    3.5     8.6   13.3   15.9
//   IQ3_S      4.6    5.1    12.6   17.5   19.1
#pragma once

#include "quant/types.h"
#include "quantize/search-inl.h"

namespace {

alignas(64) const float kLaneNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
alignas(64) const int32_t kLanePositions[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The sums of errors: error = ((t0 + t1) + t2) + .. with t the terms of a candidate's levels.
template <class Grid>
struct GridTerms {
  static constexpr size_t levels = Grid::top + 1;
  alignas(64) float terms[Grid::group][levels][kLanes];

  void fill(const float* x, const float* roots, const F (&products)[levels]) {
    for (size_t i = 0; i < Grid::group; ++i) {
      const F value = Simd::set(x[i]), root = Simd::set(roots[i]);
      for (size_t l = 0; l < levels; ++l) {
        const F difference = Simd::sub(products[l], value);
        Simd::store(terms[i][l], Simd::mul(Simd::mul(root, difference), difference));
      }
    }
  }

  F error(uint32_t packed) const {
    constexpr uint32_t mask = (1u << Grid::bits) - 1;
    F sum = Simd::load(terms[0][packed & mask]);
    for (size_t i = 1; i < Grid::group; ++i) {
      sum = Simd::add(sum, Simd::load(terms[i][packed >> (Grid::bits * i) & mask]));
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
template <class Grid>
uint32_t best_candidate(const uint16_t* candidates, uint32_t count, const float* x, const float* roots, float scale) {
  constexpr int32_t mask = (1 << (Grid::bits + 1)) - 2;
  F best = Simd::set(__FLT_MAX__);
  I best_position = Simd::set_i(0);
  I position = Simd::load_i(kLanePositions);
  for (uint32_t j = 0; j < count; j += kLanes) {
    I twice = Simd::shl<1>(Simd::load_u16(candidates + j));
    F error = Simd::set(0.0f);
    for (size_t i = 0; i < Grid::group; ++i) {
      const F odd = Simd::to_float(Simd::or_i(Simd::and_i(twice, Simd::set_i(mask)), Simd::set_i(1)));
      const F difference = Simd::sub(Simd::mul(Simd::set(scale), odd), Simd::set(x[i]));
      error = Simd::add(error, Simd::mul(Simd::mul(Simd::set(roots[i]), difference), difference));
      twice = Simd::shr<Grid::bits>(twice);
    }
    const M listed = Simd::gt_i(Simd::set_i(static_cast<int32_t>(count)), position);
    const M better = Simd::both(listed, Simd::lt(error, best));
    best = Simd::select(better, error, best);
    best_position = Simd::select_i(better, position, best_position);
    position = Simd::add_i(position, Simd::set_i(kLanes));
  }
  alignas(64) float errors[kLanes];
  alignas(64) int32_t positions[kLanes];
  Simd::store(errors, best);
  Simd::store_i(positions, best_position);
  float smallest = errors[0];
  int32_t first = positions[0];
  for (size_t lane = 1; lane < kLanes; ++lane) {
    if (errors[lane] < smallest || (errors[lane] == smallest && positions[lane] < first)) {
      smallest = errors[lane];
      first = positions[lane];
    }
  }
  return candidates[first];
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
      const size_t used = kTries - v * kLanes < kLanes ? kTries - v * kLanes : kLanes;
      for (size_t g = 0; g < kGroups; ++g) {
        const I codes = round_group<Grid>(block.x + Grid::group * g, inverse);
        Simd::store_i(rounded[v][g], codes);
        Simd::store_i(chosen[v][g], onto_grid<Grid>(grid, codes, rounded[v][g], used, block.x + Grid::group * g,
                                                    block.roots + Grid::group * g, products));
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

  template <size_t N>
  static float positive_scale(const SubBlock<N>& block, int top) {
    uint8_t codes[N];
    return search_positive_scale<N>(block.x, block.weights, top, codes);
  }

 private:
  // Replaces the points of lanes that are off the grid; `lane_codes` are the `codes` in memory.
  template <class Grid, size_t kLevels>
  static I onto_grid(const Neighbours& grid, I codes, const uint32_t* lane_codes, size_t used, const float* x,
                     const float* roots, const F (&products)[kLevels]) {
    GridTerms<Grid> terms;
    bool filled = false;
    I result = codes;
    for (size_t lane = 0; lane < used; ++lane) {
      const uint32_t packed = lane_codes[lane];
      if (lane != 0 && packed == lane_codes[lane - 1]) continue;
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
      points[g] = static_cast<uint16_t>(count == 0 ? packed
                                                   : best_candidate<Grid>(grid.candidates + (point >> 9), count, x,
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
