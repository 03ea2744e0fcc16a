// Keys and values of a layer: storing them, and attending to them. Both lie in pages (exec/pages.h).
#include "exec/operations.h"
#include "quant/q8_0.h"

namespace qs {

namespace {

// The keys or the values of a layer.
struct Cached {
  uint8_t* memory;
  int32_t type;  // CacheType
  size_t heads, width;

  static Cached keys(const Run& run, int32_t layer) {
    return of(run, run.keys[layer], layer, run.program.layers[layer].key_columns);
  }
  static Cached values(const Run& run, int32_t layer) {
    return of(run, run.values[layer], layer, run.program.layers[layer].value_columns);
  }
  // A head's keys or values in a page.
  uint8_t* block(uint32_t page, size_t head) const {
    return memory + (page * heads + head) * kPagePositions * cached_row_bytes(type, width);
  }

 private:
  static Cached of(const Run& run, uint8_t* memory, int32_t layer, int32_t columns) {
    const size_t heads = static_cast<size_t>(run.program.layers[layer].heads);
    return {memory, run.program.header->cache_type, heads, static_cast<size_t>(columns) / heads};
  }
};

// Keys of a head in Q8_0: codes[width][32 positions], then the scales of every 32 columns, [width / 32][32 positions].
uint16_t* q8_0_scales(uint8_t* block, size_t width) {
  return reinterpret_cast<uint16_t*>(block + width * kPagePositions);
}

void store_q8_0_keys(uint8_t* block, size_t width, size_t within, const float* source) {
  for (size_t g = 0; g < width / 32; ++g) {
    block_q8_0 coded;
    quantize_row_q8_0_ref(source + 32 * g, &coded, 32, nullptr);
    for (size_t i = 0; i < 32; ++i)
      block[(32 * g + i) * kPagePositions + within] = static_cast<uint8_t>(coded.codes[i]);
    q8_0_scales(block, width)[g * kPagePositions + within] = coded.d;
  }
}

void store_keys(const Cached& keys, uint32_t cell, const float* source) {
  const size_t within = cell % kPagePositions;
  for (size_t head = 0; head < keys.heads; ++head, source += keys.width) {
    uint8_t* block = keys.block(cell / kPagePositions, head);
    if (keys.type == kCacheQ8_0) {
      store_q8_0_keys(block, keys.width, within, source);
      continue;
    }
    for (size_t i = 0; i < keys.width; ++i) {
      const size_t at = i * kPagePositions + within;
      if (keys.type == kCacheF16)
        reinterpret_cast<uint16_t*>(block)[at] = float_to_half(source[i]);
      else
        reinterpret_cast<float*>(block)[at] = source[i];
    }
  }
}

void store_values(const Run& run, const Cached& values, uint32_t cell, const float* source) {
  const size_t at = cell % kPagePositions * cached_row_bytes(values.type, values.width);
  for (size_t head = 0; head < values.heads; ++head, source += values.width) {
    uint8_t* row = values.block(cell / kPagePositions, head) + at;
    if (values.type == kCacheQ8_0)
      quantize_row_q8_0_ref(source, reinterpret_cast<block_q8_0*>(row), values.width, nullptr);
    else if (values.type == kCacheF16)
      run.vectors.float_to_half(reinterpret_cast<uint16_t*>(row), source, values.width);
    else
      __builtin_memcpy(row, source, values.width * sizeof(float));
  }
}

}  // namespace

void store(const Step& o, Run& run) {
  const Cached keys = Cached::keys(run, o[0]), values = Cached::values(run, o[0]);
  each_token(run, [&](size_t token) {
    store_keys(keys, run.cells[token], run.row(o[1], token));
    store_values(run, values, run.cells[token], run.row(o[2], token));
  });
}

namespace {

// So many queries share each block that is read and converted; their sums (16 KB for a width of 64) stay in the first
// cache beside it.
constexpr size_t kQueriesTogether = 64;

// What goes through the cache together: tokens that follow one another in a sequence, and query heads that share a
// key/value head.
struct Tile {
  size_t token, tokens, head, heads;
};

size_t largest_tile(size_t shared) { return shared > kQueriesTogether ? shared : kQueriesTogether; }

// A thread's memory for a tile, in floats.
struct TileMemory {
  float* keys;
  float* values;
  float* mixed;
  AttentionQuery* queries;

