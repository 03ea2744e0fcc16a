// The searches of quant/search.h with one block per lane: every lane performs the reference's operations in the
// reference's order, so the bits are the same and nothing has to be reassociated. Written once for every instruction
// set.
//
// U groups of `lanes` blocks run side by side in the search with a minimum: its ordered sums are chains of dependent
// additions, and a second chain fills the wait. Measured on one core of an EPYC with AVX-512 (Q4_K, Mweights/s):
//                                  AVX2   AVX-512
//   one block after another (ref)        19.6
//   lanes, U = 1                    142     264
//   lanes, U = 2                    163     319
// The tries of the symmetric search do not depend on one another, so one group is enough there. Skipping the error pass
// of tries that a bound shows to be worse was considered and left out: with 8 to 32 blocks in step, some block nearly
// always improves.
#pragma once

#include "quant/search.h"

namespace {

using F = Simd::F;
using I = Simd::I;
using M = Simd::M;
constexpr size_t kLanes = Simd::lanes;
constexpr size_t kUnroll = 2;

// round_to_int and clamp, as floats. For |value| < 2^22 the biased sum clamps directly: value + magic lies between
// `low` and `high` exactly when the integer does. Three operations instead of six.
constexpr float kMagic = 12582912.0f;
inline F round_clamped(F value, F low, F high) {
  const F biased = Simd::add(value, Simd::set(kMagic));
  return Simd::sub(Simd::min(Simd::max(biased, low), high), Simd::set(kMagic));
}

// round_to_int for any value, through the mantissa bits as the reference has it.
inline I round_any(F value) {
  const I mantissa = Simd::and_i(Simd::bits(Simd::add(value, Simd::set(kMagic))), Simd::set_i(0x007fffff));
  return Simd::sub_i(mantissa, Simd::set_i(0x00400000));
}

inline F round_clamped_any(F value, int low, int high) {
  return Simd::to_float(Simd::min_i(Simd::max_i(round_any(value), Simd::set_i(low)), Simd::set_i(high)));
}

constexpr float kExactLimit = 4194303.0f;
inline M in_exact_range(F value) { return Simd::lt(Simd::abs(value), Simd::set(kExactLimit)); }

// U * lanes consecutive blocks of N weights, as vectors of corresponding weights.
template <size_t N, size_t U>
struct Lanes {
  F v[U][N];

