// The scalar references as kernels: what every other instruction set is compared with.
#include "quant/types.h"

#define TYPE(name, type, id, block_size)                                                       \
  void dequantize_row_##type##_ref_kernel(const void* source, float* target, size_t columns) { \
    dequantize_row_##type##_ref(static_cast<const block_##type*>(source), target, columns);    \
  }
#include "quant/types.inc"
#undef TYPE
