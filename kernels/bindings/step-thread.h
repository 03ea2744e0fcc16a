// The thread that a session's steps run on. JavaScript's thread hands it a step and gets a promise; when the step is
// done, Node calls back on JavaScript's thread, and the promise is settled there. All functions but the thread's own
// are called on JavaScript's thread. Between steps the thread sleeps.
//
// The hand-over and the way back cost 15 microseconds together (median of 3000 on a busy machine, 8 at best); a step of
// a model of 0.5 billion weights takes a thousand times that.
#pragma once

#include <node_api.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/napi-arguments.h"
#include "exec/threads.h"
#include "include/executor.h"

namespace {

class StepThread {
 public:
  // False, with nothing started, when the system refuses.
  bool start(napi_env env, qs_session* session) {
    shared_ = static_cast<Shared*>(calloc(1, sizeof(Shared)));
    if (!shared_) return false;
    shared_->session = session;
    shared_->references = 2;
    napi_value name;
    if (napi_create_string_utf8(env, "quantsmith step", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, shared_, on_closed, shared_, on_done,
                                        &shared_->report) != napi_ok) {
      free(shared_);
      shared_ = nullptr;
      return false;
    }
    // A session keeps the process running only while it is at a step.
    napi_unref_threadsafe_function(env, shared_->report);
    shared_->has_thread = pthread_create(&shared_->thread, nullptr, run, shared_) == 0;
    if (!shared_->has_thread) end();
    return shared_ != nullptr;
  }

  bool is_busy() const { return shared_ && shared_->is_busy; }

  void cancel() {
    if (shared_) __atomic_store_n(&shared_->cancelled, 1u, __ATOMIC_RELAXED);
  }

  // Cancels, waits for the thread to end. Afterwards nothing is reported any more but what already was.
  void stop() {
    if (!shared_ || !shared_->has_thread) return;
    cancel();
    shared_->is_ending = true;
    wake();
    pthread_join(shared_->thread, nullptr);
    shared_->has_thread = false;
  }

  // The same, and gives everything back; what was reported still settles its promise. After stop() at the end of the
  // environment Node itself closes the way to report.
  void end() {
    if (!shared_) return;
    const bool is_open = !shared_->is_ending;
    stop();
    if (is_open) napi_release_threadsafe_function(shared_->report, napi_tsfn_release);
    release(shared_);
    shared_ = nullptr;
  }

  // Asks for a step; `handle` stays alive until it is done. Throws, and returns null, if it cannot be asked for.
  napi_value ask(napi_env env, napi_value handle, const int32_t* tokens, const int32_t* sequences,
                 const uint8_t* wanted, size_t count, size_t floats) {
    Shared& s = *shared_;
    if (!s.reserve(count) || floats > SIZE_MAX / sizeof(float)) {
      return fail(env, "engine/out-of-memory", "No memory for the tokens of a step.");
    }
    napi_value buffer, promise;
    void* logits = nullptr;
    if (napi_create_arraybuffer(env, floats * sizeof(float), &logits, &buffer) != napi_ok) {
      return fail(env, "engine/out-of-memory", "No memory for logits.");
    }
    if (napi_create_reference(env, buffer, 1, &s.logits) != napi_ok) {
      return fail(env, "kernel/internal", "could not ask for a step");
    }
    if (napi_create_reference(env, handle, 1, &s.handle) != napi_ok) {
      napi_delete_reference(env, s.logits);
      return fail(env, "kernel/internal", "could not ask for a step");
    }
    if (napi_create_promise(env, &s.deferred, &promise) != napi_ok) {
      napi_delete_reference(env, s.handle);
      napi_delete_reference(env, s.logits);
      return fail(env, "kernel/internal", "could not ask for a step");
    }
    memcpy(s.tokens, tokens, count * sizeof(int32_t));
    if (sequences) memcpy(s.sequences, sequences, count * sizeof(int32_t));
    if (wanted) memcpy(s.wanted, wanted, count);
    __atomic_store_n(&s.cancelled, 0u, __ATOMIC_RELAXED);
    s.floats = floats;
    s.step = {s.tokens,    sequences ? s.sequences : nullptr, wanted ? s.wanted : nullptr,
              count,       static_cast<float*>(logits),       floats * sizeof(float),
              &s.cancelled};
    s.is_busy = s.is_asked = true;
    napi_ref_threadsafe_function(env, s.report);
    wake();
    return promise;
  }

 private:
  struct Shared {
    qs_session* session;
    pthread_t thread;
    bool has_thread;
    uint32_t
        references;  // ours and that of the way to report; JavaScript's thread alone reads and writes it, as is_busy
    bool is_busy;
    bool is_ending;
    bool is_asked;   // for a step; written before `asked`
    uint32_t asked;  // counts what was asked for: steps, and the end
    uint32_t cancelled;
    qs_step step;
    qs_exec_status status;
    size_t floats;
    size_t capacity;  // of the next three, which are one piece of memory
    int32_t* tokens;
    int32_t* sequences;
    uint8_t* wanted;
    napi_threadsafe_function report;
    napi_deferred deferred;
    napi_ref logits;
    napi_ref handle;

    bool reserve(size_t count) {
      if (count <= capacity) return true;
      if (count > SIZE_MAX / 16) return false;
      int32_t* memory = static_cast<int32_t*>(realloc(tokens, count * (2 * sizeof(int32_t) + 1)));
      if (!memory) return false;
      tokens = memory;
      sequences = memory + count;
      wanted = reinterpret_cast<uint8_t*>(memory + 2 * count);
      capacity = count;
      return true;
    }
  };

  Shared* shared_ = nullptr;

  void wake() {
    __atomic_add_fetch(&shared_->asked, 1u, __ATOMIC_RELEASE);
    qs::wake_all(&shared_->asked);
  }

  static void* run(void* argument) {
    Shared* s = static_cast<Shared*>(argument);
    for (uint32_t done = 0;; ++done) {
      while (qs::load(&s->asked) == done) qs::wait_while(&s->asked, done);
      if (!s->is_asked) return nullptr;
      s->is_asked = false;
      s->status = qs_session_step(s->session, &s->step);
      if (napi_call_threadsafe_function(s->report, nullptr, napi_tsfn_nonblocking) != napi_ok) return nullptr;
    }
  }

  static void on_done(napi_env env, napi_value, void* context, void*) {
    Shared* s = static_cast<Shared*>(context);
    s->is_busy = false;
    if (!env) return;  // the environment ends: nobody waits any more
    napi_unref_threadsafe_function(env, s->report);
    napi_value buffer, result, code, message;
    const bool has_buffer = napi_get_reference_value(env, s->logits, &buffer) == napi_ok;
    napi_delete_reference(env, s->logits);
    napi_delete_reference(env, s->handle);
    if (s->status == QS_EXEC_OK && has_buffer &&
        napi_create_typedarray(env, napi_float32_array, s->floats, buffer, 0, &result) == napi_ok) {
      napi_resolve_deferred(env, s->deferred, result);
      return;
    }
    const char* text = s->status == QS_EXEC_OK ? "kernel/internal" : qs_exec_status_code(s->status);
    if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &code) == napi_ok &&
        napi_create_string_utf8(env, "The executor refused the step.", NAPI_AUTO_LENGTH, &message) == napi_ok &&
        napi_create_error(env, code, message, &result) == napi_ok) {
      napi_reject_deferred(env, s->deferred, result);
    }
  }

  static void on_closed(napi_env, void* data, void*) { release(static_cast<Shared*>(data)); }

  static void release(Shared* s) {
    if (--s->references != 0) return;
    free(s->tokens);
    free(s);
  }
};

}  // namespace
