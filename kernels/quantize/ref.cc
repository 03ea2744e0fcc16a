// The scalar references as kernels: what every other instruction set is compared with.
#include "quant/types.h"

#define TYPE(name, type, id, block_size)                                                                              \
  void quantize_row_##type##_ref_kernel(const float* source, void* target, size_t columns, const float* importance) { \
    quantize_row_##type##_ref(source, static_cast<block_##type*>(target), columns, importance);                       \
  }
#include "quant/types.inc"
#undef TYPE
