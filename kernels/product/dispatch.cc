// The table of product kernels, from kernels.inc.
#include "columns.h"
#include "product/product.h"
#include "quant/types.h"

using namespace qs;

#define TYPE(name, type, id, block_size)                       \
  void product_row_##type##_ref_kernel(const ProductJob& job); \
  void prepare_row_##type##_ref_kernel(const float* values, size_t columns, void* row);
#include "quant/types.inc"
#undef TYPE
#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_DECLARE_ALL(product, type, (const ProductJob& job))            \
  QS_DECLARE_ALL(prepare, type, (const float* values, size_t columns, void* row))
#include "product/kernels.inc"
#undef KERNEL

namespace {

#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_LINE(product, type, sse2, avx2, avx512, avx512vnni, simd128, neon)
constexpr KernelLine<Product> kProduct[] = {
#include "product/kernels.inc"
};
#undef KERNEL
#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_LINE(prepare, type, sse2, avx2, avx512, avx512vnni, simd128, neon)
constexpr KernelLine<PrepareInput> kPrepare[] = {
#include "product/kernels.inc"
};
#undef KERNEL

#define TYPE(name, type, id, block_size) {id, #type},
constexpr struct {
  int32_t id;
  const char* name;
} kNames[] = {
#include "quant/types.inc"
};
#undef TYPE
constexpr size_t kTypeCount = sizeof kNames / sizeof *kNames;
static_assert(sizeof kProduct / sizeof *kProduct == kTypeCount, "product/kernels.inc needs one line per type");

constexpr bool same_order() {
  for (size_t i = 0; i < kTypeCount; ++i) {
    if (!same_text(kNames[i].name, kProduct[i].type)) return false;
  }
  return true;
}
static_assert(same_order(), "product/kernels.inc must be in the order of quant/types.inc");

}  // namespace

ProductKernel qs::product_kernel(int32_t type, size_t isa) {
  size_t at = 0;
  while (kNames[at].id != type) ++at;
  const Kernel<Product>& product = kProduct[at].kernels[isa];
  return {product.function, kPrepare[at].kernels[isa].function, product.isa};
}
