// Products written once over `Lanes` (lanes-<isa>.h). Two ways through a job:
//
//   few inputs (one, while text is generated): few-rows-inl.h or few-along-inl.h, whichever suits the instruction set.
//     Weights are read once: memory should be the limit.
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
constexpr size_t kR = Lanes::rows;
constexpr size_t kTileUnits256 = 4, kTileUnits32 = 32;  // 1,024 columns
constexpr size_t kPanels = qs::kProductRows / Lanes::rows;

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

// Units `from` .. `to` of one panel with `count` inputs; the outputs are the running sums. Where the parts of an input
// lie is found once for all units of 32, which are soon done; for those of 256 V8 then spills more than it saves.
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
  Blocks32 x[count];
  for (size_t k = 0; k < count; ++k) x[k] = Blocks32::of(lanes[k].input, job.columns);
  for (size_t u = from; u < to; ++u) {
    const size_t chunk = u / Format::parts;
    const int8_t* codes[count];
    int32_t sums[count];
    float scales[count];
    for (size_t k = 0; k < count; ++k) {
      codes[k] = x[k].codes + 32 * chunk;
      sums[k] = x[k].sums[chunk];
      scales[k] = x[k].scales[chunk];
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
  constexpr size_t group = Lanes::template group<Format::is_signed>;
  Panel* tile = static_cast<Panel*>(job.scratch);
  for (size_t first = job.begin; first < job.end; first += qs::kProductRows) {
    const size_t last = job.end - first < qs::kProductRows ? job.end : first + qs::kProductRows;
    for (size_t from = 0; from < units; from += tile_units) {
      const size_t to = units - from < tile_units ? units : from + tile_units;
      for (size_t row = first, p = 0; row < last; row += kR, ++p) {
        const PanelRows<typename Format::Block> rows(job, row);
        for (size_t u = from; u < to; ++u) make_panel<Format>(rows, u, tile + p * tile_units + (u - from));
      }
      for (size_t k = 0; k < job.lane_count; k += group) {
        const ProductLane* lanes = job.lanes + k;
        for (size_t row = first, p = 0; row < last; row += kR, ++p) {
          const Panel* panels = tile + p * tile_units;
          const size_t left = job.lane_count - k;
          if (left >= group) {
            add_group<Format, group>(panels, job, lanes, row, from, to);
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
      few<Format, 1>(job);
    } else if (job.lane_count == 2) {
      few<Format, 2>(job);
    } else {
      many<Format, Panel256, kTileUnits256>(job, job.columns / 256);
    }
  } else if constexpr (Format::input == Input::kBlocks32) {
    if (job.lane_count == 1) {
      few<Format, 1>(job);
    } else if (job.lane_count == 2) {
      few<Format, 2>(job);
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
