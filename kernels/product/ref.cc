// Products, written plainly: the specification that product.h describes and every other instruction set is compared
// with.
#include "product/formats.h"
#include "product/product.h"

using namespace qs;

namespace {

template <class Format>
float multiply_256(const typename Format::Block* blocks, const void* input, size_t columns) {
  const Blocks256 x = Blocks256::of(input, columns);
  float total = 0.0f;
  for (size_t b = 0; b < columns / 256; ++b) {
    Unit256 unit;
    unpack<Format, ScalarOps>(blocks[b], &unit);
    int32_t sum = 0, below = 0;
    for (size_t s = 0; s < 16; ++s) {
      int32_t part = 0;
      for (size_t i = 16 * s; i < 16 * s + 16; ++i) part += unit.codes[i] * x.codes[256 * b + i];
      sum += unit.scales[s] * part;
      if (Format::mins != Mins::kNone) below += unit.mins[s] * x.sums[16 * b + s];
    }
    if (Format::mins == Mins::kOffset) sum -= below;
    total = total + unit.d * x.scales[b] * static_cast<float>(sum);
    if (Format::mins == Mins::kMinimum) total = total - unit.m * x.scales[b] * static_cast<float>(below);
  }
  return total;
}

template <class Format>
float multiply_32(const typename Format::Block* blocks, const void* input, size_t columns) {
  const Blocks32 x = Blocks32::of(input, columns);
  float total = 0.0f;
  for (size_t u = 0; u < columns / 32 * Format::parts; ++u) {
    const size_t chunk = u / Format::parts;
    Unit32 unit;
    unpack<Format, ScalarOps>(blocks[u / Format::units], u % Format::units, &unit);
    int32_t sum = -Format::offset * x.sums[chunk];
    for (size_t i = 0; i < 32; ++i) sum += unit.codes[i] * x.codes[32 * chunk + i];
    total = total + unit.d * x.scales[chunk] * static_cast<float>(sum);
    if (Format::has_minimum) total = total + unit.m * x.scales[chunk] * static_cast<float>(x.sums[chunk]);
  }
  return total;
}

template <class Format>
float multiply_floats(const typename Format::Block* weights, const void* input, size_t columns) {
  const float* x = static_cast<const float*>(input);
  float sums[16] = {};
  for (size_t i = 0; i < columns; ++i) sums[i % 16] += Format::weight(weights[i]) * x[i];
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) sums[j] += sums[j + width];
  }
  return sums[0];
}

template <class Format>
void multiply(const ProductJob& job) {
  for (size_t r = job.begin; r < job.end; ++r) {
    const auto* row = reinterpret_cast<const typename Format::Block*>(job.weights + r * job.row_bytes);
    for (size_t k = 0; k < job.lane_count; ++k) {
      const ProductLane& lane = job.lanes[k];
      if constexpr (Format::input == Input::kBlocks256) {
        lane.output[r] = multiply_256<Format>(row, lane.input, job.columns);
      } else if constexpr (Format::input == Input::kBlocks32) {
        lane.output[r] = multiply_32<Format>(row, lane.input, job.columns);
      } else {
        lane.output[r] = multiply_floats<Format>(row, lane.input, job.columns);
      }
    }
  }
}

}  // namespace

#define TYPE(name, type, id, block_size)                                                         \
  void product_row_##type##_ref_kernel(const ProductJob& job) { multiply<Product_##type>(job); } \
  void prepare_row_##type##_ref_kernel(const float* values, size_t columns, void* row) {         \
    prepare_input<Product_##type::input, ScalarOps>(values, columns, row);                       \
  }
#include "quant/types.inc"
#undef TYPE
