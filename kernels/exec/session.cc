// Sessions: memory of a program laid out once, the cache's length, and the threads that run steps.
//
// Memory of a session, in one piece that the caller gives:
//   qs_session | words of the program | weights | pointers | slots: batch rows each | caches | rounded input | scratch
#include "exec/operations.h"
#include "exec/verify.h"
#include "product/grids.h"

#if !defined(__wasm__)
#include <pthread.h>
#endif

using namespace qs;

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxThreads = 256;

// Hands out consecutive aligned pieces; with no memory it only counts.
struct Layout {
  uint8_t* memory;
  uint64_t used = 0;

  template <class T>
  T* take(uint64_t count) {
    const uint64_t at = (used + kAlignment - 1) / kAlignment * kAlignment;
    used = at + count * sizeof(T);
    return memory ? reinterpret_cast<T*>(memory + at) : nullptr;
  }
};

}  // namespace

struct qs_session {
  Program program;
  const qs_weight* weights;
  float** slots;
  void** keys;
  void** values;
  float* rounded;
  float* scratch;  // threads x scratch_floats
  size_t scratch_floats;
  size_t length = 0;
  uint32_t threads;
  Meeting meeting;

  // The step that is asked for; `asked` counts them, so that a helper sees a new one.
  const int32_t* tokens = nullptr;
  size_t count = 0, outputs = 0;
  float* logits = nullptr;
  uint32_t asked = 0;
  bool ending = false;
#if !defined(__wasm__)
  uint32_t started = 0;  // helpers that exist
  pthread_t* helpers = nullptr;
#endif
};

namespace {

void run_step(qs_session* session, uint32_t thread) {
  Run run = {session->program,  session->weights, session->slots,  session->keys,
             session->values,   session->rounded, session->tokens, session->count,
             session->length,   session->outputs, session->count,  session->logits,
             &session->meeting, session->threads, thread,          session->scratch + thread * session->scratch_floats};
  Step step = {session->program.code};
  for (int32_t i = 0; i < session->program.header->operations; ++i, step = step.next()) run_operation(step, run);
}

// Everything of a session in its memory, in the order of the drawing above.
qs_session* lay_out(Layout& layout, const int32_t* words, size_t count, const qs_weight* weights, size_t weight_count,
                    uint32_t threads) {
  qs_session* session = layout.take<qs_session>(1);
  int32_t* own_words = layout.take<int32_t>(count);
  qs_weight* own_weights = layout.take<qs_weight>(weight_count);
  if (own_words) __builtin_memcpy(own_words, words, count * sizeof(int32_t));
  if (own_weights) __builtin_memcpy(own_weights, weights, weight_count * sizeof(qs_weight));
  const Program program = Program::of(own_words ? own_words : words);
  const Header& header = *program.header;
  const uint64_t batch = static_cast<uint64_t>(header.batch), context = static_cast<uint64_t>(header.context);
  const uint64_t cache_bytes = header.cache_type == 1 ? 2 : 4;

  float** slots = layout.take<float*>(static_cast<uint64_t>(header.slots));
  void** keys = layout.take<void*>(static_cast<uint64_t>(header.layers));
  void** values = layout.take<void*>(static_cast<uint64_t>(header.layers));
  for (int32_t i = 0; i < header.slots; ++i) {
    if (program.slots[i].base != i) continue;
    float* memory = layout.take<float>(batch * static_cast<uint64_t>(program.slots[i].columns));
    if (slots) slots[i] = memory;
  }
  for (int32_t i = 0; i < header.layers; ++i) {
    void* layer_keys =
        layout.take<uint8_t>(context * static_cast<uint64_t>(program.layers[i].key_columns) * cache_bytes);
    void* layer_values =
        layout.take<uint8_t>(context * static_cast<uint64_t>(program.layers[i].value_columns) * cache_bytes);
    if (keys) keys[i] = layer_keys;
    if (values) values[i] = layer_values;
  }
  float* rounded = layout.take<float>(batch * rounded_columns(program));
  const size_t scratch_floats =
      (scratch_columns(program, weights, weight_count) + kAlignment - 1) / kAlignment * kAlignment;
  float* scratch = layout.take<float>(static_cast<uint64_t>(scratch_floats) * threads);
#if !defined(__wasm__)
  pthread_t* helpers = layout.take<pthread_t>(threads);
#endif
  if (!layout.memory) return nullptr;
  *session = qs_session{};
  session->program = program;
  session->weights = own_weights;
  session->slots = slots;
  session->keys = keys;
  session->values = values;
  session->rounded = rounded;
  session->scratch = scratch;
  session->scratch_floats = scratch_floats;
  session->threads = threads;
#if !defined(__wasm__)
  session->helpers = helpers;
#endif
  return session;
}

#if !defined(__wasm__)
struct HelperStart {
  qs_session* session;
  uint32_t thread;
  uint32_t taken;
};

void* help(void* argument) {
  HelperStart* start = static_cast<HelperStart*>(argument);
  qs_session* session = start->session;
  const uint32_t thread = start->thread;
  __atomic_store_n(&start->taken, 1u, __ATOMIC_RELEASE);
  wake_all(&start->taken);
  for (uint32_t done = 0;; ++done) {
    while (load(&session->asked) == done) wait_while(&session->asked, done);
    if (session->ending) return nullptr;
    run_step(session, thread);
  }
}

// False when the system gives fewer threads than asked for; those that started are ended by qs_session_free.
bool start_helpers(qs_session* session) {
  for (uint32_t thread = 1; thread < session->threads; ++thread) {
    HelperStart start = {session, thread, 0};
    if (pthread_create(session->helpers + thread, nullptr, help, &start) != 0) return false;
    ++session->started;
    while (load(&start.taken) == 0) wait_while(&start.taken, 0);
  }
  return true;
}
#endif

void ask(qs_session* session) {
  __atomic_add_fetch(&session->asked, 1u, __ATOMIC_RELEASE);
  wake_all(&session->asked);
}

qs_exec_status check_all(const int32_t* program, size_t words, const qs_weight* weights, size_t weight_count,
                         size_t threads, size_t* where) {
  *where = 0;
  if (!program || (!weights && weight_count != 0) || threads == 0 || threads > kMaxThreads) return QS_EXEC_BAD_PROGRAM;
  const qs_exec_status status = check_weights(weights, weight_count, where);
  return status == QS_EXEC_OK ? check_program(program, words, weights, weight_count, where) : status;
}

}  // namespace

