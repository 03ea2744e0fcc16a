// Where the keys and values of a session lie: a pool of pages of 32 positions, and for each sequence the list of those
// it has. Copies of a sequence share pages; a page that several have is copied when one of them writes to it. So a
// shared beginning costs nothing, and a sequence that shrinks or ends makes room for any other.
//
// A layer's keys (its values alike), for a head width of w values that take b bytes:
//
//   page 0                      page 1 …
//   | head 0: … | head 1: … |   | head 0: …
//
// A head's block in a page has what attention reads together (vector/vector.h). Values lie position after position;
// keys column after column, each at 32 positions, so that the scores of many positions are computed at once and none
// has to be summed across the lanes of a register. Blocks are 4 to 8 KB for a width of 64 or 128 in F16, and with fewer
// positions a page more would be looked up than is read.
#pragma once

#include "exec/program.h"
#include "vector/vector.h"

namespace qs {

constexpr size_t kPagePositions = kBlockPositions;

enum CacheType : int32_t { kCacheF32, kCacheF16, kCacheQ8_0, kCacheTypes };

// Bytes of the row of one head in the cache; for Q8_0 the width is a multiple of 32.
inline size_t cached_row_bytes(int32_t cache_type, size_t width) {
  return cache_type == kCacheQ8_0 ? width / 32 * 34 : width * (cache_type == kCacheF16 ? 2 : 4);
}

// Bytes of a layer's keys or values (Layer::key_columns, Layer::value_columns) in one page.
inline uint64_t page_bytes(const Program& program, int32_t index, int32_t Layer::*columns) {
  const Layer& layer = program.layers[index];
  const size_t heads = static_cast<size_t>(layer.heads), width = static_cast<size_t>(layer.*columns) / heads;
  return static_cast<uint64_t>(cached_row_bytes(program.header->cache_type, width)) * heads * kPagePositions;
}

struct Pages {
  uint32_t count;         // pages of the pool
  uint32_t per_sequence;  // pages of the longest sequence
  uint32_t sequences;
  uint32_t* owners;   // per page: how many sequences have it
  uint32_t* free;     // a stack of pages that none has
  uint32_t* lists;    // per sequence: its pages, per_sequence of them at most
  uint32_t* lengths;  // per sequence: its tokens
  uint32_t free_count;

  // So many that `cells` positions fit however they are divided: each sequence leaves 31 at its end unused at most.
  static uint32_t pool_pages(const Header& header) {
    const uint64_t cells = static_cast<uint64_t>(header.cells), sequences = static_cast<uint64_t>(header.sequences);
    return static_cast<uint32_t>((cells + (kPagePositions - 1) * sequences) / kPagePositions);
  }
  static uint32_t longest(const Header& header) {
    return static_cast<uint32_t>((static_cast<uint64_t>(header.context) + kPagePositions - 1) / kPagePositions);
  }

  static uint32_t pages_of(uint32_t length) {
    return static_cast<uint32_t>((length + kPagePositions - 1) / kPagePositions);
  }

  const uint32_t* list(uint32_t sequence) const { return lists + static_cast<size_t>(sequence) * per_sequence; }
  uint32_t* list(uint32_t sequence) { return lists + static_cast<size_t>(sequence) * per_sequence; }

  void start() {
    free_count = count;
    for (uint32_t i = 0; i < count; ++i) owners[i] = 0, free[i] = count - 1 - i;
    for (uint32_t i = 0; i < sequences; ++i) lengths[i] = 0;
  }

  void truncate(uint32_t sequence, uint32_t length) {
    const uint32_t* pages = list(sequence);
    for (uint32_t i = pages_of(length); i < pages_of(lengths[sequence]); ++i) give_back(pages[i]);
    lengths[sequence] = length;
  }

  void copy(uint32_t from, uint32_t to, uint32_t length) {
    if (from == to) return truncate(to, length);
    truncate(to, 0);
    const uint32_t* source = list(from);
    uint32_t* target = list(to);
    for (uint32_t i = 0; i < pages_of(length); ++i) target[i] = source[i], ++owners[source[i]];
    lengths[to] = length;
  }

  // Makes room for one more token of a sequence and says in which cell (page * 32 + position in it). False when there
  // is no page. `copy_page(from, to)` copies what lies in a page that others have too.
  template <class CopyPage>
  bool append(uint32_t sequence, uint32_t* cell, CopyPage copy_page) {
    const uint32_t position = lengths[sequence], within = position % kPagePositions;
    uint32_t* page = list(sequence) + position / kPagePositions;
    if (within == 0 || owners[*page] > 1) {
      if (free_count == 0) return false;
      const uint32_t taken = free[--free_count];
      owners[taken] = 1;
      if (within != 0) {
        copy_page(*page, taken);
        --owners[*page];
      }
      *page = taken;
    }
    *cell = *page * kPagePositions + within;
    lengths[sequence] = position + 1;
    return true;
  }

 private:
  void give_back(uint32_t page) {
    if (--owners[page] == 0) free[free_count++] = page;
  }
};

}  // namespace qs
