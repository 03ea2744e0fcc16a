// The C interface: tables built from the .inc files, checks, and loops over rows. No algorithm lives here.
#include "include/kernels.h"
#include "columns.h"
#include "product/product.h"
#include "quant/types.h"
#include "vector/vector.h"

namespace {

using QuantizeRow = void (*)(const float* source, void* target, size_t columns, const float* importance);
using DequantizeRow = void (*)(const void* source, float* target, size_t columns);

// The compiler's run-time check also asks whether the operating system saves the wide registers.
bool isa_available(size_t isa) {
#if defined(__x86_64__) || defined(_M_X64)
  switch (isa) {
    case 0:
    case 1:
      return true;
    case 2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
    case 3:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case 4:
      return isa_available(3) && __builtin_cpu_supports("avx512vnni");
    default:
      return false;
  }
#else
  return isa < kIsaCount;
#endif
}

size_t best_isa() {
  size_t best = 0;
  for (size_t isa = 1; isa < kIsaCount; ++isa) {
    if (isa_available(isa)) best = isa;
  }
  return best;
}

}  // namespace

// ---- Vector functions: a table per instruction set ----

namespace qs {

#define QS_DECLARE_VECTOR(isa, vector) extern const Vector vector_##vector;
QS_DECLARE_VECTOR(ref, ref)
QS_ISAS(QS_DECLARE_VECTOR)

const Vector& vector_of(int32_t isa) {
#define QS_VECTOR(isa, vector) &vector_##vector,
  static const Vector* const tables[] = {&vector_ref, QS_ISAS(QS_VECTOR)};
  return *tables[isa == QS_ISA_BEST ? best_isa() : static_cast<size_t>(isa)];
}

}  // namespace qs

// ---- Kernels: one row per type, one column per instruction set of this build ----

#define TYPE(name, type, id, block_size)                                                                             \
  void quantize_row_##type##_ref_kernel(const float* source, void* target, size_t columns, const float* importance); \
  void dequantize_row_##type##_ref_kernel(const void* source, float* target, size_t columns);
#include "quant/types.inc"
#undef TYPE

#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_DECLARE_ALL(quantize, type, (const float* source, void* target, size_t columns, const float* importance))
#include "quantize/kernels.inc"
#undef KERNEL
#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_DECLARE_ALL(dequantize, type, (const void* source, float* target, size_t columns))
#include "dequantize/kernels.inc"
#undef KERNEL

