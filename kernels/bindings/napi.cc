// N-API binding: turns JavaScript arguments into the C interface's, and its statuses into thrown errors with a code.
// No state: the addon may be loaded by any number of threads. Every number is checked to be an integer in range and
// every array to have the right element type; lengths and alignment are checked by the interface itself. Arrays may lie
// on a SharedArrayBuffer.
#include <stdlib.h>

#include "bindings/napi-arguments.h"
#include "bindings/napi-engine.h"
#include "include/kernels.h"

namespace {

constexpr size_t kScratchBytes = 64 * 1024;  // stays in a level-2 cache beside source and target

napi_value fail_status(napi_env env, qs_status status) {
  const char* code = qs_status_code(status);
  char message[160];
  snprintf(message, sizeof message, "The kernels refused the call: %s. Nothing was computed.", code);
  return fail(env, code, message);
}

bool read_importance(napi_env env, napi_value value, Array* result) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_undefined) return true;
  return read_array(env, value, "importance", napi_float32_array, result);
}

// quantizeRows(type, source: Float32Array, target: Uint8Array, rows, columns, importance: Float32Array | undefined,
// isa)
napi_value quantize_rows(napi_env env, napi_callback_info info) {
  napi_value a[7];
  int32_t type, isa;
  size_t rows, columns;
  Array source, target, importance;
  if (!read_arguments(env, info, a) || !read_int(env, a[0], "type", &type) ||
      !read_array(env, a[1], "source", napi_float32_array, &source) ||
      !read_array(env, a[2], "target", napi_uint8_array, &target) || !read_size(env, a[3], "rows", &rows) ||
      !read_size(env, a[4], "columns", &columns) || !read_importance(env, a[5], &importance) ||
      !read_int(env, a[6], "isa", &isa)) {
    return nullptr;
  }
  const qs_status status =
      qs_quantize_rows(type, static_cast<const float*>(source.data), source.bytes, target.data, target.bytes, rows,
                       columns, static_cast<const float*>(importance.data), importance.bytes, isa);
  return status == QS_OK ? nullptr : fail_status(env, status);
}

// quantizeRowsPlain(type, source: Float32Array, target: Uint8Array, rows, columns)
napi_value quantize_rows_plain(napi_env env, napi_callback_info info) {
  napi_value a[5];
  int32_t type;
  size_t rows, columns;
  Array source, target;
  if (!read_arguments(env, info, a) || !read_int(env, a[0], "type", &type) ||
      !read_array(env, a[1], "source", napi_float32_array, &source) ||
      !read_array(env, a[2], "target", napi_uint8_array, &target) || !read_size(env, a[3], "rows", &rows) ||
      !read_size(env, a[4], "columns", &columns)) {
    return nullptr;
  }
  const qs_status status = qs_quantize_rows_plain(type, static_cast<const float*>(source.data), source.bytes,
                                                  target.data, target.bytes, rows, columns);
  return status == QS_OK ? nullptr : fail_status(env, status);
}

// dequantizeRows(type, source: Uint8Array, target: Float32Array, rows, columns, isa)
napi_value dequantize_rows(napi_env env, napi_callback_info info) {
  napi_value a[6];
  int32_t type, isa;
  size_t rows, columns;
  Array source, target;
  if (!read_arguments(env, info, a) || !read_int(env, a[0], "type", &type) ||
      !read_array(env, a[1], "source", napi_uint8_array, &source) ||
      !read_array(env, a[2], "target", napi_float32_array, &target) || !read_size(env, a[3], "rows", &rows) ||
      !read_size(env, a[4], "columns", &columns) || !read_int(env, a[5], "isa", &isa)) {
    return nullptr;
  }
  const qs_status status = qs_dequantize_rows(type, source.data, source.bytes, static_cast<float*>(target.data),
                                              target.bytes, rows, columns, isa);
  return status == QS_OK ? nullptr : fail_status(env, status);
}

// apply(function, source: Float32Array, target: Float32Array, isa)
napi_value apply(napi_env env, napi_callback_info info) {
  napi_value a[4];
  int32_t function, isa;
  Array source, target;
  if (!read_arguments(env, info, a) || !read_int(env, a[0], "function", &function) ||
      !read_array(env, a[1], "source", napi_float32_array, &source) ||
      !read_array(env, a[2], "target", napi_float32_array, &target) || !read_int(env, a[3], "isa", &isa)) {
    return nullptr;
  }
  const qs_status status = qs_apply(function, static_cast<const float*>(source.data), source.bytes,
                                    static_cast<float*>(target.data), target.bytes, isa);
  return status == QS_OK ? nullptr : fail_status(env, status);
}

