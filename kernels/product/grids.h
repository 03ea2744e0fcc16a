// The codebooks of the IQ formats as bytes, ready to be multiplied: 33 KB, decoded from quant/codebooks once, when the
// first session is made (qs_product_tables), and constant from then on.
#pragma once

#include "quant/codebooks/codebooks.h"

struct ProductGrids {
  uint64_t iq2_xxs[256], iq2_xs[512], iq2_s[1024];  // eight magnitudes, weight i in byte i
  uint32_t iq3_xxs[256], iq3_s[512];                // four
  uint64_t iq1[2048];                               // eight times 8 * (level + 1): 0, 8, 16
};
extern ProductGrids kGrids;
extern uint8_t kEightSigns[128];  // eight_signs of seven

#if defined(__wasm__)
// binary16 as float32. WebAssembly has no instruction for it, and the formula costs ten: with formats of 32 weights as
// much as their product.
extern float kHalves[65536];
#endif

// Fills them; may be called again, and by several threads at once: all write the same.
void qs_product_tables();
