// What both WebAssembly bindings know about memory: the caller owns what lies above the module's own data
// (`__heap_base`), and nothing outside it may be touched.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define QS_EXPORT(name) extern "C" __attribute__((export_name(#name)))

extern "C" uint8_t __heap_base;

namespace {

inline bool outside(const void* data, uint64_t bytes) {
  if (bytes == 0) return false;
  const uint64_t begin = reinterpret_cast<uintptr_t>(data);
  const uint64_t end = static_cast<uint64_t>(__builtin_wasm_memory_size(0)) << 16;
  return begin < reinterpret_cast<uintptr_t>(&__heap_base) || begin > end || bytes > end - begin;
}

}  // namespace
