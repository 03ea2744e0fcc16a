// Keys and values of a layer: storing them, and attending to them.
#include "exec/blocks.h"
#include "exec/operations.h"

namespace qs {

namespace {

// The keys or the values of a layer in the cache.
struct Cached {
  uint8_t* memory;
  int32_t type;
  size_t heads, width, row_bytes;

  static Cached keys(const Run& run, int32_t layer) {
    return of(run, run.keys[layer], layer, run.program.layers[layer].key_columns);
  }
  static Cached values(const Run& run, int32_t layer) {
    return of(run, run.values[layer], layer, run.program.layers[layer].value_columns);
  }
  // The row of one head at one position.
  uint8_t* row(uint32_t page, size_t head, size_t within) const {
    return memory + ((page * heads + head) * kPagePositions + within) * row_bytes;
  }

 private:
  static Cached of(const Run& run, uint8_t* memory, int32_t layer, int32_t columns) {
    const int32_t type = run.program.header->cache_type;
    const size_t heads = static_cast<size_t>(run.program.layers[layer].heads);
    const size_t width = static_cast<size_t>(columns) / heads;
    return {memory, type, heads, width, cached_row_bytes(type, width)};
  }
};

void store_token(const Cached& cached, uint32_t cell, const float* source) {
  for (size_t head = 0; head < cached.heads; ++head) {
    uint8_t* row = cached.row(cell / kPagePositions, head, cell % kPagePositions);
    store_row(cached.type, source + head * cached.width, cached.width, row);
  }
}

}  // namespace

void store(const Step& o, Run& run) {
  const Cached keys = Cached::keys(run, o[0]), values = Cached::values(run, o[0]);
  each_token(run, [&](size_t token) {
    store_token(keys, run.cells[token], run.row(o[1], token));
    store_token(values, run.cells[token], run.row(o[2], token));
  });
}

namespace {

size_t scores_stride(const Program& program) {
  return (static_cast<size_t>(program.header->context) + kPagePositions - 1) / kPagePositions * kPagePositions;
}

// Calls `work(page, within, count, done)` for the blocks of a sequence from position `begin` to before `end`; `done`
// positions were in blocks before.
template <class Work>
void each_block(const uint32_t* pages, size_t begin, size_t end, Work work) {
  for (size_t at = begin; at < end;) {
    const size_t within = at % kPagePositions, left = kPagePositions - within;
    const size_t count = left < end - at ? left : end - at;
    work(pages[at / kPagePositions], within, count, at - begin);
    at += count;
  }
}

// `count` query heads from `first` on, which share a key/value head, against the positions they may see.
void attend(const Step& o, Run& run, size_t token, size_t first, size_t count, size_t head) {
  const Cached keys = Cached::keys(run, o[2]), values = Cached::values(run, o[2]);
  const size_t window = static_cast<size_t>(o[6]), end = run.positions[token] + size_t{1};
  const size_t begin = window != 0 && end > window ? end - window : 0;
  const uint32_t* pages = run.pages.list(run.sequences[token]);
  const size_t stride = scores_stride(run.program);

  const float* queries = run.row(o[1], token) + first * keys.width;
  each_block(pages, begin, end, [&](uint32_t page, size_t within, size_t positions, size_t done) {
    score_block(keys.type, queries, count, keys.row(page, head, within), positions, keys.width, run.scratch + done,
                stride);
  });
  for (size_t q = 0; q < count; ++q) share_out(run.scratch + q * stride, end - begin, o.number(4), o.number(5));
  float* targets = run.row(o[0], token) + first * values.width;
  __builtin_memset(targets, 0, count * values.width * sizeof(float));
  each_block(pages, begin, end, [&](uint32_t page, size_t within, size_t positions, size_t done) {
    mix_block(values.type, run.scratch + done, stride, count, values.row(page, head, within), positions, values.width,
              targets);
  });
}

}  // namespace

void attention(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[3]);
  const size_t shared = heads / static_cast<size_t>(run.program.layers[o[2]].heads);
  // Query heads that share a head go together, as long as there is enough for every thread.
  const size_t together = run.rows * heads / shared >= run.threads ? shared : 1, groups = heads / together;
  each_part(run, run.rows * groups, 1, [&](size_t at, size_t) {
    const size_t first = at % groups * together;
    attend(o, run, at / groups, first, together, first / shared);
  });
}

size_t attention_scratch(const Step& o, const Program& program) {
  return static_cast<size_t>(o[3] / program.layers[o[2]].heads) * scores_stride(program);
}

}  // namespace qs
