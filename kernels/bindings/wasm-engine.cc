// WebAssembly binding of the executor, the same for 32-bit and 64-bit memories: addresses, sizes and counts are
// doubles, which JavaScript hands over to either and which are exact to 2^53. Program, weights table, weights and
// session all lie in the caller's memory.
//
// With threads (atomics), every thread is an instance of its own over one shared memory, with a stack of its own. One
// makes the session, another its steps, so that the first is never blocked; the others call session_help.
#include "bindings/wasm-memory.h"
#include "include/executor.h"

namespace {

uint64_t last_session_bytes;
size_t last_where;

// Anything that is not an integer in the range of memory sizes becomes one that no check lets pass.
uint64_t integer(double value) {
  return value >= 0.0 && value < 9007199254740992.0 ? static_cast<uint64_t>(value) : ~0ull;
}

template <class T>
T* at(double address) {
  return reinterpret_cast<T*>(static_cast<uintptr_t>(integer(address)));
}

size_t count_of(double count) { return static_cast<size_t>(integer(count)); }

template <class T>
bool outside_all(double address, double count) {
  const uint64_t elements = integer(count);
  return elements > UINT64_MAX / sizeof(T) || outside(at<T>(address), elements * sizeof(T));
}

bool weights_outside(double weights, double count) {
  if (outside_all<qs_weight>(weights, count)) return true;
  for (size_t i = 0; i < count_of(count); ++i) {
    const qs_weight& weight = at<const qs_weight>(weights)[i];
    if (outside(weight.data, weight.bytes)) return true;
  }
  return false;
}

}  // namespace

// The first address that is the caller's.
QS_EXPORT(engine_base) double wasm_engine_base() {
  return static_cast<double>(reinterpret_cast<uintptr_t>(&__heap_base));
}

QS_EXPORT(exec_status_code) double wasm_exec_status_code(int32_t status) {
  return static_cast<double>(reinterpret_cast<uintptr_t>(qs_exec_status_code(status)));
}

// Which word or weight the last session_bytes call stopped at, and what it found to be needed.
QS_EXPORT(exec_where) double wasm_exec_where() { return static_cast<double>(last_where); }
QS_EXPORT(exec_bytes) double wasm_exec_bytes() { return static_cast<double>(last_session_bytes); }

QS_EXPORT(session_bytes)
int32_t wasm_session_bytes(double program, double words, double weights, double weight_count, double threads) {
  if (outside_all<int32_t>(program, words) || weights_outside(weights, weight_count)) return QS_EXEC_BAD_PROGRAM;
  return qs_session_bytes(at<int32_t>(program), count_of(words), at<qs_weight>(weights), count_of(weight_count),
                          count_of(threads), &last_session_bytes, &last_where);
}

// The session's handle is the address of its memory.
// The session's handle is the address of its memory.
QS_EXPORT(session_create)
int32_t wasm_session_create(double memory, double bytes, double program, double words, double weights,
                            double weight_count, double threads, int32_t isa) {
  if (outside_all<uint8_t>(memory, bytes) || outside_all<int32_t>(program, words) ||
      weights_outside(weights, weight_count)) {
    return QS_EXEC_BAD_PROGRAM;
  }
  qs_session* session;
  return qs_session_create(at<void>(memory), integer(bytes), at<int32_t>(program), count_of(words),
                           at<qs_weight>(weights), count_of(weight_count), count_of(threads), isa, &session);
}

QS_EXPORT(session_step)
int32_t wasm_session_step(double session, double tokens, double sequences, double wanted, double count, double logits,
                          double logits_bytes, double cancelled) {
  if (outside_all<uint8_t>(session, 1) || outside_all<int32_t>(tokens, count) ||
      (sequences != 0 && outside_all<int32_t>(sequences, count)) ||
      (wanted != 0 && outside_all<uint8_t>(wanted, count)) || outside_all<uint8_t>(logits, logits_bytes) ||
      outside_all<uint32_t>(cancelled, 1)) {
    return QS_EXEC_BAD_STEP;
  }
  const qs_step step = {at<int32_t>(tokens), at<int32_t>(sequences), at<uint8_t>(wanted),    count_of(count),
                        at<float>(logits),   count_of(logits_bytes), at<uint32_t>(cancelled)};
  return qs_session_step(at<qs_session>(session), &step);
}

#if defined(__wasm_atomics__)
QS_EXPORT(session_help) void wasm_session_help(double session, double thread) {
  if (!outside_all<uint8_t>(session, 1)) qs_session_help(at<qs_session>(session), count_of(thread));
}
#endif

QS_EXPORT(session_length) double wasm_session_length(double session, double sequence) {
  if (outside_all<uint8_t>(session, 1)) return 0.0;
  return static_cast<double>(qs_session_length(at<qs_session>(session), count_of(sequence)));
}

QS_EXPORT(session_truncate) int32_t wasm_session_truncate(double session, double sequence, double length) {
  if (outside_all<uint8_t>(session, 1)) return QS_EXEC_BAD_SEQUENCE;
  return qs_session_truncate(at<qs_session>(session), count_of(sequence), count_of(length));
}

QS_EXPORT(session_copy) int32_t wasm_session_copy(double session, double from, double to, double length) {
  if (outside_all<uint8_t>(session, 1)) return QS_EXEC_BAD_SEQUENCE;
  return qs_session_copy(at<qs_session>(session), count_of(from), count_of(to), count_of(length));
}
