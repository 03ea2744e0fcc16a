// WebAssembly binding: the C interface under fixed export names, after a check that every buffer lies between the end
// of the module's own data (`__heap_base`) and the end of memory. There is no allocator: the caller owns that range.
#include "include/executor.h"
#include "include/kernels.h"

#define QS_EXPORT(name) extern "C" __attribute__((export_name(#name)))

extern "C" uint8_t __heap_base;

namespace {

bool outside(const void* data, size_t bytes) {
  if (bytes == 0) return false;
  const uint64_t begin = reinterpret_cast<uintptr_t>(data);
  const uint64_t end = static_cast<uint64_t>(__builtin_wasm_memory_size(0)) << 16;
  return begin < reinterpret_cast<uintptr_t>(&__heap_base) || begin + bytes > end;
}

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

// ---- The executor: program, weights table, weights and session memory all lie in the caller's range. ----

QS_EXPORT(exec_status_code) const char* wasm_exec_status_code(int32_t status) { return qs_exec_status_code(status); }

namespace {

uint64_t last_session_bytes;
size_t last_where;

bool weights_outside(const qs_weight* weights, size_t count) {
  if (count > 0xffffffffu / sizeof(qs_weight) || outside(weights, count * sizeof(qs_weight))) return true;
  for (size_t i = 0; i < count; ++i) {
    if (weights[i].bytes > 0xffffffffu || outside(weights[i].data, static_cast<size_t>(weights[i].bytes))) return true;
  }
  return false;
}

}  // namespace

// Which word or weight the last session_bytes call stopped at, and what it found to be needed.
QS_EXPORT(exec_where) size_t wasm_exec_where() { return last_where; }
QS_EXPORT(exec_bytes) double wasm_exec_bytes() { return static_cast<double>(last_session_bytes); }

QS_EXPORT(session_bytes)
int32_t wasm_session_bytes(const int32_t* program, size_t words, const qs_weight* weights, size_t weight_count) {
  if (words > 0x3fffffffu || outside(program, words * 4) || weights_outside(weights, weight_count)) {
    return QS_EXEC_BAD_PROGRAM;
  }
  return qs_session_bytes(program, words, weights, weight_count, 1, &last_session_bytes, &last_where);
}

// The session's handle is the address of its memory.
QS_EXPORT(session_create)
int32_t wasm_session_create(void* memory, size_t bytes, const int32_t* program, size_t words, const qs_weight* weights,
                            size_t weight_count, int32_t isa) {
  if (words > 0x3fffffffu || outside(memory, bytes) || outside(program, words * 4) ||
      weights_outside(weights, weight_count)) {
    return QS_EXEC_BAD_PROGRAM;
  }
  qs_session* session;
  return qs_session_create(memory, bytes, program, words, weights, weight_count, 1, isa, &session);
}

QS_EXPORT(session_step)
int32_t wasm_session_step(qs_session* session, const int32_t* tokens, const int32_t* sequences, const uint8_t* wanted,
                          size_t count, float* logits, size_t logits_bytes) {
  if (outside(session, 1) || count > 0x3fffffffu || outside(tokens, count * 4) ||
      (sequences && outside(sequences, count * 4)) || (wanted && outside(wanted, count)) ||
      outside(logits, logits_bytes)) {
    return QS_EXEC_BAD_STEP;
  }
  const qs_step step = {tokens, sequences, wanted, count, logits, logits_bytes, nullptr};
  return qs_session_step(session, &step);
}

QS_EXPORT(session_length) size_t wasm_session_length(const qs_session* session, size_t sequence) {
  return outside(session, 1) ? 0 : qs_session_length(session, sequence);
}

QS_EXPORT(session_truncate)
int32_t wasm_session_truncate(qs_session* session, size_t sequence, size_t length) {
  return outside(session, 1) ? QS_EXEC_BAD_SEQUENCE : qs_session_truncate(session, sequence, length);
}

QS_EXPORT(session_copy)
int32_t wasm_session_copy(qs_session* session, size_t from, size_t to, size_t length) {
  return outside(session, 1) ? QS_EXEC_BAD_SEQUENCE : qs_session_copy(session, from, to, length);
}
