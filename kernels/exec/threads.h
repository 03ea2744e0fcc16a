// The threads of a session. Every thread runs the whole program; at each operation they share out the work and then
// wait for one another. Nobody spins for long: a thread that waits gives its processor away after a few microseconds,
// because on a busy machine the one it waits for may need it; between steps the helpers sleep.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace qs {

// Blocks while `*word` is `value`; may return early.
void wait_while(const uint32_t* word, uint32_t value);
void wake_all(const uint32_t* word);

inline uint32_t load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

// Where threads meet: the last to arrive lets all go. Also hands out chunks of the work between two meetings, and sees
// to it that all give up at the same meeting when the caller cancels.
struct Meeting {
  uint32_t arrived = 0;
  uint32_t round = 0;
  uint32_t next_chunk = 0;
  uint32_t sleepers = 0;
  const uint32_t* cancel_word = nullptr;  // the caller's, or none
  uint32_t cancel_seen = 0;               // by any thread, at any time
  uint32_t stopped = 0;                   // decided by the last to arrive: the same for all until the next meeting

  void start(const uint32_t* word) {
    cancel_word = word;
    cancel_seen = 0;
  }

  bool is_cancelled() {
    if (__atomic_load_n(&cancel_seen, __ATOMIC_RELAXED) != 0) return true;
    if (!cancel_word || __atomic_load_n(cancel_word, __ATOMIC_RELAXED) == 0) return false;
    __atomic_store_n(&cancel_seen, 1u, __ATOMIC_RELAXED);
    return true;
  }

  // Chunk numbers 0, 1, 2 … in no order of threads.
  uint32_t take() { return __atomic_fetch_add(&next_chunk, 1u, __ATOMIC_RELAXED); }

  void meet(uint32_t threads) {
    if (threads == 1) {
      next_chunk = 0;
      stopped = is_cancelled();
      return;
    }
    const uint32_t current = load(&round);
    if (__atomic_add_fetch(&arrived, 1u, __ATOMIC_ACQ_REL) == threads) {
      arrived = 0;
      next_chunk = 0;
      stopped = is_cancelled();
      // In one total order with the sleeper's two steps, so that either it sees the new round or we see it sleep.
      __atomic_store_n(&round, current + 1, __ATOMIC_SEQ_CST);
      if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) != 0) wake_all(&round);
      return;
    }
    for (int spin = 0; spin < kSpins; ++spin) {
      if (load(&round) != current) return;
      pause();
    }
    __atomic_add_fetch(&sleepers, 1u, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&round, __ATOMIC_SEQ_CST) == current) wait_while(&round, current);
    __atomic_sub_fetch(&sleepers, 1u, __ATOMIC_RELAXED);
  }

  static constexpr int kSpins = 2000;  // about 10 microseconds: longer than most operations' imbalance
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
