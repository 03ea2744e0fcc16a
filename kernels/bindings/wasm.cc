// WebAssembly binding of the row operations: the C interface under fixed export names, after a check that every buffer
// lies in the caller's memory. There is no allocator.
#include "bindings/wasm-memory.h"
#include "include/kernels.h"

namespace {

size_t last_bad_index;

}  // namespace

QS_EXPORT(abi_version) int32_t wasm_abi_version() { return QS_ABI_VERSION; }
QS_EXPORT(status_code) const char* wasm_status_code(int32_t status) { return qs_status_code(status); }
QS_EXPORT(type_count) size_t wasm_type_count() { return qs_type_count(); }
QS_EXPORT(type_id) int32_t wasm_type_id(size_t index) { return qs_type_id(index); }
QS_EXPORT(type_name) const char* wasm_type_name(size_t index) { return qs_type_name(index); }
QS_EXPORT(type_block_size) size_t wasm_type_block_size(size_t index) { return qs_type_block_size(index); }
QS_EXPORT(type_block_bytes) size_t wasm_type_block_bytes(size_t index) { return qs_type_block_bytes(index); }
QS_EXPORT(isa_count) size_t wasm_isa_count() { return qs_isa_count(); }
QS_EXPORT(isa_name) const char* wasm_isa_name(size_t index) { return qs_isa_name(index); }
QS_EXPORT(isa_available) int32_t wasm_isa_available(size_t index) { return qs_isa_available(index); }
QS_EXPORT(kernel_name) const char* wasm_kernel_name(int32_t operation, size_t type_index, size_t isa) {
  return qs_kernel_name(operation, type_index, isa);
}

QS_EXPORT(quantize_rows)
int32_t wasm_quantize_rows(int32_t type, const float* source, size_t source_bytes, void* target, size_t target_bytes,
                           size_t rows, size_t columns, const float* importance, size_t importance_bytes, int32_t isa) {
  if (outside(source, source_bytes) || outside(target, target_bytes) || outside(importance, importance_bytes)) {
    return QS_OUT_OF_BOUNDS;
  }
  return qs_quantize_rows(type, source, source_bytes, target, target_bytes, rows, columns, importance, importance_bytes,
                          isa);
}

QS_EXPORT(quantize_rows_plain)
int32_t wasm_quantize_rows_plain(int32_t type, const float* source, size_t source_bytes, void* target,
                                 size_t target_bytes, size_t rows, size_t columns) {
  if (outside(source, source_bytes) || outside(target, target_bytes)) return QS_OUT_OF_BOUNDS;
  return qs_quantize_rows_plain(type, source, source_bytes, target, target_bytes, rows, columns);
}

QS_EXPORT(dequantize_rows)
int32_t wasm_dequantize_rows(int32_t type, const void* source, size_t source_bytes, float* target, size_t target_bytes,
                             size_t rows, size_t columns, int32_t isa) {
  if (outside(source, source_bytes) || outside(target, target_bytes)) return QS_OUT_OF_BOUNDS;
  return qs_dequantize_rows(type, source, source_bytes, target, target_bytes, rows, columns, isa);
}

QS_EXPORT(apply)
int32_t wasm_apply(int32_t function, const float* source, size_t source_bytes, float* target, size_t target_bytes,
                   int32_t isa) {
  if (outside(source, source_bytes) || outside(target, target_bytes)) return QS_OUT_OF_BOUNDS;
  return qs_apply(function, source, source_bytes, target, target_bytes, isa);
}

QS_EXPORT(convert_rows)
int32_t wasm_convert_rows(int32_t source_type, const void* source, size_t source_bytes, int32_t target_type,
                          void* target, size_t target_bytes, size_t rows, size_t columns, const float* importance,
                          size_t importance_bytes, float* scratch, size_t scratch_bytes, int32_t isa) {
  if (outside(source, source_bytes) || outside(target, target_bytes) || outside(importance, importance_bytes) ||
      outside(scratch, scratch_bytes)) {
    return QS_OUT_OF_BOUNDS;
  }
  return qs_convert_rows(source_type, source, source_bytes, target_type, target, target_bytes, rows, columns,
                         importance, importance_bytes, scratch, scratch_bytes, isa, &last_bad_index);
}

// Which weight the last convert_rows call of this instance stopped at.
QS_EXPORT(bad_index) size_t wasm_bad_index() { return last_bad_index; }
