// Products written once over `Lanes` (lanes-<isa>.h). Two ways through a job:
//
//   few inputs (one, while text is generated): `Lanes::rows` rows at a time. Codes are multiplied in the registers that
//     they were unpacked in, and a row's sum becomes a lane of the totals, so that scales and sums of all rows are
//     handled by one instruction each. Weights are read once: memory should be the limit.
//   many inputs (a prompt): panels. The units of `Lanes::rows` rows are unpacked and interleaved, four columns of each
//   row after one
//     another, so that lane r of a vector belongs to row r and no sum crosses lanes; one broadcast of four input codes
//     serves all rows. A tile of kProductRows rows and 1,024 columns stays in the first-level cache while all inputs
//     pass by.
//
// What was measured is said at the constants.
#include "product/formats.h"
#include "product/product.h"

namespace {

using qs::ProductJob;
using qs::ProductLane;

// Inputs for which unpacking a panel does not pay.
constexpr size_t kFewLanes = 2;
// Inputs multiplied together with a panel: each needs two accumulators, and sixteen registers hold four pairs and the
// rest.
constexpr size_t kGroup = 4;
constexpr size_t kTileUnits256 = 4, kTileUnits32 = 32;  // 1,024 columns
constexpr size_t kPanels = qs::kProductRows / Lanes::rows;

// Pairs of products of a code and an input's code (at most 127) that fit into 16 bits: as a power of two.
template <class Format>
constexpr size_t pairs_that_fit() {
  const int most = 32767 / (Format::max_code * 127 * 2);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

// ---- Few inputs ----

// Before, rows went four at a time, and the units of 256 through memory. Weights of rows of 1,536 in the second-level
// cache, read by one thread, in GB/s before and after (AMD Zen 3, AVX2): Q4_0 13.1 and 21.7, Q4_1 11.5 and 17.4, Q5_0
// 10.4 and 13.6, Q8_0 27.4 and 30.5, IQ4_NL 11.2 and 12.8, Q2_K 5.3 and 10.0, Q3_K 5.2 and 10.6, Q4_K 8.4 and 19.6,
// Q5_K 9.6 and 17.7, Q6_K 13.2 and 19.7, IQ4_XS 3.4 and 9.0, TQ1_0 0.9 and 3.6. WebAssembly with one thread gained 20 %
// (Q4_0), 15 % (Q8_0), 33 % (Q4_K_M), 8 % (IQ4_XS) of generated tokens.

constexpr size_t kR = Lanes::rows;

// Eight rows read side by side are no stream that a processor foresees, so what will be needed is asked for. Four rows
// generated 39.6 tokens/s of Q8_0 in the 0.5B shape with 8 KB ahead and 22.6 without; 1 KB gave 29.4, 4 KB 32.4, 16 KB
// 38.0. Rows are asked for one after another, so at least all kR rows must lie ahead.
constexpr size_t kAhead = 8192;

// Calls work(first row, bytes between rows, rows) for kR rows at a time. Those that are left at the end are computed
// together with some that were; fewer than kR rows one by one.
template <class Work>
void each_few(const ProductJob& job, const Work& work) {
  if (job.end - job.begin < kR) {
    for (size_t row = job.begin; row < job.end; ++row) work(row, 0, 1);
    return;
  }
  for (size_t row = job.begin; row < job.end; row += kR) {
    work(job.end - row < kR ? job.end - kR : row, job.row_bytes, kR);
  }
}

// Asks for what will be needed later, as many bytes as are worked on in a step.
struct Ahead {
  const uint8_t* at;

  Ahead(const uint8_t* rows, size_t row_bytes) : at(rows + (kR * row_bytes > kAhead ? kR * row_bytes : kAhead)) {}

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
      ahead.template step<kR * sizeof(Block)>();
      const auto block = [&](size_t r) -> const Block& {
        return *reinterpret_cast<const Block*>(weights + r * stride);
      };
      Lanes::I sums[count][kR], below[count][kR];
#pragma GCC unroll 1
      for (size_t r = 0; r < kR; ++r) {
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

// The whole sums of integers of a unit in kR rows, for each input; L is Lanes, which may have a way of its own for two
// rows of a format.
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
      if (index == 0) ahead.template step<kR * sizeof(Block)>();
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

// ---- Many inputs ----

struct alignas(64) Panel256 {
  int8_t codes[256 * kR];      // columns 4g .. 4g + 3 of row r at 4 * (g * rows + r)
  int16_t scales[16][2 * kR];  // each twice: for two 16-bit sums of a row
  int16_t mins[8][2 * kR];     // two of a row after one another
  float d[kR], m[kR];
};

struct alignas(64) Panel32 {
  int8_t codes[32 * kR];
  float d[kR], m[kR];
};

static_assert(sizeof(Panel256) * kTileUnits256 * kPanels <= qs::kProductScratch, "the tile must fit");
static_assert(sizeof(Panel32) * kTileUnits32 * kPanels <= qs::kProductScratch, "the tile must fit");

// The address of unit `index` of up to kR rows; rows that the job does not have repeat its last.
template <class Block>
struct PanelRows {
  const Block* row[kR];

  PanelRows(const ProductJob& job, size_t first) {
    for (size_t r = 0; r < kR; ++r) {
      const size_t at = first + r < job.end ? first + r : job.end - 1;
      row[r] = reinterpret_cast<const Block*>(job.weights + at * job.row_bytes);
    }
  }
};

template <class Format>
void make_panel(const PanelRows<typename Format::Block>& rows, size_t index, Panel256* panel) {
  Unit256 units[kR];
  for (size_t r = 0; r < kR; ++r) {
    unpack<Format, Lanes>(rows.row[r][index], units + r);
    panel->d[r] = units[r].d;
    if (Format::mins == Mins::kMinimum) panel->m[r] = units[r].m;
  }
  Lanes::interleave<256>(units[0].codes, sizeof(Unit256), panel->codes);
  Lanes::interleave_twice(units[0].scales, sizeof(Unit256), panel->scales[0]);
  if (Format::mins != Mins::kNone) {
    Lanes::interleave<32>(reinterpret_cast<const int8_t*>(units[0].mins), sizeof(Unit256),
                          reinterpret_cast<int8_t*>(panel->mins[0]));
  }
}

template <class Format>
void make_panel(const PanelRows<typename Format::Block>& rows, size_t index, Panel32* panel) {
  Unit32 units[kR];
  for (size_t r = 0; r < kR; ++r) {
    unpack<Format, Lanes>(rows.row[r][index / Format::units], index % Format::units, units + r);
    panel->d[r] = units[r].d;
    if (Format::has_minimum) panel->m[r] = units[r].m;
  }
  Lanes::interleave<32>(units[0].codes, sizeof(Unit32), panel->codes);
}

// Adds the products of a panel's unit with `count` inputs, whose codes, sums and scales are those of the unit.
template <class Format, size_t count>
void multiply_panel(const Panel256& panel, const int8_t* const* codes, const int16_t* const* sums, const float* scales,
                    Lanes::F* totals) {
  constexpr size_t fit = pairs_that_fit<Format>(), groups = Format::sub / 4;
  Lanes::I whole[count], below[count];
  for (size_t k = 0; k < count; ++k) whole[k] = Lanes::zero_i();
  for (size_t s = 0; s < 256 / Format::sub; ++s) {
    Lanes::template add_scaled<Format::is_signed, groups, (fit < groups ? fit : groups), count>(
        panel.codes + Format::sub * kR * s, codes, Format::sub * s, panel.scales[Format::sub / 16 * s], whole);
  }
  if (Format::mins != Mins::kNone) {
    for (size_t k = 0; k < count; ++k) below[k] = Lanes::zero_i();
    for (size_t j = 0; j < 8; ++j) {
      for (size_t k = 0; k < count; ++k) {
        below[k] = Lanes::add_i(below[k], Lanes::multiply_pairs(panel.mins[j], sums[k] + 2 * j));
      }
    }
  }
  const Lanes::F d = Lanes::load(panel.d);
  for (size_t k = 0; k < count; ++k) {
    if (Format::mins == Mins::kOffset) whole[k] = Lanes::sub_i(whole[k], below[k]);
    const Lanes::F scale = Lanes::set(scales[k]);
    totals[k] = Lanes::add(totals[k], Lanes::mul(Lanes::mul(d, scale), Lanes::to_float(whole[k])));
    if (Format::mins == Mins::kMinimum) {
      const Lanes::F m = Lanes::load(panel.m);
      totals[k] = Lanes::sub(totals[k], Lanes::mul(Lanes::mul(m, scale), Lanes::to_float(below[k])));
    }
  }
}

template <class Format, size_t count>
void multiply_panel(const Panel32& panel, const int8_t* const* codes, const int32_t* sums, const float* scales,
                    Lanes::F* totals) {
  Lanes::I whole[count];
  for (size_t k = 0; k < count; ++k) whole[k] = Lanes::set_i(-Format::offset * sums[k]);
  Lanes::template add_plain<Format::is_signed, 8, pairs_that_fit<Format>(), count>(panel.codes, codes, 0, whole);
  const Lanes::F d = Lanes::load(panel.d);
  for (size_t k = 0; k < count; ++k) {
    const Lanes::F scale = Lanes::set(scales[k]);
    totals[k] = Lanes::add(totals[k], Lanes::mul(Lanes::mul(d, scale), Lanes::to_float(whole[k])));
    if (Format::has_minimum) {
      const Lanes::F m = Lanes::load(panel.m), sum = Lanes::set(static_cast<float>(sums[k]));
      totals[k] = Lanes::add(totals[k], Lanes::mul(Lanes::mul(m, scale), sum));
    }
  }
}

// Units `from` .. `to` of one panel with `count` inputs; the outputs are the running sums.
template <class Format, size_t count>
void add_panels(const Panel256* panels, const ProductJob& job, const ProductLane* lanes, size_t from, size_t to,
                Lanes::F* totals) {
  for (size_t u = from; u < to; ++u) {
    const int8_t* codes[count];
    const int16_t* sums[count];
    float scales[count];
    for (size_t k = 0; k < count; ++k) {
      const Blocks256 x = Blocks256::of(lanes[k].input, job.columns);
      codes[k] = x.codes + 256 * u;
      sums[k] = x.sums + 16 * u;
      scales[k] = x.scales[u];
    }
    multiply_panel<Format, count>(panels[u - from], codes, sums, scales, totals);
  }
}

template <class Format, size_t count>
void add_panels(const Panel32* panels, const ProductJob& job, const ProductLane* lanes, size_t from, size_t to,
                Lanes::F* totals) {
  for (size_t u = from; u < to; ++u) {
    const size_t chunk = u / Format::parts;
    const int8_t* codes[count];
    int32_t sums[count];
    float scales[count];
    for (size_t k = 0; k < count; ++k) {
      const Blocks32 x = Blocks32::of(lanes[k].input, job.columns);
      codes[k] = x.codes + 32 * chunk;
      sums[k] = x.sums[chunk];
      scales[k] = x.scales[chunk];
    }
    multiply_panel<Format, count>(panels[u - from], codes, sums, scales, totals);
  }
}

template <class Format, size_t count, class Panel>
void add_group(const Panel* panels, const ProductJob& job, const ProductLane* lanes, size_t row, size_t from,
               size_t to) {
  const size_t rows = job.end - row < kR ? job.end - row : kR;
  Lanes::F totals[count];
  for (size_t k = 0; k < count; ++k) {
    totals[k] = from == 0 ? Lanes::set(0.0f) : Lanes::load_some(lanes[k].output + row, rows);
  }
  add_panels<Format, count>(panels, job, lanes, from, to, totals);
  for (size_t k = 0; k < count; ++k) Lanes::store_some(lanes[k].output + row, totals[k], rows);
}

template <class Format, class Panel, size_t tile_units>
void many(const ProductJob& job, size_t units) {
  Panel* tile = static_cast<Panel*>(job.scratch);
  for (size_t first = job.begin; first < job.end; first += qs::kProductRows) {
    const size_t last = job.end - first < qs::kProductRows ? job.end : first + qs::kProductRows;
    for (size_t from = 0; from < units; from += tile_units) {
      const size_t to = units - from < tile_units ? units : from + tile_units;
      for (size_t row = first, p = 0; row < last; row += kR, ++p) {
        const PanelRows<typename Format::Block> rows(job, row);
        for (size_t u = from; u < to; ++u) make_panel<Format>(rows, u, tile + p * tile_units + (u - from));
      }
      for (size_t k = 0; k < job.lane_count; k += kGroup) {
        const ProductLane* lanes = job.lanes + k;
        for (size_t row = first, p = 0; row < last; row += kR, ++p) {
          const Panel* panels = tile + p * tile_units;
          const size_t left = job.lane_count - k;
          if (left >= kGroup) {
            add_group<Format, kGroup>(panels, job, lanes, row, from, to);
          } else if constexpr (!Lanes::has_any_group) {
            for (size_t i = 0; i < left; ++i) add_group<Format, 1>(panels, job, lanes + i, row, from, to);
          } else if (left == 1) {
            add_group<Format, 1>(panels, job, lanes, row, from, to);
          } else if (left == 2) {
            add_group<Format, 2>(panels, job, lanes, row, from, to);
          } else {
            add_group<Format, 3>(panels, job, lanes, row, from, to);
          }
        }
      }
    }
  }
}

// ---- Float weights ----

// A block of rows x inputs keeps its sixteen partial sums per product in scratch between tiles of columns: 24 inputs of
// 1,024 floats (96 KB) stay in the second-level cache while the rows pass by.
constexpr size_t kFloatLanes = 24, kFloatColumns = 1024, kFloatRows = 2, kFloatGroup = 3;
constexpr size_t kVectors = 16 / Lanes::float_lanes;
static_assert(qs::kProductRows * kFloatLanes * 16 * sizeof(float) <= qs::kProductScratch, "the sums must fit");

// Sixteen values: where they lie, or the rest of a row followed by zeros. A sum is never -0, so adding 0 changes none.
template <class Value>
struct Sixteen {
  alignas(64) Value padded[16];

  const Value* of(const Value* values, size_t left) {
    if (left >= 16) return values;
    __builtin_memset(static_cast<void*>(padded), 0, sizeof padded);
    __builtin_memcpy(static_cast<void*>(padded), values, left * sizeof(Value));
    return padded;
  }
};

template <class Format, size_t rows, size_t count>
void add_floats(const typename Format::Block* const* weights, const float* const* x, size_t from, size_t to,
                Lanes::F* sums) {
  for (size_t c = from; c < to; c += 16) {
    Sixteen<typename Format::Block> row_rest[rows];
    Sixteen<float> x_rest[count];
    const typename Format::Block* w[rows];
    const float* values[count];
    for (size_t r = 0; r < rows; ++r) w[r] = to - c >= 16 ? weights[r] + c : row_rest[r].of(weights[r] + c, to - c);
    for (size_t k = 0; k < count; ++k) values[k] = to - c >= 16 ? x[k] + c : x_rest[k].of(x[k] + c, to - c);
    for (size_t v = 0; v < kVectors; ++v) {
      Lanes::F row_vectors[rows];
      for (size_t r = 0; r < rows; ++r) row_vectors[r] = Lanes::load_weights(w[r] + v * Lanes::float_lanes);
      for (size_t k = 0; k < count; ++k) {
        const Lanes::F vector = Lanes::load(values[k] + v * Lanes::float_lanes);
        for (size_t r = 0; r < rows; ++r) {
          Lanes::F& sum = sums[(r * count + k) * kVectors + v];
          sum = Lanes::add(sum, Lanes::mul(row_vectors[r], vector));
        }
      }
    }
  }
}

template <class Format, size_t rows, size_t count>
void few_floats(const ProductJob& job, size_t row, const ProductLane* lanes) {
  const typename Format::Block* weights[rows];
  const float* x[count];
  for (size_t r = 0; r < rows; ++r) {
    weights[r] = reinterpret_cast<const typename Format::Block*>(job.weights + (row + r) * job.row_bytes);
  }
  for (size_t k = 0; k < count; ++k) x[k] = static_cast<const float*>(lanes[k].input);
  Lanes::F sums[rows * count * kVectors];
  for (Lanes::F& sum : sums) sum = Lanes::set(0.0f);
  add_floats<Format, rows, count>(weights, x, 0, job.columns, sums);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < count; ++k) lanes[k].output[row + r] = Lanes::fold_16(sums + (r * count + k) * kVectors);
  }
}

// One tile of columns for some rows and inputs; `stored` has the sums of input k of row r at (r * kFloatLanes + k)
// * 16.
template <class Format, size_t rows, size_t count>
void tile_floats(const ProductJob& job, size_t row, const ProductLane* lanes, size_t from, size_t to, float* stored) {
  const typename Format::Block* weights[rows];
  const float* x[count];
  Lanes::F sums[rows * count * kVectors];
  for (size_t r = 0; r < rows; ++r) {
    weights[r] = reinterpret_cast<const typename Format::Block*>(job.weights + (row + r) * job.row_bytes);
    for (size_t k = 0; k < count; ++k) {
      x[k] = static_cast<const float*>(lanes[k].input);
      for (size_t v = 0; v < kVectors; ++v) {
        const float* at = stored + (r * kFloatLanes + k) * 16 + v * Lanes::float_lanes;
        sums[(r * count + k) * kVectors + v] = from == 0 ? Lanes::set(0.0f) : Lanes::load(at);
      }
    }
  }
  add_floats<Format, rows, count>(weights, x, from, to, sums);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < count; ++k) {
      const Lanes::F* sum = sums + (r * count + k) * kVectors;
      if (to == job.columns) {
        lanes[k].output[row + r] = Lanes::fold_16(sum);
      } else {
        for (size_t v = 0; v < kVectors; ++v) {
          Lanes::store(stored + (r * kFloatLanes + k) * 16 + v * Lanes::float_lanes, sum[v]);
        }
      }
    }
  }
}

