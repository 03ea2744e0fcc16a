// Sessions: memory of a program laid out once, its sequences, and the threads that run steps.
//
// Memory of a session, in one piece that the caller gives:
//   qs_session | words of the program | weights | pointers | slots: batch rows each | pages of the caches | their lists
//   | tokens of a step | rounded input | scratch
#include "exec/operations.h"
#include "exec/verify.h"
#include "include/kernels.h"
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

// The step that is asked for.
struct Asked {
  const int32_t* tokens;
  const uint8_t* wanted;
  size_t count, outputs;
  size_t first_phase;
};

struct qs_session {
  Program program;
  const qs_weight* weights;
  float** slots;
  int32_t logits_slot;  // its memory is the buffer of the step
  uint8_t** keys;
  uint8_t** values;
  Pages pages;
  uint32_t* lengths_before;  // per sequence, when the step began
  Turns turns;
  float* rounded;
  float* scratch;  // threads x scratch_floats
  size_t scratch_floats;
  uint32_t threads;
  int32_t isa;
  Meeting meeting;

  // Of each token of a step.
  uint32_t* sequences;
  uint32_t* positions;
  uint32_t* cells;

  Asked asked;
  uint32_t asked_count = 0;  // odd while `asked` is written; goes up by two for each step, so that a helper sees it
  bool ending = false;
#if !defined(__wasm__)
  uint32_t started = 0;  // helpers that exist
  pthread_t* helpers = nullptr;
#endif
};

