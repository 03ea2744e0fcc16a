// Sixteen bytes, for steps after the weights have become codes: the compiler's own vector, the same for every
// instruction set.
#pragma once

#include <stdint.h>

namespace {

typedef uint8_t Bytes __attribute__((vector_size(16)));

}  // namespace
