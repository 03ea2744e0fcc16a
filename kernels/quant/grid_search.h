// Encoding by codebook, for IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S: a sub-block of 16 or 32 weights gets one scale,
// and each group of 8 or 4 magnitudes an entry of a grid. Absent on purpose: what the bytes look like.
//
//   magnitude ~ scale * (2 * level + 1), the levels of a group being a point of the grid
//
// For each try of a scale every weight is rounded to its level; a group that is then off the grid takes the best of
// the grid points near it (codebooks/neighbours.h: the first one with the smallest weighted error). The try with the
// best least-squares fit wins, and groups that were off the grid are chosen once more at the scale it gave. Sums run in
// the order of the weights with one rounding per operation. Source of the algorithm: ggml-quants.c.
//
// The search is a template parameter of everything above it: the vector kernels bring their own
// (quantize/quantize-iq-inl.h) and share the rest.
#pragma once

#include "quant/codebooks/codebooks.h"
#include "quant/codebooks/neighbours.h"
#include "quant/search.h"

namespace {

// A grid as the search sees it. Levels: 3 for groups of 8, 8 for groups of 4.
struct GridOfEight {
  static constexpr size_t group = 8;
  static constexpr unsigned bits = 2;
  static constexpr int top = 2;
  static uint32_t number_of(uint32_t packed) { return number_of_eight(packed); }
};
struct GridOfFour {
  static constexpr size_t group = 4;
  static constexpr unsigned bits = 3;
  static constexpr int top = 7;
  static uint32_t number_of(uint32_t packed) { return packed; }
};

// Which groups are chosen again at the scale of the best try.
enum class Again {
  kOffGrid,    // those that were off the grid in that try
  kAllOrNone,  // all, if any was off the grid in that try or no try was usable
  kAll,
};

// The tries of a format are a type `Tries`: 1 / scale = (odd number of the top level + step * i) / extreme with
// i = -last .. last; `again` as above.
struct TriesOfSixteen {  // IQ2_XS and IQ2_S: one type, so that they share the code of the search
  static constexpr float step = 0.1f;
  static constexpr int last = 9;
  static constexpr Again again = Again::kOffGrid;
};

// One sub-block as the search sees it.
template <size_t N>
struct SubBlock {
  float x[N];            // magnitudes; with even signs one of a group may be negative
  float weights[N];      // of squared errors
  float roots[N];        // square roots of the weights: they weigh the choice among grid points
  uint8_t signs[N / 8];  // bit i: weight i is negative
  float max;
};

// The error of a packed point at a scale.
template <class Grid>
float grid_error(uint32_t packed, const float* x, const float* roots, float scale) {
  float error = 0.0f;
  for (size_t i = 0; i < Grid::group; ++i) {
    const float odd = static_cast<float>(2 * (packed >> (Grid::bits * i) & ((1u << Grid::bits) - 1)) + 1);
    const float difference = scale * odd - x[i];
    error += roots[i] * difference * difference;
  }
  return error;
}

// Rounds every weight of a group to its level; packed.
template <class Grid>
uint32_t round_to_levels(const float* x, float inverse) {
  uint32_t packed = 0;
  for (size_t i = 0; i < Grid::group; ++i) {
    const int level = clamp_int(round_to_int(0.5f * (inverse * x[i] - 1.0f)), 0, Grid::top);
    packed |= static_cast<uint32_t>(level) << (Grid::bits * i);
  }
  return packed;
}

// The grid point for a group at a scale, packed; `*on_grid`: it is the rounded group itself.
template <class Grid>
uint32_t nearest_on_grid(const Neighbours& grid, const float* x, const float* roots, float inverse, float scale,
                         bool* on_grid) {
  uint32_t packed = round_to_levels<Grid>(x, inverse);
  const uint32_t point = grid.points[Grid::number_of(packed)];
  const uint32_t count = point & 511u;
  *on_grid = count == 0;
  if (count == 0) return packed;
  const uint16_t* candidates = grid.candidates + (point >> 9);
  float best = __FLT_MAX__;
  packed = candidates[0];  // stays where every error overflows
  for (uint32_t j = 0; j < count; ++j) {
    const float error = grid_error<Grid>(candidates[j], x, roots, scale);
    if (error < best) best = error, packed = candidates[j];
  }
  return packed;
}

// Sums of the least-squares problem for one choice of points.
struct GridSums {
  float xq, qq;
};

template <class Grid, size_t N>
GridSums grid_sums(const SubBlock<N>& block, const uint16_t* points) {
  GridSums sums = {0.0f, 0.0f};
  for (size_t i = 0; i < N; ++i) {
    const unsigned level = points[i / Grid::group] >> (Grid::bits * (i % Grid::group)) & ((1u << Grid::bits) - 1);
    const float odd = static_cast<float>(2 * level + 1), w = block.weights[i];
    sums.xq += w * block.x[i] * odd;
    sums.qq += w * odd * odd;
  }
  return sums;
}

// Whether group g is chosen again, given which groups were off the grid in the best try.
inline bool chosen_again(Again again, unsigned off_grid, size_t g) {
  if (again == Again::kOffGrid) return off_grid >> g & 1u;
  return again == Again::kAll || off_grid != 0;
}

// Points and scale of a sub-block. `extreme` is what the tries divide, `scale` what holds if no try is usable. Returns
// the scale, which rounding of the sums may make negative.
template <class Grid, class Tries, size_t N>
float search_grid(const Neighbours& grid, const SubBlock<N>& block, float extreme, float scale, uint16_t* points) {
  constexpr size_t kGroups = N / Grid::group;
  float best = 0.0f;
  unsigned off_grid = Tries::again == Again::kOffGrid ? 0 : ~0u;
  for (size_t g = 0; g < kGroups; ++g) points[g] = 0;
  for (int attempt = -Tries::last; attempt <= Tries::last; ++attempt) {
    const float inverse = (static_cast<float>(2 * Grid::top + 1) + static_cast<float>(attempt) * Tries::step) / extreme;
    uint16_t tried[kGroups];
    unsigned tried_off_grid = 0;
    for (size_t g = 0; g < kGroups; ++g) {
      bool on_grid;
      tried[g] = static_cast<uint16_t>(nearest_on_grid<Grid>(
          grid, block.x + Grid::group * g, block.roots + Grid::group * g, inverse, 1.0f / inverse, &on_grid));
      tried_off_grid |= (on_grid ? 0u : 1u) << g;
    }
    const GridSums sums = grid_sums<Grid>(block, tried);
    if (!(sums.qq > 0.0f && sums.xq * sums.xq > best * sums.qq)) continue;
    scale = sums.xq / sums.qq;
    best = scale * sums.xq;
    off_grid = tried_off_grid;
    for (size_t g = 0; g < kGroups; ++g) points[g] = tried[g];
  }
  bool any = false;
  if (scale > 0.0f) {
    for (size_t g = 0; g < kGroups; ++g) {
      if (!chosen_again(Tries::again, off_grid, g)) continue;
      bool on_grid;
      points[g] = static_cast<uint16_t>(nearest_on_grid<Grid>(
          grid, block.x + Grid::group * g, block.roots + Grid::group * g, 1.0f / scale, scale, &on_grid));
      any = true;
    }
  }
  if (any) {
    const GridSums sums = grid_sums<Grid>(block, points);
    if (sums.qq > 0.0f) scale = sums.xq / sums.qq;
  }
  return scale;
}

// The searches of the scalar references.
struct ScalarSearch {
  template <class Grid, class Tries, size_t N>
  static float grid(const Neighbours& grid, const SubBlock<N>& block, float extreme, float scale, uint16_t* points) {
    return search_grid<Grid, Tries>(grid, block, extreme, scale, points);
  }
  static constexpr size_t kSubBlocks = 8;  // room that positive_scales wants
  // Scales of non-negative codes up to `top` for the eight sub-blocks of a super-block; other sub-blocks are zero.
  template <size_t N>
  static void positive_scales(const SubBlock<N>* blocks, int top, float* scales) {
    for (size_t b = 0; b < 8; ++b) {
      uint8_t codes[N];
      scales[b] = search_positive_scale<N>(blocks[b].x, blocks[b].weights, top, codes);
    }
  }
};

// ---- what comes before and after the search ----

// Weights of squared errors where there is no importance.
enum class Unweighted {
  kOne,     // ggml has no such encoding: as if every importance were 1
  kSquare,  // x^2
  kSpread,  // x^2 + spread / 4
};

// Importance is weighed by sqrt(spread + x^2); spread is once or twice the mean square of the super-block.
inline float sum_of_squares(const float* source) {
  float sum = 0.0f;
  for (size_t i = 0; i < kSuperBlock; ++i) sum += source[i] * source[i];
  return sum;
}

template <size_t N, Unweighted unweighted>
void weigh(const float* source, const float* importance, float spread, SubBlock<N>* block) {
  for (size_t i = 0; i < N; ++i) {
    const float square = source[i] * source[i];
    if (importance) {
      block->weights[i] = importance[i] * __builtin_sqrtf(spread + square);
    } else {
      block->weights[i] = unweighted == Unweighted::kOne      ? __builtin_sqrtf(spread + square)
                          : unweighted == Unweighted::kSquare ? square
                                                              : 0.25f * spread + square;
    }
  }
  for (size_t i = 0; i < N; ++i) block->roots[i] = __builtin_sqrtf(block->weights[i]);
}

// Takes the signs off. With `even` only seven of eight signs are stored: of a group with an odd number of minus signs
// the weight whose sign costs least keeps the wrong one.
template <size_t N, bool even>
void split_signs(const float* source, SubBlock<N>* block) {
  for (size_t g = 0; g < N / 8; ++g) {
    const float* x = source + 8 * g;
    unsigned signs = 0;
    for (size_t i = 0; i < 8; ++i) block->x[8 * g + i] = x[i] >= 0.0f ? x[i] : -x[i];
    for (size_t i = 0; i < 8; ++i) signs |= (x[i] >= 0.0f ? 0u : 1u) << i;
    if (even && __builtin_parity(signs)) {
      size_t least = 0;
      float smallest = block->weights[8 * g] * x[0] * x[0];
      for (size_t i = 1; i < 8; ++i) {
        const float cost = block->weights[8 * g + i] * x[i] * x[i];
        if (cost < smallest) smallest = cost, least = i;
      }
      block->x[8 * g + least] = -block->x[8 * g + least];
      signs ^= 1u << least;
    }
    block->signs[g] = static_cast<uint8_t>(even ? signs & 127u : signs);
  }
  block->max = block->x[0];
  for (size_t i = 1; i < N; ++i) block->max = block->max > block->x[i] ? block->max : block->x[i];
}

// A negative scale is stored as a positive one with every sign turned.
template <size_t N, bool even>
float positive_scale_of(float scale, SubBlock<N>* block) {
  if (!(scale < 0.0f)) return scale;
  for (size_t g = 0; g < N / 8; ++g)
    block->signs[g] = static_cast<uint8_t>(even ? ~block->signs[g] & 127 : ~block->signs[g]);
  return -scale;
}

// The 4-bit code of a sub-block's scale: scale ~ d * (2 * code + 1).
inline unsigned scale_code_4(float inverse, float scale) {
  return static_cast<unsigned>(clamp_int(round_to_int(0.5f * (inverse * scale - 1.0f)), 0, 15));
}

template <size_t N>
float largest(const float (&scales)[N]) {
  float max = 0.0f;
  for (size_t i = 0; i < N; ++i) max = max > scales[i] ? max : scales[i];
  return max;
}

// Decodes eight weights: one packed entry of a grid of eight, or two of a grid of four, the first in the low bits. Bit
// i of `signs` makes weight i negative.
struct ScalarDecoder {
  template <class Grid, class Levels>
  static void eight(uint32_t packed, const Levels& levels, float step, unsigned signs, float* target) {
    for (size_t i = 0; i < 8; ++i) {
      const float magnitude = step * static_cast<float>(levels[packed >> (Grid::bits * i) & ((1u << Grid::bits) - 1)]);
      target[i] = signs >> i & 1u ? -magnitude : magnitude;
    }
  }
};

}  // namespace
