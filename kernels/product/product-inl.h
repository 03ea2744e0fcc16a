// Products written once over `Lanes` (lanes-<isa>.h). Two ways through a job:
//
//   few inputs (one, while text is generated): few-rows-inl.h or few-along-inl.h, whichever suits the instruction set;
//     its file includes it before this one. Weights are read once: memory should be the limit.
//   many inputs (a prompt): panels. The units of `Lanes::rows` rows are unpacked and interleaved, four columns of each
//     row after one another, so that lane r of a vector belongs to row r and no sum crosses lanes; one broadcast of
//     four input codes serves all rows. A tile of kProductRows rows and 1,024 columns stays in the first-level cache
//     while all inputs pass by.
//
// Weights that are floats are in floats-inl.h. What was measured is said at the constants.
#include "product/floats-inl.h"

namespace {

// Inputs for which unpacking a panel does not pay. With three, Q4_K went from 44 to 58 GOP/s without panels, Q6_K from
// 44 to 54 and IQ4_XS from 41 to 52, with four Q4_K from 47 to 61; Q8_0 lost (69 to 60, 77 to 59), and so did Q5_0.
template <class Format>
constexpr size_t few_lanes() {
  return Format::input == Input::kBlocks256 ? 4 : 2;
}
constexpr size_t kTileUnits256 = 4, kTileUnits32 = 32;  // 1,024 columns
constexpr size_t kP = Lanes::rows;                      // of a panel
constexpr size_t kPanels = qs::kProductRows / kP;

// ---- Many inputs ----

struct alignas(64) Panel256 {
  int8_t codes[256 * kP];      // columns 4g .. 4g + 3 of row r at 4 * (g * rows + r)
  int16_t scales[16][2 * kP];  // each twice: for two 16-bit sums of a row
  int16_t mins[8][2 * kP];     // two of a row after one another
  float d[kP], m[kP];
};

struct alignas(64) Panel32 {
  int8_t codes[32 * kP];
  float d[kP], m[kP];
};

static_assert(sizeof(Panel256) * kTileUnits256 * kPanels <= qs::kProductScratch, "the tile must fit");
static_assert(sizeof(Panel32) * kTileUnits32 * kPanels <= qs::kProductScratch, "the tile must fit");

// The address of unit `index` of up to kP rows; rows that the job does not have repeat its last.
template <class Block>
struct PanelRows {
  const Block* row[kP];