namespace {

// An operation has three phases at most, so this many are enough for a step.
uint32_t phases_of(const Program& program) { return 4 * static_cast<uint32_t>(program.header->operations); }

void run_step(qs_session* session, const Asked& asked, uint32_t thread) {
  Run run = {session->program,
             session->weights,
             session->slots,
             session->keys,
             session->values,
             session->pages,
             session->rounded,
             asked.tokens,
             session->sequences,
             session->positions,
             session->cells,
             asked.wanted,
             asked.count,
             asked.outputs,
             asked.count,
             session->isa,
             session->turns,
             vector_of(session->isa),
             &session->meeting,
             session->threads,
             static_cast<uint32_t>(asked.first_phase),
             session->scratch + thread * session->scratch_floats};
  each_token(run, [&](size_t token) { run.turns.turn(run.program, token, run.positions[token]); });
  Step step = {session->program.code};
  for (int32_t i = 0; i < session->program.header->operations; ++i, step = step.next()) {
    run_operation(step, run);
    if (session->meeting.is_stopped() || run.rows == 0) return;
  }
}

// Everything of a session in its memory, in the order of the drawing above.
qs_session* lay_out(Layout& layout, const int32_t* words, size_t count, const qs_weight* weights, size_t weight_count,
                    uint32_t threads) {
  qs_session* session = layout.take<qs_session>(1);
  int32_t* own_words = layout.take<int32_t>(count);
  qs_weight* own_weights = layout.take<qs_weight>(weight_count);
  if (own_words) __builtin_memcpy(own_words, words, count * sizeof(int32_t));
  if (own_weights) __builtin_memcpy(own_weights, weights, weight_count * sizeof(qs_weight));
  qs_session made = {};
  made.program = Program::of(own_words ? own_words : words);
  made.weights = own_weights;
  made.threads = threads;
  const Header& header = *made.program.header;
  const uint64_t batch = static_cast<uint64_t>(header.batch);

  made.slots = layout.take<float*>(static_cast<uint64_t>(header.slots));
  made.keys = layout.take<uint8_t*>(static_cast<uint64_t>(header.layers));
  made.values = layout.take<uint8_t*>(static_cast<uint64_t>(header.layers));
  made.logits_slot = logits_slot(made.program);
  for (int32_t i = 0; i < header.slots; ++i) {
    if (made.program.slots[i].base != i || i == made.logits_slot) continue;
    float* memory = layout.take<float>(batch * static_cast<uint64_t>(made.program.slots[i].columns));
    if (layout.memory) made.slots[i] = memory;
  }
  Pages& pages = made.pages;
  pages.count = Pages::pool_pages(header);
  pages.per_sequence = Pages::longest(header);
  pages.sequences = static_cast<uint32_t>(header.sequences);
  for (int32_t i = 0; i < header.layers; ++i) {
    uint8_t* keys = layout.take<uint8_t>(pages.count * page_bytes(made.program, i, &Layer::key_columns));
    uint8_t* values = layout.take<uint8_t>(pages.count * page_bytes(made.program, i, &Layer::value_columns));
    if (layout.memory) made.keys[i] = keys, made.values[i] = values;
  }
  pages.owners = layout.take<uint32_t>(pages.count);
  pages.free = layout.take<uint32_t>(pages.count);
  pages.lists = layout.take<uint32_t>(static_cast<uint64_t>(pages.sequences) * pages.per_sequence);
  pages.lengths = layout.take<uint32_t>(pages.sequences);
  made.lengths_before = layout.take<uint32_t>(pages.sequences);
  made.sequences = layout.take<uint32_t>(batch);
  made.positions = layout.take<uint32_t>(batch);
  made.cells = layout.take<uint32_t>(batch);
  made.turns.constants = static_cast<size_t>(header.constants);
  made.turns.frequency = layout.take<uint8_t>(made.turns.constants);
  made.turns.values = layout.take<float>(batch * 2 * made.turns.constants);
  made.rounded = layout.take<float>(batch * rounded_columns(made.program));
  made.scratch_floats =
      (scratch_columns(made.program, weights, weight_count) + kAlignment - 1) / kAlignment * kAlignment;
  made.scratch = layout.take<float>(static_cast<uint64_t>(made.scratch_floats) * threads);
#if !defined(__wasm__)
  made.helpers = layout.take<pthread_t>(threads);
#endif
  if (!layout.memory) return nullptr;
  pages.start();
  made.turns.start(made.program);
  *session = made;
  return session;
}

// Word by word, because one thread may read what another writes; whether it was whole is checked afterwards.
void copy_words(Asked* target, const Asked* source) {
  static_assert(sizeof(Asked) % sizeof(size_t) == 0, "whole words");
  size_t* to = reinterpret_cast<size_t*>(target);
  const size_t* from = reinterpret_cast<const size_t*>(source);
  for (size_t i = 0; i < sizeof(Asked) / sizeof(size_t); ++i) {
    __atomic_store_n(to + i, __atomic_load_n(from + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  }
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
  qs_session_help(session, thread);
  return nullptr;
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

// Writes the step down for the helpers and wakes them.
void ask(qs_session* session, const Asked& asked) {
  __atomic_add_fetch(&session->asked_count, 1u, __ATOMIC_ACQ_REL);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  copy_words(&session->asked, &asked);
  __atomic_add_fetch(&session->asked_count, 1u, __ATOMIC_RELEASE);
  wake_all(&session->asked_count);
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
                                      "engine/context-full",
                                      "engine/unknown-isa",
                                      "engine/cancelled",
                                      "engine/bad-sequence"};
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
                                 const qs_weight* weights, size_t weight_count, size_t threads, int32_t isa,
                                 qs_session** session) {
  uint64_t needed;
  size_t where;
  const qs_exec_status status = qs_session_bytes(program, words, weights, weight_count, threads, &needed, &where);
  if (status != QS_EXEC_OK) return status;
  if (isa == QS_ISA_BEST) {
    for (size_t i = 0; i < qs_isa_count(); ++i) {
      if (qs_isa_available(i)) isa = static_cast<int32_t>(i);
    }
  }
  if (isa < 0 || !qs_isa_available(static_cast<size_t>(isa))) return QS_EXEC_UNKNOWN_ISA;
  if (!memory || bytes < needed || reinterpret_cast<uintptr_t>(memory) % kAlignment != 0) return QS_EXEC_OUT_OF_MEMORY;
  qs_product_tables();
  Layout layout = {static_cast<uint8_t*>(memory)};
  qs_session* created = lay_out(layout, program, words, weights, weight_count, static_cast<uint32_t>(threads));
  created->isa = isa;
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
  __atomic_store_n(&session->ending, true, __ATOMIC_RELAXED);
  ask(session, {});
  for (uint32_t i = 1; i <= session->started; ++i) pthread_join(session->helpers[i], nullptr);
#else
  (void)session;
#endif
}

namespace {

// What a page of every layer holds, into another page.
void copy_page(qs_session* session, uint32_t from, uint32_t to) {
  const auto copy = [&](uint8_t* memory, uint64_t bytes) {
    __builtin_memcpy(memory + to * bytes, memory + from * bytes, static_cast<size_t>(bytes));
  };
  for (int32_t i = 0; i < session->program.header->layers; ++i) {
    copy(session->keys[i], page_bytes(session->program, i, &Layer::key_columns));
    copy(session->values[i], page_bytes(session->program, i, &Layer::value_columns));
  }
}

// Every sequence as long as when the step began.
void take_back(qs_session* session) {
  for (uint32_t i = 0; i < session->pages.sequences; ++i) session->pages.truncate(i, session->lengths_before[i]);
}

// Gives each token of a step its position and its place in the cache; false when there is none.
bool append(qs_session* session, const qs_step* step) {
  Pages& pages = session->pages;
  __builtin_memcpy(session->lengths_before, pages.lengths, pages.sequences * sizeof(uint32_t));
  const uint32_t context = static_cast<uint32_t>(session->program.header->context);
  for (size_t i = 0; i < step->count; ++i) {
    const uint32_t sequence = step->sequences ? static_cast<uint32_t>(step->sequences[i]) : 0;
    session->sequences[i] = sequence;
    session->positions[i] = pages.lengths[sequence];
    const auto copy = [session](uint32_t from, uint32_t to) { copy_page(session, from, to); };
    if (pages.lengths[sequence] == context || !pages.append(sequence, session->cells + i, copy)) {
      take_back(session);
      return false;
    }
  }
  return true;
}

}  // namespace

void qs_session_help(qs_session* session, size_t thread) {
  for (uint32_t seen = 0;;) {
    // A helper may come while the next step is being written down already: what it read is of one step when the count
    // is even and the same afterwards.
    const uint32_t now = load(&session->asked_count);
    if (now == seen || now % 2 != 0) {
      wait_while(&session->asked_count, now);
      continue;
    }
    if (__atomic_load_n(&session->ending, __ATOMIC_RELAXED)) return;
    Asked asked;
    copy_words(&asked, &session->asked);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&session->asked_count, __ATOMIC_RELAXED) != now) continue;
    seen = now;
    run_step(session, asked, static_cast<uint32_t>(thread));
  }
}

size_t qs_session_length(const qs_session* session, size_t sequence) {
  return sequence < session->pages.sequences ? session->pages.lengths[sequence] : 0;
}

qs_exec_status qs_session_truncate(qs_session* session, size_t sequence, size_t length) {
  Pages& pages = session->pages;
  if (sequence >= pages.sequences || length > pages.lengths[sequence]) return QS_EXEC_BAD_SEQUENCE;
  pages.truncate(static_cast<uint32_t>(sequence), static_cast<uint32_t>(length));
  return QS_EXEC_OK;
}

qs_exec_status qs_session_copy(qs_session* session, size_t from, size_t to, size_t length) {
  Pages& pages = session->pages;
  if (from >= pages.sequences || to >= pages.sequences || length > pages.lengths[from]) return QS_EXEC_BAD_SEQUENCE;
  pages.copy(static_cast<uint32_t>(from), static_cast<uint32_t>(to), static_cast<uint32_t>(length));
  return QS_EXEC_OK;
}

qs_exec_status qs_session_step(qs_session* session, const qs_step* step) {
  const Header& header = *session->program.header;
  const size_t count = step->count;
  if (!step->tokens || count == 0 || count > static_cast<size_t>(header.batch)) return QS_EXEC_BAD_STEP;
  size_t outputs = 0;
  for (size_t i = 0; i < count; ++i) {
    if (step->tokens[i] < 0 || step->tokens[i] >= header.vocabulary) return QS_EXEC_BAD_TOKEN;
    if (step->sequences && (step->sequences[i] < 0 || step->sequences[i] >= header.sequences)) {
      return QS_EXEC_BAD_SEQUENCE;
    }
    outputs += step->wanted && step->wanted[i] ? 1 : 0;
  }
  if (step->logits_bytes != outputs * static_cast<size_t>(header.vocabulary) * sizeof(float) ||
      (outputs != 0 && (!step->logits || reinterpret_cast<uintptr_t>(step->logits) % sizeof(float) != 0))) {
    return QS_EXEC_BAD_STEP;
  }
  if (!append(session, step)) return QS_EXEC_CONTEXT_FULL;
  session->slots[session->logits_slot] = step->logits;
  const uint32_t first_phase = static_cast<uint32_t>(session->asked.first_phase) + phases_of(session->program);
  const Asked asked = {step->tokens, step->wanted, count, outputs, first_phase};
  session->meeting.start(first_phase, step->cancelled);
  ask(session, asked);
  run_step(session, asked, 0);
  if (!session->meeting.is_stopped()) return QS_EXEC_OK;
  take_back(session);
  return QS_EXEC_CANCELLED;
}