template <class Format, size_t rows>
void tile_group(const ProductJob& job, size_t row, size_t lane, size_t count, size_t from, size_t to, float* stored) {
  const ProductLane* lanes = job.lanes + lane;
  if (count == 1) {
    tile_floats<Format, rows, 1>(job, row, lanes, from, to, stored);
  } else if (count == 2) {
    tile_floats<Format, rows, 2>(job, row, lanes, from, to, stored);
  } else {
    tile_floats<Format, rows, 3>(job, row, lanes, from, to, stored);
  }
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
        for (size_t row = first; row < last; row += kFloatRows) {
          for (size_t k = lane; k < lane_end; k += kFloatGroup) {
            float* sums = stored + ((row - first) * kFloatLanes + (k - lane)) * 16;
            const size_t count = lane_end - k < kFloatGroup ? lane_end - k : kFloatGroup;
            if (last - row == 1) {
              tile_group<Format, 1>(job, row, k, count, from, to, sums);
            } else {
              tile_group<Format, 2>(job, row, k, count, from, to, sums);
            }
          }
        }
      }
    }
  }
}

template <class Format>
void multiply(const ProductJob& job) {
  if constexpr (Format::input == Input::kBlocks256) {
    if (job.lane_count == 1) {
      few_256<Format, 1>(job);
    } else if (job.lane_count == 2) {
      few_256<Format, 2>(job);
    } else {
      many<Format, Panel256, kTileUnits256>(job, job.columns / 256);
    }
  } else if constexpr (Format::input == Input::kBlocks32) {
    if (job.lane_count == 1) {
      few_32<Format, 1>(job);
    } else if (job.lane_count == 2) {
      few_32<Format, 2>(job);
    } else {
      many<Format, Panel32, kTileUnits32>(job, job.columns / 32 * Format::parts);
    }
  } else if (job.lane_count <= kFewLanes) {
    for (size_t row = job.begin; row < job.end; row += kFloatRows) {
      for (size_t k = 0; k < job.lane_count; ++k) {
        if (job.end - row == 1) {
          few_floats<Format, 1, 1>(job, row, job.lanes + k);
        } else {
          few_floats<Format, 2, 1>(job, row, job.lanes + k);
        }
      }
    }
  } else {
    many_floats<Format>(job);
  }
}

}  // namespace

#define QS_DEFINE(type, isa)                                                                        \
  void QS_KERNEL_NAME(product, type, isa)(const ProductJob& job) { multiply<Product_##type>(job); } \
  void QS_KERNEL_NAME(prepare, type, isa)(const float* values, size_t columns, void* row) {         \
    prepare_input<Product_##type::input, Lanes>(values, columns, row);                              \
  }
#include "simd/instantiate.h"
#include "product/kernels.inc"