  PanelRows(const ProductJob& job, size_t first) {
    for (size_t r = 0; r < kP; ++r) {
      const size_t at = first + r < job.end ? first + r : job.end - 1;
      row[r] = reinterpret_cast<const Block*>(job.weights + at * job.row_bytes);
    }
  }
};

template <class Format>
void make_panel(const PanelRows<typename Format::Block>& rows, size_t index, Panel256* panel) {
  Unit256 units[kP];
  for (size_t r = 0; r < kP; ++r) {
    unpack<Format, Lanes>(rows.row[r][index], units + r);
    panel->d[r] = units[r].d;
    if (Format::mins == Mins::kMinimum) panel->m[r] = units[r].m;
  }
  Lanes::interleave<256>(units[0].codes, sizeof(Unit256), panel->codes);
  Lanes::interleave_scales(units[0].scales, sizeof(Unit256), panel->scales[0]);
  if (Format::mins != Mins::kNone) {
    Lanes::interleave<32>(reinterpret_cast<const int8_t*>(units[0].mins), sizeof(Unit256),
                          reinterpret_cast<int8_t*>(panel->mins[0]));
  }
}

template <class Format>
void make_panel(const PanelRows<typename Format::Block>& rows, size_t index, Panel32* panel) {
  Unit32 units[kP];
  for (size_t r = 0; r < kP; ++r) {
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
        panel.codes + Format::sub * kP * s, codes, Format::sub * s, panel.scales[Format::sub / 16 * s], whole);
  }
  if (Format::mins != Mins::kNone) {
    for (size_t k = 0; k < count; ++k) below[k] = Lanes::zero_i();
    for (size_t j = 0; j < 8; ++j) {
      for (size_t k = 0; k < count; ++k) {
        below[k] = Lanes::add_mins(below[k], panel.mins[j], sums[k] + 2 * j);
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
  const size_t rows = job.end - row < kP ? job.end - row : kP;
  Lanes::F totals[count];
  for (size_t k = 0; k < count; ++k) {
    totals[k] = from == 0 ? Lanes::set(0.0f) : Lanes::load_some(lanes[k].output + row, rows);
  }
  add_panels<Format, count>(panels, job, lanes, from, to, totals);
  for (size_t k = 0; k < count; ++k) Lanes::store_some(lanes[k].output + row, totals[k], rows);
}

// `count` is `most` or one of the smaller numbers that Lanes::together returns.
template <class Format, size_t most, class Panel>
void add_groups(const Panel* panels, const ProductJob& job, const ProductLane* lanes, size_t count, size_t row,
                size_t from, size_t to) {
  if (count == most) {
    add_group<Format, most>(panels, job, lanes, row, from, to);
  } else if constexpr (Lanes::together(most - 1, most) > 0 && most > 1) {
    add_groups<Format, Lanes::together(most - 1, most)>(panels, job, lanes, count, row, from, to);
  }
}

template <class Format, class Panel, size_t tile_units>
void many(const ProductJob& job, size_t units) {
  constexpr size_t group = Lanes::template group<Format::is_signed>;
  Panel* tile = static_cast<Panel*>(job.scratch);
  for (size_t first = job.begin; first < job.end; first += qs::kProductRows) {
    const size_t last = job.end - first < qs::kProductRows ? job.end : first + qs::kProductRows;
    for (size_t from = 0; from < units; from += tile_units) {
      const size_t to = units - from < tile_units ? units : from + tile_units;
      for (size_t row = first, p = 0; row < last; row += kP, ++p) {
        const PanelRows<typename Format::Block> rows(job, row);
        for (size_t u = from; u < to; ++u) make_panel<Format>(rows, u, tile + p * tile_units + (u - from));
      }
      for (size_t k = 0, count; k < job.lane_count; k += count) {
        count = Lanes::together(job.lane_count - k, group);
        for (size_t row = first, p = 0; row < last; row += kP, ++p) {
          add_groups<Format, group>(tile + p * tile_units, job, job.lanes + k, count, row, from, to);
        }
      }
    }
  }
}

// One input or two at a time; of more the next two when some rows, 32 of at most 10 KB, are still in the second-level
// cache.
template <class Format>
void few(const ProductJob& job) {
  constexpr size_t kRows = 2 * qs::kProductRows;
  ProductJob part = job;
  for (part.begin = job.begin; part.begin < job.end; part.begin = part.end) {
    part.end = job.lane_count <= 2 || job.end - part.begin < kRows + kR ? job.end : part.begin + kRows;
    for (size_t k = 0; k < job.lane_count; k += part.lane_count) {
      part.lanes = job.lanes + k;
      part.lane_count = job.lane_count - k == 1 ? 1 : 2;
      const auto run = [&](auto count) {
        if constexpr (Format::input == Input::kBlocks256) {
          few_256<Format, count>(part);
        } else if constexpr (Format::input == Input::kBlocks32) {
          few_32<Format, count>(part);
        } else {
          few_rows_of_floats<Format, count>(part);
        }
      };
      if (part.lane_count == 1) {
        run(Index<1>());
      } else {
        run(Index<2>());
      }
    }
  }
}

template <class Format>
void multiply(const ProductJob& job) {
  if (job.lane_count <= few_lanes<Format>()) {
    few<Few::Served<Format>>(job);
  } else if constexpr (Format::input == Input::kBlocks256) {
    many<Lanes::Served<Format>, Panel256, kTileUnits256>(job, job.columns / 256);
  } else if constexpr (Format::input == Input::kBlocks32) {
    many<Lanes::Served<Format>, Panel32, kTileUnits32>(job, job.columns / 32 * Format::parts);
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
