// The columns of every kernels.inc: the instruction sets of this build, worst first, with whose vector functions serve
// them (kernels/vector), and the macros that turn a line
// KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) into declarations and into a row of function pointers.
#pragma once

#include <stddef.h>

#if defined(__x86_64__) || defined(_M_X64)
#define QS_ISAS(X) X(sse2, sse2) X(avx2, avx2) X(avx512, avx512) X(avx512vnni, avx512)
#elif defined(__wasm_simd128__)
#define QS_ISAS(X) X(simd128, simd128)
#elif defined(__aarch64__)
#define QS_ISAS(X) X(neon, neon)
#else
#define QS_ISAS(X)
#endif

namespace {

#define QS_NAME(isa, vector) #isa,
constexpr const char* kIsaNames[] = {"ref", QS_ISAS(QS_NAME)};
#undef QS_NAME
constexpr size_t kIsaCount = sizeof kIsaNames / sizeof *kIsaNames;

}  // namespace

// Every kernel any column may name; those of other processors are declared and never used.
#define QS_DECLARE(op, type, isa, arguments) void op##_row_##type##_##isa arguments;
#define QS_DECLARE_ALL(op, type, arguments)   \
  QS_DECLARE(op, type, sse2, arguments)       \
  QS_DECLARE(op, type, avx2, arguments)       \
  QS_DECLARE(op, type, avx512, arguments)     \
  QS_DECLARE(op, type, avx512vnni, arguments) \
  QS_DECLARE(op, type, simd128, arguments)    \
  QS_DECLARE(op, type, neon, arguments)

namespace {

template <class Function>
struct Kernel {
  Function function;
  const char* isa;  // whose code it is
};

// A kernels.inc line per type, found by the name in kernels: the order of lines does not matter.
template <class Function>
struct KernelLine {
  const char* type;
  Kernel<Function> kernels[kIsaCount];
};

#define QS_CELL_ref(op, type) \
  { op##_row_##type##_ref_kernel, "ref" }
#define QS_CELL_sse2(op, type) \
  { op##_row_##type##_sse2, "sse2" }
#define QS_CELL_avx2(op, type) \
  { op##_row_##type##_avx2, "avx2" }
#define QS_CELL_avx512(op, type) \
  { op##_row_##type##_avx512, "avx512" }
#define QS_CELL_avx512vnni(op, type) \
  { op##_row_##type##_avx512vnni, "avx512vnni" }
#define QS_CELL_simd128(op, type) \
  { op##_row_##type##_simd128, "simd128" }
#define QS_CELL_neon(op, type) \
  { op##_row_##type##_neon, "neon" }
#define QS_CELL(isa, op, type) QS_CELL_##isa(op, type)

#if defined(__x86_64__) || defined(_M_X64)
#define QS_LINE(op, type, sse2, avx2, avx512, avx512vnni, simd128, neon)                                 \
  {#type,                                                                                                \
   {QS_CELL(ref, op, type), QS_CELL(sse2, op, type), QS_CELL(avx2, op, type), QS_CELL(avx512, op, type), \
    QS_CELL(avx512vnni, op, type)}},
#elif defined(__wasm_simd128__)
#define QS_LINE(op, type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  {#type, {QS_CELL(ref, op, type), QS_CELL(simd128, op, type)}},
#elif defined(__aarch64__)
#define QS_LINE(op, type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  {#type, {QS_CELL(ref, op, type), QS_CELL(neon, op, type)}},
#else
#define QS_LINE(op, type, sse2, avx2, avx512, avx512vnni, simd128, neon) {#type, {QS_CELL(ref, op, type)}},
#endif

constexpr bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

template <class Line, size_t N>
const Line& find_line(const Line (&lines)[N], const char* type) {
  size_t i = 0;
  while (i + 1 < N && !same_text(lines[i].type, type)) ++i;
  return lines[i];
}

}  // namespace