namespace {

#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_LINE(quantize, type, sse2, avx2, avx512, avx512vnni, simd128, neon)
const KernelLine<QuantizeRow> kQuantize[] = {
#include "quantize/kernels.inc"
};
#undef KERNEL
#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_LINE(dequantize, type, sse2, avx2, avx512, avx512vnni, simd128, neon)
const KernelLine<DequantizeRow> kDequantize[] = {
#include "dequantize/kernels.inc"
};
#undef KERNEL

// ---- Types ----

// The first block of `count` whose scale is not finite, or `count`. The pass over all of them has no branch, so that
// the compiler vectorizes it: an overflow is rare.
template <class Block, bool (*Finite)(const Block&)>
size_t first_bad_block(const void* data, size_t count) {
  const Block* blocks = static_cast<const Block*>(data);
  unsigned bad = 0;
  for (size_t b = 0; b < count; ++b) bad |= Finite(blocks[b]) ? 0u : 1u;
  if (!bad) return count;
  size_t b = 0;
  while (Finite(blocks[b])) ++b;
  return b;
}

// The index of the first number that is NaN or infinite, or `count`. `step` is one in the last place of the exponent,
// which overflows into the sign bit where all bits of the exponent are set.
template <class Bits, Bits step>
size_t first_non_finite(const void* data, size_t count) {
  // The compiler's own vectors: of a loop over 16-bit numbers it makes one over 32-bit ones.
  typedef Bits Vector __attribute__((vector_size(16)));
  constexpr size_t kTogether = sizeof(Vector) / sizeof(Bits);
  constexpr Bits kMagnitude = static_cast<Bits>(static_cast<Bits>(~Bits{0}) >> 1);
  const uint8_t* bytes = static_cast<const uint8_t*>(data);
  const auto raised = [bytes]<class Value>(size_t i, Value value) {
    __builtin_memcpy(&value, bytes + i * sizeof(Bits), sizeof value);
    return static_cast<Value>((value & kMagnitude) + step);
  };
  Vector even = {}, odd = {};
  size_t i = 0;
  for (; i + 2 * kTogether <= count; i += 2 * kTogether) {
    even |= raised(i, Vector{});
    odd |= raised(i + kTogether, Vector{});
  }
  const Vector both = even | odd;
  Bits overflow = 0;
  for (size_t lane = 0; lane < kTogether; ++lane) overflow |= both[lane];
  for (; i < count; ++i) overflow |= raised(i, Bits{});
  if (overflow <= kMagnitude) return count;
  i = 0;
  while (raised(i, Bits{}) <= kMagnitude) ++i;
  return i;
}

// Weights that stand alone are looked at in the file's format: half the bytes of their floats, twice the lanes.
template <>
size_t first_bad_block<block_f32, scales_finite_f32>(const void* data, size_t count) {
  return first_non_finite<uint32_t, 0x00800000u>(data, count);
}
template <>
size_t first_bad_block<block_f16, scales_finite_f16>(const void* data, size_t count) {
  return first_non_finite<uint16_t, 0x0400u>(data, count);
}
template <>
size_t first_bad_block<block_bf16, scales_finite_bf16>(const void* data, size_t count) {
  return first_non_finite<uint16_t, 0x0080u>(data, count);
}

struct Type {
  int32_t id;
  const char* name;         // for people
  const char* kernel_name;  // in kernels.inc
  size_t block_size;
  size_t block_bytes;
  size_t alignment;
  size_t (*first_bad)(const void* blocks, size_t count);
};

#define TYPE(name, type, id, block_size) \
  {id,                                   \
   #name,                                \
   #type,                                \
   block_size,                           \
   sizeof(block_##type),                 \
   alignof(block_##type),                \
   first_bad_block<block_##type, scales_finite_##type>},
const Type kTypes[] = {
#include "quant/types.inc"
};
#undef TYPE
constexpr size_t kTypeCount = sizeof kTypes / sizeof *kTypes;
static_assert(sizeof kQuantize / sizeof *kQuantize == kTypeCount, "quantize/kernels.inc needs one line per type");
static_assert(sizeof kDequantize / sizeof *kDequantize == kTypeCount, "dequantize/kernels.inc needs one line per type");

const Type* find_type(int32_t id) {
  for (const Type& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

// ---- Checks ----

qs_status resolve_isa(int32_t isa, size_t* index) {
  if (isa == QS_ISA_BEST) {
    *index = best_isa();
    return QS_OK;
  }
  if (isa < 0 || static_cast<size_t>(isa) >= kIsaCount || !isa_available(static_cast<size_t>(isa)))
    return QS_UNKNOWN_ISA;
  *index = static_cast<size_t>(isa);
  return QS_OK;
}

// By division: the compiler's check of a 64-bit product calls a function that 64-bit WebAssembly does not have.
bool shape_fits(const Type& type, size_t rows, size_t columns, size_t* bytes) {
  if (columns == 0 || columns % type.block_size != 0) return false;
  if (rows > SIZE_MAX / sizeof(float) / columns) return false;  // no format is larger than float32
  *bytes = rows * columns / type.block_size * type.block_bytes;
  return true;
}

qs_status check_buffer(const void* data, size_t bytes, size_t expected, size_t alignment) {
  if (bytes != expected) return QS_BAD_LENGTH;
  if (!data && bytes != 0) return QS_NULL_ARGUMENT;
  if (reinterpret_cast<uintptr_t>(data) % alignment != 0) return QS_MISALIGNED;
  return QS_OK;
}

qs_status check_importance(const float* importance, size_t bytes, size_t columns) {
  if (!importance) return bytes == 0 ? QS_OK : QS_NULL_ARGUMENT;
  return check_buffer(importance, bytes, columns * sizeof(float), alignof(float));
}

#define QS_RETURN_IF_BAD(expression)        \
  do {                                      \
    const qs_status status_ = (expression); \
    if (status_ != QS_OK) return status_;   \
  } while (0)

// Without importance a matrix is one long row: full batches for the lane-parallel kernels.
void quantize_rows(QuantizeRow quantize, const Type& type, const float* source, void* target, size_t rows,
                   size_t columns, const float* importance) {
  if (!importance) {
    quantize(source, target, rows * columns, nullptr);
    return;
  }
  const size_t row_bytes = columns / type.block_size * type.block_bytes;
  for (size_t r = 0; r < rows; ++r) {
    quantize(source + r * columns, static_cast<uint8_t*>(target) + r * row_bytes, columns, importance);
  }
}

}  // namespace

// ---- The interface ----

const char* qs_status_code(int32_t status) {
  static const char* const codes[] = {"ok",
                                      "kernel/unknown-type",
                                      "kernel/unknown-isa",
                                      "kernel/bad-shape",
                                      "kernel/bad-length",
                                      "kernel/misaligned",
                                      "kernel/null-argument",
                                      "kernel/non-finite",
                                      "kernel/scale-overflow",
                                      "kernel/out-of-bounds",
                                      "kernel/out-of-memory",
                                      "kernel/unknown-function"};
  const size_t count = sizeof codes / sizeof *codes;
  return status >= 0 && static_cast<size_t>(status) < count ? codes[status] : "kernel/unknown-status";
}

size_t qs_type_count(void) { return kTypeCount; }
int32_t qs_type_id(size_t index) { return index < kTypeCount ? kTypes[index].id : 0; }
const char* qs_type_name(size_t index) { return index < kTypeCount ? kTypes[index].name : nullptr; }
size_t qs_type_block_size(size_t index) { return index < kTypeCount ? kTypes[index].block_size : 0; }
size_t qs_type_block_bytes(size_t index) { return index < kTypeCount ? kTypes[index].block_bytes : 0; }

size_t qs_isa_count(void) { return kIsaCount; }
const char* qs_isa_name(size_t index) { return index < kIsaCount ? kIsaNames[index] : nullptr; }
int32_t qs_isa_available(size_t index) { return index < kIsaCount && isa_available(index); }

const char* qs_kernel_name(int32_t operation, size_t type_index, size_t isa) {
  if (type_index >= kTypeCount || isa >= kIsaCount) return nullptr;
  if (operation == QS_QUANTIZE) return find_line(kQuantize, kTypes[type_index].kernel_name).kernels[isa].isa;
  if (operation == QS_DEQUANTIZE) return find_line(kDequantize, kTypes[type_index].kernel_name).kernels[isa].isa;
  if (operation == QS_PRODUCT) return qs::product_kernel(kTypes[type_index].id, isa).isa;
  return nullptr;
}

qs_status qs_quantize_rows(int32_t type_id, const float* source, size_t source_bytes, void* target, size_t target_bytes,
                           size_t rows, size_t columns, const float* importance, size_t importance_bytes, int32_t isa) {
  const Type* type = find_type(type_id);
  if (!type) return QS_UNKNOWN_TYPE;
  size_t isa_index, bytes;
  QS_RETURN_IF_BAD(resolve_isa(isa, &isa_index));
  if (!shape_fits(*type, rows, columns, &bytes)) return QS_BAD_SHAPE;
  QS_RETURN_IF_BAD(check_buffer(source, source_bytes, rows * columns * sizeof(float), alignof(float)));
  QS_RETURN_IF_BAD(check_buffer(target, target_bytes, bytes, type->alignment));
  QS_RETURN_IF_BAD(check_importance(importance, importance_bytes, columns));
  quantize_rows(find_line(kQuantize, type->kernel_name).kernels[isa_index].function, *type, source, target, rows,
                columns, importance);
  return QS_OK;
}

qs_status qs_quantize_rows_plain(int32_t type_id, const float* source, size_t source_bytes, void* target,
                                 size_t target_bytes, size_t rows, size_t columns) {
  const Type* type = find_type(type_id);
  if (!type) return QS_UNKNOWN_TYPE;
  size_t bytes;
  if (!shape_fits(*type, rows, columns, &bytes)) return QS_BAD_SHAPE;
  QS_RETURN_IF_BAD(check_buffer(source, source_bytes, rows * columns * sizeof(float), alignof(float)));
  QS_RETURN_IF_BAD(check_buffer(target, target_bytes, bytes, type->alignment));
  if (!same_text(type->kernel_name, "iq4_nl")) {
    quantize_rows(find_line(kQuantize, type->kernel_name).kernels[0].function, *type, source, target, rows, columns,
                  nullptr);
    return QS_OK;
  }
  block_iq4_nl* blocks = static_cast<block_iq4_nl*>(target);
  for (size_t r = 0; r < rows; ++r) {
    quantize_row_iq4_nl_plain(source + r * columns, blocks + r * (columns / 32), columns);
  }
  return QS_OK;
}

qs_status qs_dequantize_rows(int32_t type_id, const void* source, size_t source_bytes, float* target,
                             size_t target_bytes, size_t rows, size_t columns, int32_t isa) {
  const Type* type = find_type(type_id);
  if (!type) return QS_UNKNOWN_TYPE;
  size_t isa_index, bytes;
  QS_RETURN_IF_BAD(resolve_isa(isa, &isa_index));
  if (!shape_fits(*type, rows, columns, &bytes)) return QS_BAD_SHAPE;
  QS_RETURN_IF_BAD(check_buffer(source, source_bytes, bytes, type->alignment));
  QS_RETURN_IF_BAD(check_buffer(target, target_bytes, rows * columns * sizeof(float), alignof(float)));
  find_line(kDequantize, type->kernel_name).kernels[isa_index].function(source, target, rows * columns);
  return QS_OK;
}

qs_status qs_apply(int32_t function, const float* source, size_t source_bytes, float* target, size_t target_bytes,
                   int32_t isa) {
  size_t isa_index;
  QS_RETURN_IF_BAD(resolve_isa(isa, &isa_index));
  QS_RETURN_IF_BAD(check_buffer(source, source_bytes, source_bytes / sizeof(float) * sizeof(float), alignof(float)));
  QS_RETURN_IF_BAD(check_buffer(target, target_bytes, source_bytes, alignof(float)));
  const qs::Vector& vector = qs::vector_of(static_cast<int32_t>(isa_index));
  const size_t count = source_bytes / sizeof(float);
  switch (function) {
    case QS_EXP:
      vector.exp(target, source, count);
      return QS_OK;
    case QS_TANH:
      vector.soft_cap(target, source, 1.0f, count);
      return QS_OK;
    case QS_SILU:
      vector.silu(target, source, count);
      return QS_OK;
    case QS_GELU:
      vector.gelu(target, source, count);
      return QS_OK;
    default:
      return QS_UNKNOWN_FUNCTION;
  }
}

qs_status qs_convert_rows(int32_t source_type, const void* source, size_t source_bytes, int32_t target_type,
                          void* target, size_t target_bytes, size_t rows, size_t columns, const float* importance,
                          size_t importance_bytes, float* scratch, size_t scratch_bytes, int32_t isa,
                          size_t* bad_index) {
  const Type* from = find_type(source_type);
  const Type* to = find_type(target_type);
  if (!from || !to) return QS_UNKNOWN_TYPE;
  if (!bad_index) return QS_NULL_ARGUMENT;
  size_t isa_index, from_bytes, to_bytes;
  QS_RETURN_IF_BAD(resolve_isa(isa, &isa_index));
  if (!shape_fits(*from, rows, columns, &from_bytes) || !shape_fits(*to, rows, columns, &to_bytes)) return QS_BAD_SHAPE;
  QS_RETURN_IF_BAD(check_buffer(source, source_bytes, from_bytes, from->alignment));
  QS_RETURN_IF_BAD(check_buffer(target, target_bytes, to_bytes, to->alignment));
  QS_RETURN_IF_BAD(check_importance(importance, importance_bytes, columns));
  if (rows == 0) return QS_OK;
  if (from == to) {
    if (target != source) __builtin_memcpy(target, source, to_bytes);
    const size_t blocks = to_bytes / to->block_bytes;
    const size_t bad_block = to->first_bad(source, blocks);
    if (bad_block == blocks) return QS_OK;
    *bad_index = bad_block * to->block_size;
    return QS_NON_FINITE;
  }
  if (scratch_bytes < columns * sizeof(float)) return QS_BAD_LENGTH;
  QS_RETURN_IF_BAD(check_buffer(scratch, scratch_bytes, scratch_bytes, alignof(float)));

  const DequantizeRow decode = find_line(kDequantize, from->kernel_name).kernels[isa_index].function;
  const QuantizeRow encode = find_line(kQuantize, to->kernel_name).kernels[isa_index].function;
  const size_t rows_at_once = scratch_bytes / sizeof(float) / columns;
  const size_t from_row = from_bytes / rows, to_row = to_bytes / rows;
  for (size_t r = 0; r < rows; r += rows_at_once) {
    const size_t count = rows - r < rows_at_once ? rows - r : rows_at_once;
    const size_t weights = count * columns;
    const uint8_t* encoded_source = static_cast<const uint8_t*>(source) + r * from_row;
    decode(encoded_source, scratch, weights);
    // A weight that is a block is finite exactly if the float is; in a block a finite scale may still be too large.
    const size_t non_finite = from->block_size == 1 ? from->first_bad(encoded_source, weights)
                                                    : first_non_finite<uint32_t, 0x00800000u>(scratch, weights);
    if (non_finite != weights) {
      *bad_index = r * columns + non_finite;
      return QS_NON_FINITE;
    }
    void* encoded = static_cast<uint8_t*>(target) + r * to_row;
    quantize_rows(encode, *to, scratch, encoded, count, columns, importance);
    const size_t bad_block = to->first_bad(encoded, weights / to->block_size);
    if (bad_block != weights / to->block_size) {
      *bad_index = r * columns + bad_block * to->block_size;
      return QS_SCALE_OVERFLOW;
    }
  }
  return QS_OK;
}
