#include "product/grids.h"

#include "quant/common.h"

#include <stddef.h>

ProductGrids kGrids;
uint8_t kEightSigns[128];
#if defined(__wasm__)
float kHalves[65536];
#endif

namespace {

template <class Word, class Entry, size_t N>
void decode(const Entry (&grid)[N], const int8_t* levels, unsigned bits, unsigned factor, unsigned offset,
            Word (&target)[N]) {
  for (size_t k = 0; k < N; ++k) {
    Word value = 0;
    for (unsigned i = 0; i < sizeof(Word); ++i) {
      const int level = levels[grid[k] >> (bits * i) & ((1u << bits) - 1)];
      value |= static_cast<Word>((static_cast<unsigned>(level) * factor + offset) & 255u) << (8 * i);
    }
    __atomic_store_n(target + k, value, __ATOMIC_RELAXED);
  }
}

}  // namespace

void qs_product_tables() {
#if defined(__wasm__)
  for (uint32_t half = 0; half < 65536; ++half) {
    __atomic_store_n(reinterpret_cast<uint32_t*>(kHalves + half), bits_of(half_to_float(static_cast<uint16_t>(half))),
                     __ATOMIC_RELAXED);
  }
#endif
  decode(kIq2XxsGrid, kIq2XxsLevels, 2, 1, 0, kGrids.iq2_xxs);
  decode(kIq2XsGrid, kIq2XsLevels, 2, 1, 0, kGrids.iq2_xs);
  decode(kIq2SGrid, kIq2SLevels, 2, 1, 0, kGrids.iq2_s);
  decode(kIq3XxsGrid, kIq3XxsLevels, 3, 1, 0, kGrids.iq3_xxs);
  decode(kIq3SGrid, kIq3SLevels, 3, 1, 0, kGrids.iq3_s);
  decode(kIq1SGrid, kIq1SLevels, 2, 8, 8, kGrids.iq1);
  for (unsigned seven = 0; seven < 128; ++seven) {
    __atomic_store_n(kEightSigns + seven, eight_signs(seven), __ATOMIC_RELAXED);
  }
}