const char* qs_exec_status_code(int32_t status) {
  static const char* const codes[] = {"ok",
                                      "engine/bad-program",
                                      "engine/bad-weight",
                                      "engine/out-of-memory",
                                      "engine/bad-token",
                                      "engine/bad-step",
                                      "engine/context-full"};
  const size_t count = sizeof codes / sizeof *codes;
  return status >= 0 && static_cast<size_t>(status) < count ? codes[status] : "engine/unknown-status";
}

qs_exec_status qs_session_bytes(const int32_t* program, size_t words, const qs_weight* weights, size_t weight_count,
                                size_t threads, uint64_t* bytes, size_t* where) {
  const qs_exec_status status = check_all(program, words, weights, weight_count, threads, where);
  if (status != QS_EXEC_OK) return status;
  Layout layout = {nullptr};
  lay_out(layout, program, words, weights, weight_count, static_cast<uint32_t>(threads));
  *bytes = layout.used;
  return QS_EXEC_OK;
}

qs_exec_status qs_session_create(void* memory, uint64_t bytes, const int32_t* program, size_t words,
                                 const qs_weight* weights, size_t weight_count, size_t threads, qs_session** session) {
  uint64_t needed;
  size_t where;
  const qs_exec_status status = qs_session_bytes(program, words, weights, weight_count, threads, &needed, &where);
  if (status != QS_EXEC_OK) return status;
  if (!memory || bytes < needed || reinterpret_cast<uintptr_t>(memory) % kAlignment != 0) return QS_EXEC_OUT_OF_MEMORY;
  qs_product_tables();
  Layout layout = {static_cast<uint8_t*>(memory)};
  qs_session* created = lay_out(layout, program, words, weights, weight_count, static_cast<uint32_t>(threads));
#if !defined(__wasm__)
  if (!start_helpers(created)) {
    qs_session_end(created);
    return QS_EXEC_OUT_OF_MEMORY;
  }
#endif
  *session = created;
  return QS_EXEC_OK;
}

void qs_session_end(qs_session* session) {
#if !defined(__wasm__)
  session->ending = true;
  ask(session);
  for (uint32_t i = 1; i <= session->started; ++i) pthread_join(session->helpers[i], nullptr);
#else
  (void)session;
#endif
}

size_t qs_session_length(const qs_session* session) { return session->length; }

qs_exec_status qs_session_step(qs_session* session, const int32_t* tokens, size_t count, size_t outputs, float* logits,
                               size_t logits_bytes) {
  const Header& header = *session->program.header;
  const size_t vocabulary = static_cast<size_t>(header.vocabulary);
  if (!tokens || count == 0 || count > static_cast<size_t>(header.batch) || outputs > count ||
      logits_bytes != outputs * vocabulary * sizeof(float) || (outputs != 0 && !logits)) {
    return QS_EXEC_BAD_STEP;
  }
  if (count > static_cast<size_t>(header.context) - session->length) return QS_EXEC_CONTEXT_FULL;
  for (size_t i = 0; i < count; ++i) {
    if (tokens[i] < 0 || tokens[i] >= header.vocabulary) return QS_EXEC_BAD_TOKEN;
  }
  session->tokens = tokens;
  session->count = count;
  session->outputs = outputs;
  session->logits = logits;
  if (session->threads > 1) ask(session);
  run_step(session, 0);
  session->length += count;
  return QS_EXEC_OK;
}