  void load(const float* source) {
    for (size_t u = 0; u < U; ++u) {
      for (size_t i = 0; i < N; i += kLanes) Simd::transpose(source + u * kLanes * N + i, N, v[u] + i);
    }
  }
};

// What search_scale found: scale per block, and the inverse that produced the codes of the best try. A caller that
// needs those codes computes them again (`scale_codes`): cheaper than keeping them through nineteen tries.
template <size_t U>
struct Scale {
  F scale[U];
  F inverse[U];
};

// The first weight of largest magnitude. Empty blocks get 1, which keeps their lanes finite, and a true mask.
template <size_t N>
F find_extreme(const F (&x)[N], M* empty) {
  F extreme = Simd::set(0.0f), magnitude = extreme;
  for (size_t i = 0; i < N; ++i) {
    const F m = Simd::abs(x[i]);
    const M larger = Simd::lt(magnitude, m);
    magnitude = Simd::select(larger, m, magnitude);
    extreme = Simd::select(larger, x[i], extreme);
  }
  *empty = Simd::lt(magnitude, Simd::set(kEmptyBlock));
  return Simd::select(*empty, Simd::set(1.0f), extreme);
}

template <size_t N, size_t U, bool kWeighted>
void search_scale_lanes(const Lanes<N, U>& x, const Lanes<N, U>& weights, int top, Scale<U>* result) {
  F extreme[U], best[U];
  M empty[U];
  for (size_t u = 0; u < U; ++u) extreme[u] = find_extreme(x.v[u], empty + u);
  const float bound = static_cast<float>(top);
  const F low = Simd::set(kMagic - bound), high = Simd::set(kMagic + bound - 1.0f);
  for (int attempt = 0; attempt < 19; ++attempt) {
    const int shift = attempt == 0 ? 0 : attempt <= 9 ? attempt - 10 : attempt - 9;
    const F numerator = Simd::set(-(bound + 0.1f * static_cast<float>(shift)));
    F inverse[U], sum_xl[U], sum_ll[U];
    for (size_t u = 0; u < U; ++u) {
      inverse[u] = Simd::div(numerator, extreme[u]);
      sum_xl[u] = sum_ll[u] = Simd::set(0.0f);
    }
    for (size_t i = 0; i < N; ++i) {
      for (size_t u = 0; u < U; ++u) {
        const F weight = x.v[u][i];
        // |inverse * x| <= top + 0.9: always in range for finite input.
        const F code = round_clamped(Simd::mul(inverse[u], weight), low, high);
        const F w = kWeighted ? weights.v[u][i] : Simd::mul(weight, weight);
        sum_xl[u] = Simd::add(sum_xl[u], Simd::mul(Simd::mul(w, weight), code));
        sum_ll[u] = Simd::add(sum_ll[u], Simd::mul(Simd::mul(w, code), code));
      }
    }
    for (size_t u = 0; u < U; ++u) {
      const M positive = Simd::lt(Simd::set(0.0f), sum_ll[u]);
      if (attempt == 0) {
        const M zero = Simd::eq(sum_ll[u], Simd::set(0.0f));
        result->scale[u] = Simd::select(zero, Simd::set(0.0f), Simd::div(sum_xl[u], sum_ll[u]));
        result->inverse[u] = inverse[u];
        best[u] = Simd::mul(result->scale[u], sum_xl[u]);
        continue;
      }
      const M better = Simd::both(positive, Simd::lt(Simd::mul(best[u], sum_ll[u]), Simd::mul(sum_xl[u], sum_xl[u])));
      if (!Simd::any(better)) continue;
      const F scale = Simd::div(sum_xl[u], sum_ll[u]);
      result->scale[u] = Simd::select(better, scale, result->scale[u]);
      result->inverse[u] = Simd::select(better, inverse[u], result->inverse[u]);
      best[u] = Simd::select(better, Simd::mul(scale, sum_xl[u]), best[u]);
    }
  }
  // Empty blocks: scale 0; an inverse of 0 marks them for scale_codes.
  for (size_t u = 0; u < U; ++u) {
    result->scale[u] = Simd::select(empty[u], Simd::set(0.0f), result->scale[u]);
    result->inverse[u] = Simd::select(empty[u], Simd::set(0.0f), result->inverse[u]);
  }
}

// The codes of the best try, 0 .. 2 * top - 1; all 0 in an empty block.
inline F scale_code(F x, F inverse, int top) {
  const float bound = static_cast<float>(top);
  const F code = round_clamped(Simd::mul(inverse, x), Simd::set(kMagic - bound), Simd::set(kMagic + bound - 1.0f));
  const M empty = Simd::eq(inverse, Simd::set(0.0f));
  return Simd::select(empty, Simd::set(0.0f), Simd::add(code, Simd::set(bound)));
}

// improve_scale. What is left out changes no lane: a weight is not looked at again before a code has moved since (the
// reference ends a round later, at its beginning), and the comparison is made only where some lane's code would move
// (2 % of the weights in the first round, fewer later). Both together: 1.5 (AVX-512) to 1.6 (AVX2) times as fast.
// Keeping each weight's part of the sums instead of multiplying it out again bought 4 % (AVX2). Asking whether the code
// would move without dividing, by a bound, cost 12 %: the answer is mispredicted twice then.
template <size_t N, size_t U>
void improve_scale_lanes(const Lanes<N, U>& x, int top, Lanes<N, U>* codes, F (&scale)[U]) {
  const F zero = Simd::set(0.0f);
  const float bound = static_cast<float>(top);
  const F low = Simd::set(kMagic - bound), high = Simd::set(kMagic + bound - 1.0f);
  F sum_xl[U], sum_ll[U], part_xl[U][N], part_ll[U][N];  // what a weight has of the sums
  M empty[U];
  for (size_t u = 0; u < U; ++u) {
    const F inverse = Simd::div(Simd::set(-bound), find_extreme(x.v[u], empty + u));
    sum_xl[u] = sum_ll[u] = zero;
    for (size_t i = 0; i < N; ++i) {
      const F weight = x.v[u][i], w = Simd::mul(weight, weight);
      const F code = round_clamped(Simd::mul(inverse, weight), low, high);  // in range: |inverse * x| <= top
      codes->v[u][i] = code;
      part_xl[u][i] = Simd::mul(Simd::mul(w, weight), code);
      part_ll[u][i] = Simd::mul(Simd::mul(w, code), code);
      sum_xl[u] = Simd::add(sum_xl[u], part_xl[u][i]);
      sum_ll[u] = Simd::add(sum_ll[u], part_ll[u][i]);
    }
  }
  size_t unchanged = 0;  // weights looked at since a code moved in any lane
  for (size_t step = 0; step < 5 * N && unchanged < N; ++step) {
    const size_t i = step % N;
    ++unchanged;
    for (size_t u = 0; u < U; ++u) {
      const F weight = x.v[u][i], code = codes->v[u][i];
      const F rest_xl = Simd::sub(sum_xl[u], part_xl[u][i]), rest_ll = Simd::sub(sum_ll[u], part_ll[u][i]);
      const F moved = round_clamped_any(Simd::div(Simd::mul(weight, rest_ll), rest_xl), -top, top - 1);
      const M moves = Simd::lt(zero, Simd::select(Simd::eq(moved, code), zero, rest_xl));
      if (!Simd::any(moves)) continue;
      const F w = Simd::mul(weight, weight);
      const F moved_xl = Simd::mul(Simd::mul(w, weight), moved), moved_ll = Simd::mul(Simd::mul(w, moved), moved);
      const F new_xl = Simd::add(rest_xl, moved_xl), new_ll = Simd::add(rest_ll, moved_ll);
      const F gain = Simd::mul(Simd::mul(new_xl, new_xl), sum_ll[u]);
      const F level = Simd::mul(Simd::mul(sum_xl[u], sum_xl[u]), new_ll);
      const M better = Simd::both(Simd::both(moves, Simd::lt(zero, new_ll)), Simd::lt(level, gain));
      if (!Simd::any(better)) continue;
      unchanged = 0;
      codes->v[u][i] = Simd::select(better, moved, code);
      part_xl[u][i] = Simd::select(better, moved_xl, part_xl[u][i]);
      part_ll[u][i] = Simd::select(better, moved_ll, part_ll[u][i]);
      sum_xl[u] = Simd::select(better, new_xl, sum_xl[u]);
      sum_ll[u] = Simd::select(better, new_ll, sum_ll[u]);
    }
  }
  for (size_t u = 0; u < U; ++u) {
    const M solvable = Simd::lt(zero, sum_ll[u]);
    scale[u] = Simd::select(solvable, Simd::div(sum_xl[u], sum_ll[u]), zero);
    scale[u] = Simd::select(empty[u], zero, scale[u]);
    for (size_t i = 0; i < N; ++i) {
      codes->v[u][i] = Simd::select(empty[u], zero, Simd::add(codes->v[u][i], Simd::set(bound)));
    }
  }
}

// What search_scale_min found; `inverse` and `base` give the codes of the best try: round(inverse * (x - base)).
template <size_t U>
struct ScaleMin {
  F scale[U];
  F min[U];
  F inverse[U];
  F base[U];
};

template <ErrorOf error_of>
F weighted_error(F weight, F difference) {
  const F size = error_of == kSquaredError ? Simd::mul(difference, difference) : Simd::abs(difference);
  return Simd::mul(weight, size);
}

template <size_t N, size_t U, ErrorOf error_of = kSquaredError>
void search_scale_min_lanes(const Lanes<N, U>& x, const Lanes<N, U>& weights, int top, ScaleSteps steps,
                            ScaleMin<U>* result) {
  const F zero = Simd::set(0.0f);
  const F low = Simd::set(kMagic), high = Simd::set(kMagic + static_cast<float>(top));
  F smallest[U], min[U], max[U], sum_w[U], sum_x[U], best[U], scale[U];
  M flat[U];
  Lanes<N, U> codes;
  for (size_t u = 0; u < U; ++u) {
    min[u] = max[u] = x.v[u][0];
    sum_w[u] = weights.v[u][0];
    sum_x[u] = Simd::mul(sum_w[u], x.v[u][0]);
  }
  for (size_t i = 1; i < N; ++i) {
    for (size_t u = 0; u < U; ++u) {
      min[u] = Simd::min(x.v[u][i], min[u]);
      max[u] = Simd::max(x.v[u][i], max[u]);
      sum_w[u] = Simd::add(sum_w[u], weights.v[u][i]);
      sum_x[u] = Simd::add(sum_x[u], Simd::mul(weights.v[u][i], x.v[u][i]));
    }
  }
  for (size_t u = 0; u < U; ++u) {
    smallest[u] = min[u];
    min[u] = Simd::select(Simd::lt(zero, min[u]), zero, min[u]);
    flat[u] = Simd::eq(max[u], min[u]);
    const F inverse = Simd::div(Simd::set(static_cast<float>(top)), Simd::sub(max[u], min[u]));
    scale[u] = Simd::select(flat[u], zero, Simd::div(Simd::set(1.0f), inverse));
    result->inverse[u] = Simd::select(flat[u], zero, inverse);
    result->base[u] = min[u];
    best[u] = zero;
    for (size_t i = 0; i < N; ++i) {
      const F code = round_clamped_any(Simd::mul(result->inverse[u], Simd::sub(x.v[u][i], min[u])), 0, top);
      const F difference = Simd::sub(Simd::add(Simd::mul(scale[u], code), min[u]), x.v[u][i]);
      best[u] = Simd::add(best[u], weighted_error<error_of>(weights.v[u][i], difference));
    }
    // A flat lane stays finite (one lane out of range slows every lane) and never improves.
    best[u] = Simd::select(flat[u], Simd::set(-__builtin_inff()), best[u]);
  }
  for (int attempt = 0; attempt <= steps.last; ++attempt) {
    const F numerator = Simd::set(steps.first + steps.step * static_cast<float>(attempt) + static_cast<float>(top));
    F inverse[U], sum_l[U], sum_ll[U], sum_xl[U];
    bool exact = true;
    for (size_t u = 0; u < U; ++u) {
      inverse[u] = Simd::select(flat[u], zero, Simd::div(numerator, Simd::sub(max[u], min[u])));
      // Rounding is monotonic, so the largest and the smallest weight bound every product of the block.
      const M above = in_exact_range(Simd::mul(inverse[u], Simd::sub(max[u], min[u])));
      const M below = in_exact_range(Simd::mul(inverse[u], Simd::sub(smallest[u], min[u])));
      exact = exact && Simd::all(Simd::both(above, below));
      sum_l[u] = sum_ll[u] = sum_xl[u] = zero;
    }
    const auto accumulate = [&](size_t u, size_t i, F code) {
      codes.v[u][i] = code;
      const F weighted = Simd::mul(weights.v[u][i], code);
      sum_l[u] = Simd::add(sum_l[u], weighted);
      sum_ll[u] = Simd::add(sum_ll[u], Simd::mul(weighted, code));
      sum_xl[u] = Simd::add(sum_xl[u], Simd::mul(weighted, x.v[u][i]));
    };
    if (exact) {
      for (size_t i = 0; i < N; ++i) {
        for (size_t u = 0; u < U; ++u) {
          accumulate(u, i, round_clamped(Simd::mul(inverse[u], Simd::sub(x.v[u][i], min[u])), low, high));
        }
      }
    } else {
      for (size_t i = 0; i < N; ++i) {
        for (size_t u = 0; u < U; ++u) {
          accumulate(u, i, round_clamped_any(Simd::mul(inverse[u], Simd::sub(x.v[u][i], min[u])), 0, top));
        }
      }
    }
    F try_scale[U], try_min[U], error[U];
    M solvable[U];
    for (size_t u = 0; u < U; ++u) {
      const F determinant = Simd::sub(Simd::mul(sum_w[u], sum_ll[u]), Simd::mul(sum_l[u], sum_l[u]));
      solvable[u] = Simd::lt(zero, determinant);
      try_scale[u] = Simd::div(Simd::sub(Simd::mul(sum_w[u], sum_xl[u]), Simd::mul(sum_x[u], sum_l[u])), determinant);
      try_min[u] = Simd::div(Simd::sub(Simd::mul(sum_ll[u], sum_x[u]), Simd::mul(sum_l[u], sum_xl[u])), determinant);
      const M positive = Simd::lt(zero, try_min[u]);
      if (Simd::any(positive)) {
        try_min[u] = Simd::select(positive, zero, try_min[u]);
        try_scale[u] = Simd::select(positive, Simd::div(sum_xl[u], sum_ll[u]), try_scale[u]);
      }
      error[u] = zero;
    }
    for (size_t i = 0; i < N; ++i) {
      for (size_t u = 0; u < U; ++u) {
        const F value = Simd::add(Simd::mul(try_scale[u], codes.v[u][i]), try_min[u]);
        const F difference = Simd::sub(value, x.v[u][i]);
        error[u] = Simd::add(error[u], weighted_error<error_of>(weights.v[u][i], difference));
      }
    }
    for (size_t u = 0; u < U; ++u) {
      const M better = Simd::both(solvable[u], Simd::lt(error[u], best[u]));
      if (!Simd::any(better)) continue;
      result->inverse[u] = Simd::select(better, inverse[u], result->inverse[u]);
      result->base[u] = Simd::select(better, min[u], result->base[u]);
      best[u] = Simd::select(better, error[u], best[u]);
      scale[u] = Simd::select(better, try_scale[u], scale[u]);
      min[u] = Simd::select(better, try_min[u], min[u]);
    }
  }
  for (size_t u = 0; u < U; ++u) {
    result->scale[u] = scale[u];
    result->min[u] = min[u];
  }
}

// The code of the best try, 0 .. top; 0 in a flat block.
inline F scale_min_code(F x, F inverse, F base, int top) {
  return round_clamped_any(Simd::mul(inverse, Simd::sub(x, base)), 0, top);
}

// search_positive_scale for U groups of `lanes` sets of N scales that share their weights. Codes are bytes: negative
// ones wrap as in the reference.
template <size_t N, size_t U>
void search_positive_scale_lanes(const Lanes<N, U>& x, const F (&weights)[N], int top, F (&scale)[U],
                                 I (&codes)[U][N]) {
  const F zero = Simd::set(0.0f), one = Simd::set(1.0f), bound = Simd::set(static_cast<float>(top));
  const I byte = Simd::set_i(255);
  F max[U], inverse[U], best[U], sum_xl[U], sum_ll[U];
  M empty[U];
  for (size_t u = 0; u < U; ++u) {
    max[u] = zero;
    for (size_t i = 0; i < N; ++i) max[u] = Simd::max(max[u], x.v[u][i]);
    empty[u] = Simd::lt(max[u], Simd::set(kEmptyBlock));
    inverse[u] = Simd::div(bound, max[u]);
    const F plain_scale = Simd::div(one, inverse[u]);
    best[u] = zero;
    for (size_t i = 0; i < N; ++i) {
      const F code = Simd::to_float(Simd::and_i(round_any(Simd::mul(inverse[u], x.v[u][i])), byte));
      const F difference = Simd::sub(x.v[u][i], Simd::mul(plain_scale, code));
      best[u] = Simd::add(best[u], Simd::mul(Simd::mul(weights[i], difference), difference));
    }
  }
  for (int shift = -4; shift <= 4; ++shift) {
    if (shift == 0) continue;
    const F numerator = Simd::set(0.1f * static_cast<float>(shift) + static_cast<float>(top));
    for (size_t u = 0; u < U; ++u) {
      const F try_inverse = Simd::div(numerator, max[u]);
      const F try_scale = Simd::div(one, try_inverse);
      F error = zero;
      for (size_t i = 0; i < N; ++i) {
        const I code = Simd::min_i(round_any(Simd::mul(try_inverse, x.v[u][i])), Simd::set_i(top));
        const F difference = Simd::sub(x.v[u][i], Simd::mul(try_scale, Simd::to_float(code)));
        error = Simd::add(error, Simd::mul(Simd::mul(weights[i], difference), difference));
      }
      const M better = Simd::lt(error, best[u]);
      best[u] = Simd::select(better, error, best[u]);
      inverse[u] = Simd::select(better, try_inverse, inverse[u]);
    }
  }
  F kept[U][N];  // the codes as floats
  for (size_t u = 0; u < U; ++u) {
    sum_xl[u] = sum_ll[u] = zero;
    for (size_t i = 0; i < N; ++i) {
      const I rounded = Simd::min_i(round_any(Simd::mul(inverse[u], x.v[u][i])), Simd::set_i(top));
      const F code = Simd::to_float(rounded);
      kept[u][i] = Simd::to_float(Simd::and_i(rounded, byte));
      sum_xl[u] = Simd::add(sum_xl[u], Simd::mul(Simd::mul(weights[i], x.v[u][i]), code));
      sum_ll[u] = Simd::add(sum_ll[u], Simd::mul(Simd::mul(weights[i], code), code));
    }
  }
  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (size_t i = 0; i < N; ++i) {
      for (size_t u = 0; u < U; ++u) {
        const F code = kept[u][i], w = weights[i], wx = Simd::mul(w, x.v[u][i]);
        const F rest_xl = Simd::sub(sum_xl[u], Simd::mul(wx, code));
        const F rest_ll = Simd::sub(sum_ll[u], Simd::mul(Simd::mul(w, code), code));
        const F ratio = Simd::div(Simd::mul(x.v[u][i], rest_ll), rest_xl);
        const I rounded = Simd::min_i(round_any(ratio), Simd::set_i(top));
        const F moved = Simd::to_float(rounded);
        const F new_xl = Simd::add(rest_xl, Simd::mul(wx, moved));
        const F new_ll = Simd::add(rest_ll, Simd::mul(Simd::mul(w, moved), moved));
        const F gain = Simd::mul(Simd::mul(new_xl, new_xl), sum_ll[u]);
        const F level = Simd::mul(Simd::mul(sum_xl[u], sum_xl[u]), new_ll);
        // A code that does not move must not count: its sums differ by a rounding.
        const F wanted = Simd::select(Simd::eq(moved, code), zero, one);
        const M possible = Simd::both(Simd::lt(zero, rest_xl), Simd::lt(zero, rest_ll));
        const M better = Simd::both(Simd::both(possible, Simd::lt(zero, wanted)), Simd::lt(level, gain));
        changed = changed || Simd::any(better);
        kept[u][i] = Simd::select(better, Simd::to_float(Simd::and_i(rounded, byte)), code);
        sum_xl[u] = Simd::select(better, new_xl, sum_xl[u]);
        sum_ll[u] = Simd::select(better, new_ll, sum_ll[u]);
      }
    }
  }
  for (size_t u = 0; u < U; ++u) {
    const M solvable = Simd::lt(zero, sum_ll[u]);
    scale[u] = Simd::select(solvable, Simd::div(sum_xl[u], sum_ll[u]), zero);
    scale[u] = Simd::select(empty[u], zero, scale[u]);
    for (size_t i = 0; i < N; ++i) codes[u][i] = Simd::truncate(Simd::select(empty[u], zero, kept[u][i]));
  }
}

}  // namespace