// convertRows(sourceType, source: Uint8Array, targetType, target: Uint8Array, rows, columns,
//             importance: Float32Array | undefined, isa) -> undefined | [code, index]
napi_value convert_rows(napi_env env, napi_callback_info info) {
  napi_value a[8];
  int32_t source_type, target_type, isa;
  size_t rows, columns, bad_index = 0;
  Array source, target, importance;
  if (!read_arguments(env, info, a) || !read_int(env, a[0], "sourceType", &source_type) ||
      !read_array(env, a[1], "source", napi_uint8_array, &source) || !read_int(env, a[2], "targetType", &target_type) ||
      !read_array(env, a[3], "target", napi_uint8_array, &target) || !read_size(env, a[4], "rows", &rows) ||
      !read_size(env, a[5], "columns", &columns) || !read_importance(env, a[6], &importance) ||
      !read_int(env, a[7], "isa", &isa)) {
    return nullptr;
  }
  // No format spends less than a bit per weight: more columns than that is a wrong call that must not reach malloc.
  if (rows != 0 && columns > source.bytes * 8) return fail_status(env, QS_BAD_LENGTH);
  // Equal types are copied: nothing is decoded.
  const size_t row_bytes = rows != 0 && source_type != target_type ? columns * sizeof(float) : 0;
  const size_t scratch_bytes = row_bytes > kScratchBytes ? row_bytes : kScratchBytes;
  float* scratch = static_cast<float*>(malloc(scratch_bytes));
  if (!scratch) return fail_status(env, QS_OUT_OF_MEMORY);
  const qs_status status = qs_convert_rows(source_type, source.data, source.bytes, target_type, target.data,
                                           target.bytes, rows, columns, static_cast<const float*>(importance.data),
                                           importance.bytes, scratch, scratch_bytes, isa, &bad_index);
  free(scratch);
  if (status == QS_OK) return nullptr;
  if (status != QS_NON_FINITE && status != QS_SCALE_OVERFLOW) return fail_status(env, status);
  napi_value result, code, index;
  if (napi_create_array_with_length(env, 2, &result) != napi_ok ||
      napi_create_string_utf8(env, qs_status_code(status), NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_double(env, static_cast<double>(bad_index), &index) != napi_ok ||
      napi_set_element(env, result, 0, code) != napi_ok || napi_set_element(env, result, 1, index) != napi_ok) {
    return fail(env, "kernel/internal", "could not create the result");
  }
  return result;
}

bool set_string(napi_env env, napi_value object, const char* key, const char* text) {
  napi_value value;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, object, key, value) == napi_ok;
}

bool set_number(napi_env env, napi_value object, const char* key, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok &&
         napi_set_named_property(env, object, key, value) == napi_ok;
}

// The names of the instruction sets whose code serves `operation`, per instruction set of the build.
bool set_kernels(napi_env env, napi_value object, const char* key, qs_operation operation, size_t type) {
  napi_value list;
  if (napi_create_array(env, &list) != napi_ok) return false;
  for (size_t isa = 0; isa < qs_isa_count(); ++isa) {
    napi_value name;
    if (napi_create_string_utf8(env, qs_kernel_name(operation, type, isa), NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_set_element(env, list, static_cast<uint32_t>(isa), name) != napi_ok) {
      return false;
    }
  }
  return napi_set_named_property(env, object, key, list) == napi_ok;
}

// describe() -> { abi, isas: [{ name, available }], types: [{ id, name, blockSize, blockBytes, quantize, dequantize,
// product }] }
napi_value describe(napi_env env, napi_callback_info) {
  napi_value result, isas, types;
  bool ok = napi_create_object(env, &result) == napi_ok && napi_create_array(env, &isas) == napi_ok &&
            napi_create_array(env, &types) == napi_ok && set_number(env, result, "abi", QS_ABI_VERSION);
  for (size_t i = 0; ok && i < qs_isa_count(); ++i) {
    napi_value isa;
    ok = napi_create_object(env, &isa) == napi_ok && set_string(env, isa, "name", qs_isa_name(i)) &&
         set_number(env, isa, "available", qs_isa_available(i)) &&
         napi_set_element(env, isas, static_cast<uint32_t>(i), isa) == napi_ok;
  }
  for (size_t i = 0; ok && i < qs_type_count(); ++i) {
    napi_value type;
    ok = napi_create_object(env, &type) == napi_ok && set_number(env, type, "id", qs_type_id(i)) &&
         set_string(env, type, "name", qs_type_name(i)) &&
         set_number(env, type, "blockSize", static_cast<double>(qs_type_block_size(i))) &&
         set_number(env, type, "blockBytes", static_cast<double>(qs_type_block_bytes(i))) &&
         set_kernels(env, type, "quantize", QS_QUANTIZE, i) && set_kernels(env, type, "dequantize", QS_DEQUANTIZE, i) &&
         set_kernels(env, type, "product", QS_PRODUCT, i) &&
         napi_set_element(env, types, static_cast<uint32_t>(i), type) == napi_ok;
  }
  ok = ok && napi_set_named_property(env, result, "isas", isas) == napi_ok &&
       napi_set_named_property(env, result, "types", types) == napi_ok;
  return ok ? result : fail(env, "kernel/internal", "could not describe the kernels");
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor properties[] = {
      {"describe", nullptr, describe, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"quantizeRows", nullptr, quantize_rows, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"quantizeRowsPlain", nullptr, quantize_rows_plain, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"dequantizeRows", nullptr, dequantize_rows, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"apply", nullptr, apply, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"convertRows", nullptr, convert_rows, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  if (napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties) != napi_ok ||
      !define_engine(env, exports)) {
    return nullptr;
  }
  return exports;
}