  static size_t floats(size_t key_width, size_t value_width, size_t queries) {
    const size_t record = sizeof(AttentionQuery) / sizeof(float);
    return kPagePositions * (key_width + padded(value_width)) + queries * (padded(value_width) + record);
  }
  // `queries` have pointers: they come first, where the alignment is that of the scratch memory.
  static TileMemory of(float* scratch, size_t key_width, size_t value_width, size_t queries) {
    TileMemory memory;
    memory.queries = reinterpret_cast<AttentionQuery*>(scratch);
    memory.keys = scratch + queries * (sizeof(AttentionQuery) / sizeof(float));
    memory.values = memory.keys + kPagePositions * key_width;
    memory.mixed = memory.values + kPagePositions * padded(value_width);
    return memory;
  }
};

size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

struct Range {
  size_t begin, end;
};

Range seen_by(const Step& o, const Run& run, size_t token) {
  const size_t window = static_cast<size_t>(o[6]), end = run.positions[token] + size_t{1};
  return {window != 0 && end > window ? end - window : 0, end};
}

const float* keys_of(const Run& run, const Cached& keys, uint32_t page, size_t head, float* room) {
  uint8_t* block = keys.block(page, head);
  if (keys.type == kCacheF32) return reinterpret_cast<const float*>(block);
  if (keys.type == kCacheQ8_0) {
    for (size_t g = 0; g < keys.width / 32; ++g) {
      float scales[kPagePositions];
      run.vectors.half_to_float(scales, q8_0_scales(block, keys.width) + g * kPagePositions, kPagePositions);
      for (size_t c = 32 * g; c < 32 * g + 32; ++c) {
        const int8_t* codes = reinterpret_cast<const int8_t*>(block) + c * kPagePositions;
        float* target = room + c * kPagePositions;
        for (size_t p = 0; p < kPagePositions; ++p) target[p] = static_cast<float>(codes[p]) * scales[p];
      }
    }
    return room;
  }
  run.vectors.half_to_float(room, reinterpret_cast<const uint16_t*>(block), kPagePositions * keys.width);
  return room;
}

// Values at positions before `end`, in padded rows.
const float* values_of(const Run& run, const Cached& values, uint32_t page, size_t head, size_t end, float* room) {
  const uint8_t* block = values.block(page, head);
  const size_t width = values.width, columns = padded(width), bytes = cached_row_bytes(values.type, width);
  if (values.type == kCacheF32 && width == columns) return reinterpret_cast<const float*>(block);
  for (size_t p = 0; p < end; ++p) {
    float* target = room + p * columns;
    const uint8_t* row = block + p * bytes;
    if (values.type == kCacheQ8_0)
      dequantize_row_q8_0_ref(reinterpret_cast<const block_q8_0*>(row), target, width);
    else if (values.type == kCacheF16)
      run.vectors.half_to_float(target, reinterpret_cast<const uint16_t*>(row), width);
    else
      __builtin_memcpy(target, row, width * sizeof(float));
    __builtin_memset(target + width, 0, (columns - width) * sizeof(float));
  }
  return room;
}

// A tile against all that its queries may see, page by page.
void attend(const Step& o, Run& run, const Tile& tile) {
  const Cached keys = Cached::keys(run, o[2]), values = Cached::values(run, o[2]);
  const size_t shared = static_cast<size_t>(o[3]) / keys.heads, head = tile.head / shared;
  const size_t columns = padded(values.width), count = tile.tokens * tile.heads;
  const TileMemory memory = TileMemory::of(run.scratch, keys.width, values.width, largest_tile(shared));
  for (size_t q = 0; q < count; ++q) {
    const float* row = run.row(o[1], tile.token + q / tile.heads) + (tile.head + q % tile.heads) * keys.width;
    memory.queries[q] = {row, memory.mixed + q * columns, -__FLT_MAX__, 0.0f, 0, 0};
  }
  __builtin_memset(memory.mixed, 0, count * columns * sizeof(float));

  const uint32_t* pages = run.pages.list(run.sequences[tile.token]);
  const size_t end = seen_by(o, run, tile.token + tile.tokens - 1).end;
  for (size_t start = seen_by(o, run, tile.token).begin / kPagePositions * kPagePositions; start < end;
       start += kPagePositions) {
    // Of each later token what it sees begins and ends later, so those that see some of this page follow one another.
    size_t first = tile.tokens, last = 0;
    for (size_t t = 0; t < tile.tokens; ++t) {
      const Range seen = seen_by(o, run, tile.token + t);
      if (seen.end <= start || seen.begin >= start + kPagePositions) continue;
      first = t < first ? t : first;
      last = t;
      for (size_t q = t * tile.heads; q < (t + 1) * tile.heads; ++q) {
        memory.queries[q].begin = static_cast<uint32_t>(seen.begin > start ? seen.begin - start : 0);
        memory.queries[q].end = static_cast<uint32_t>(smaller(seen.end - start, kPagePositions));
      }
    }
    const uint32_t page = pages[start / kPagePositions];
    const AttentionBlock block = {
        keys_of(run, keys, page, head, memory.keys),
        values_of(run, values, page, head, smaller(end - start, kPagePositions), memory.values),
        keys.width,
        columns,
        o.number(4),
        o.number(5)};
    run.vectors.attend(memory.queries + first * tile.heads, (last + 1 - first) * tile.heads, block);
  }
  for (size_t q = 0; q < count; ++q) {
    float* target = run.row(o[0], tile.token + q / tile.heads) + (tile.head + q % tile.heads) * values.width;
    run.vectors.scale(target, memory.queries[q].mixed, 1.0f / memory.queries[q].total, values.width);
  }
}

}  // namespace

void attention(const Step& o, Run& run) {
  const size_t heads = static_cast<size_t>(o[3]), kv_heads = static_cast<size_t>(run.program.layers[o[2]].heads);
  const size_t shared = heads / kv_heads, together = shared < kQueriesTogether ? kQueriesTogether / shared : 1;
  const size_t parts = (run.rows + together - 1) / together;
  // Query heads that share a head go together, unless threads would have nothing to do.
  size_t split = 1;
  while (shared % split != 0 || (split < shared && parts * kv_heads * split < run.threads)) ++split;
  const size_t groups = kv_heads * split;
  each_part(run, parts * groups, 1, [&](size_t at, size_t) {
    Tile tile = {at / groups * together, 0, at % groups * (shared / split), shared / split};
    const size_t end = smaller(tile.token + together, run.rows);
    for (; tile.token < end; tile.token += tile.tokens) {
      tile.tokens = 1;
      while (tile.token + tile.tokens < end && run.sequences[tile.token + tile.tokens] == run.sequences[tile.token]) {
        ++tile.tokens;
      }
      attend(o, run, tile);
    }
  });
}

size_t attention_scratch(const Step& o, const Program& program) {
  const Layer& layer = program.layers[o[2]];
  const size_t kv_heads = static_cast<size_t>(layer.heads);
  return TileMemory::floats(static_cast<size_t>(layer.key_columns) / kv_heads,
                            static_cast<size_t>(layer.value_columns) / kv_heads,
                            largest_tile(static_cast<size_t>(o[3]) / kv_heads));
}

}  // namespace qs
