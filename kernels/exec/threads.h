// The threads of a session. Each walks through the whole program by itself; the work is divided into phases of parts,
// and whoever is free takes the next part. A phase ends when its parts are done, not when every thread has come to it:
// a thread that got no processor for a while finds that what it missed is over and goes on to where the others are. So
// on a busy machine nobody waits for a thread but for the part that it is at. Nobody spins for long either: a thread
// with nothing to do sleeps after some microseconds, and all sleep between steps.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace qs {

// Blocks while `*word` is `value`; may return early.
void wait_while(const uint32_t* word, uint32_t value);
void wake_all(const uint32_t* word);

inline uint32_t load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

// What the threads share about the phases of a step. Phases have numbers; those of different steps differ (session.cc),
// so that a late thread mistakes none for its own.
struct Meeting {
  uint64_t ticket = 0;  // phase << 32 | its next part
  uint32_t phase = 0;   // the same phase, to sleep on
  uint32_t done = 0;    // parts of it that are complete
  uint32_t sleepers = 0;
  uint32_t stopped = 0;                   // whether the phase before was the last one because of a cancellation
  uint32_t cancel_seen = 0;               // by any thread, at any time
  const uint32_t* cancel_word = nullptr;  // the caller's, or none

  void start(uint32_t first_phase, const uint32_t* word) {
    cancel_word = word;
    cancel_seen = 0;
    // In this order: a late thread that does not see the stop of the step before sees that its phases are over.
    enter(first_phase);
    __atomic_store_n(&stopped, 0u, __ATOMIC_RELEASE);
  }

  bool is_stopped() const { return __atomic_load_n(&stopped, __ATOMIC_ACQUIRE) != 0; }

  // Does parts of the phase, `work(part)` each, until none is left, and waits for its end.
  template <class Work>
  void run(uint32_t current, uint32_t parts, uint32_t threads, Work work) {
    if (threads == 1) {
      for (uint32_t part = 0; part < parts && !is_cancelled(); ++part) work(part);
      stopped = is_cancelled();
      return;
    }
    uint32_t finished = 0;
    for (uint32_t part; take(current, parts, &part); ++finished) {
      if (!is_cancelled()) work(part);
    }
    if (finished != 0 && __atomic_add_fetch(&done, finished, __ATOMIC_ACQ_REL) == parts) {
      done = 0;
      __atomic_store_n(&stopped, is_cancelled() ? 1u : 0u, __ATOMIC_RELAXED);
      enter(current + 1);
    } else {
      wait(current);
    }
  }

 private:
  bool is_cancelled() {
    if (__atomic_load_n(&cancel_seen, __ATOMIC_RELAXED) != 0) return true;
    if (!cancel_word || __atomic_load_n(cancel_word, __ATOMIC_RELAXED) == 0) return false;
    __atomic_store_n(&cancel_seen, 1u, __ATOMIC_RELAXED);
    return true;
  }

  bool take(uint32_t current, uint32_t parts, uint32_t* part) {
    uint64_t seen = __atomic_load_n(&ticket, __ATOMIC_ACQUIRE);
    do {
      *part = static_cast<uint32_t>(seen);
      if (static_cast<uint32_t>(seen >> 32) != current || *part >= parts) return false;
    } while (!__atomic_compare_exchange_n(&ticket, &seen, seen + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return true;
  }

  void enter(uint32_t next) {
    __atomic_store_n(&ticket, static_cast<uint64_t>(next) << 32, __ATOMIC_RELEASE);
    // In one total order with the sleeper's two steps, so that either it sees the new phase or we see it sleep.
    __atomic_store_n(&phase, next, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) != 0) wake_all(&phase);
  }

  // Until a later phase than `current`.
  void wait(uint32_t current) {
    const auto is_over = [current](uint32_t now) { return static_cast<int32_t>(now - current) > 0; };
    for (int spin = 0; spin < kSpins; ++spin) {
      if (is_over(load(&phase))) return;
      pause();
    }
    __atomic_add_fetch(&sleepers, 1u, __ATOMIC_SEQ_CST);
    for (uint32_t now; !is_over(now = __atomic_load_n(&phase, __ATOMIC_SEQ_CST));) wait_while(&phase, now);
    __atomic_sub_fetch(&sleepers, 1u, __ATOMIC_RELAXED);
  }

  static constexpr int kSpins = 2000;  // 10 to 40 microseconds: longer than most phases' imbalance
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }
};

}  // namespace qs

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
namespace qs {
inline void wait_while(const uint32_t* word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
inline void wake_all(const uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr, nullptr, 0);
}
}  // namespace qs
#elif defined(__wasm_atomics__)
namespace qs {
inline void wait_while(const uint32_t* word, uint32_t value) {
  __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(const_cast<uint32_t*>(word)), static_cast<int>(value), -1);
}
inline void wake_all(const uint32_t* word) {
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(const_cast<uint32_t*>(word)), 0x7fffffff);
}
}  // namespace qs
#elif defined(__wasm__)
namespace qs {  // one thread
inline void wait_while(const uint32_t*, uint32_t) {}
inline void wake_all(const uint32_t*) {}
}  // namespace qs
#else
#include <pthread.h>
namespace qs {
// One sleeping place for all words of the process. Whoever changes a word wakes under the lock afterwards, so a waiter
// that saw the old value under the lock is asleep by then.
inline pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
inline pthread_cond_t sleep_place = PTHREAD_COND_INITIALIZER;

inline void wait_while(const uint32_t* word, uint32_t value) {
  pthread_mutex_lock(&sleep_lock);
  if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) pthread_cond_wait(&sleep_place, &sleep_lock);
  pthread_mutex_unlock(&sleep_lock);
}
inline void wake_all(const uint32_t*) {
  pthread_mutex_lock(&sleep_lock);
  pthread_cond_broadcast(&sleep_place);
  pthread_mutex_unlock(&sleep_lock);
}
}  // namespace qs
#endif
