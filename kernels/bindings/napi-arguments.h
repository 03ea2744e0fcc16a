// Reading JavaScript arguments: every number is checked to be an integer in range, every array to have the right
// element type. A reader that returns false has thrown.
#pragma once

#include <node_api.h>
#include <stdint.h>
#include <stdio.h>

namespace {

napi_value fail(napi_env env, const char* code, const char* message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_range_error(env, code, message);
  return nullptr;
}

napi_value fail(napi_env env, const char* code, const char* argument, const char* expected) {
  char message[160];
  snprintf(message, sizeof message, "%s must be %s", argument, expected);
  return fail(env, code, message);
}

bool read_integer(napi_env env, napi_value value, const char* name, double low, double high, double* result) {
  if (napi_get_value_double(env, value, result) != napi_ok || !(*result >= low && *result <= high) ||
      *result != static_cast<double>(static_cast<int64_t>(*result))) {
    fail(env, "kernel/bad-argument", name, "an integer in range");
    return false;
  }
  return true;
}

bool read_size(napi_env env, napi_value value, const char* name, size_t* result) {
  double number;
  if (!read_integer(env, value, name, 0, 9007199254740991.0, &number)) return false;
  *result = static_cast<size_t>(number);
  return true;
}

bool read_int(napi_env env, napi_value value, const char* name, int32_t* result) {
  double number;
  if (!read_integer(env, value, name, -2147483648.0, 2147483647.0, &number)) return false;
  *result = static_cast<int32_t>(number);
  return true;
}

struct Array {
  void* data = nullptr;
  size_t bytes = 0;
};

bool read_array(napi_env env, napi_value value, const char* name, napi_typedarray_type type, Array* result) {
  bool is_typed_array = false;
  napi_typedarray_type found;
  size_t length, offset;
  napi_value buffer;
  const bool ok = napi_is_typedarray(env, value, &is_typed_array) == napi_ok && is_typed_array &&
                  napi_get_typedarray_info(env, value, &found, &length, &result->data, &buffer, &offset) == napi_ok &&
                  found == type;
  if (!ok) {
    fail(env, "kernel/bad-argument", name,
         type == napi_float32_array   ? "a Float32Array"
         : type == napi_int32_array   ? "an Int32Array"
         : type == napi_float64_array ? "a Float64Array"
                                      : "a Uint8Array");
    return false;
  }
  result->bytes = length * (type == napi_uint8_array ? 1 : type == napi_float64_array ? 8 : 4);
  return true;
}

// Missing arguments arrive as undefined, which every reader but read_importance refuses.
template <size_t N>
bool read_arguments(napi_env env, napi_callback_info info, napi_value (&arguments)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) == napi_ok;
}

}  // namespace
