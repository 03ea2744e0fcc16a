// Read bandwidth of the memory. Passes over 16 MiB of a 256 MiB buffer, each pass the next 16 MiB, so that no cache
// below 256 MiB holds what is read. The threads take the parts of a pass as they get to it.
//
// The result is the upper quartile of the passes: a pass in which another process had a processor for a while is not
// the memory's speed, and the best one may be an accident. On a quiet machine quartile and median differ by less than 3
// %.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec/threads.h"
#include "include/machine.h"

namespace {

constexpr size_t kBufferBytes = size_t{256} << 20;
constexpr size_t kPassBytes = size_t{16} << 20;  // about a millisecond
constexpr size_t kMaxThreads = 256;
constexpr size_t kMaxPasses = 4096;
constexpr uint32_t kParts = 64;                        // of a pass: 256 KiB each
constexpr size_t kWarmUp = kBufferBytes / kPassBytes;  // one round: page tables and clocks are ready then

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Eight independent sums keep enough loads under way; what limits is memory, so the instruction set does not matter.
uint64_t read_all(const uint64_t* words, size_t count) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 8 <= count; i += 8) {
    for (size_t k = 0; k < 8; ++k) sums[k] ^= words[i + k];
  }
  uint64_t all = 0;
  for (size_t k = 0; k < 8; ++k) all ^= sums[k];
  return all;
}

struct Shared {
  uint64_t* buffer;
  uint32_t threads;
  double seconds;
  uint32_t gate;  // 0: wait until all threads are there; 1: go
  qs::Meeting meeting;
  uint32_t over;
  size_t passes;
  double* rates;       // kMaxPasses
  double begun, last;  // when the first pass began, and when the last one ended
};

struct Reader {
  Shared* shared;
  uint32_t number;
  uint64_t sum;
  pthread_t thread;
};

// A pass is over when its last part is read; then whoever comes first writes down how long it took.
void judge(Shared* shared) {
  const double end = now();
  shared->rates[shared->passes++] = static_cast<double>(kPassBytes) / (end - shared->last);
  shared->last = end;
  const bool enough = end - shared->begun >= shared->seconds && shared->passes > 2 * kWarmUp;
  if (enough || shared->passes == kMaxPasses) __atomic_store_n(&shared->over, 1u, __ATOMIC_RELEASE);
}

void* read_passes(void* argument) {
  Reader* reader = static_cast<Reader*>(argument);
  Shared* shared = reader->shared;
  while (qs::load(&shared->gate) == 0) qs::wait_while(&shared->gate, 0);
  constexpr size_t kWords = kPassBytes / sizeof(uint64_t), kPart = kWords / kParts;
  for (uint32_t pass = 0; qs::load(&shared->over) == 0; ++pass) {
    const uint64_t* words = shared->buffer + pass % kWarmUp * kWords;
    shared->meeting.run(2 * pass, kParts, shared->threads,
                        [&](uint32_t part) { reader->sum ^= read_all(words + part * kPart, kPart); });
    shared->meeting.run(2 * pass + 1, 1, shared->threads, [&](uint32_t) { judge(shared); });
  }
  return nullptr;
}

int by_size(const void* a, const void* b) {
  const double left = *static_cast<const double*>(a), right = *static_cast<const double*>(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

}  // namespace

double qs_read_bandwidth(size_t threads, double seconds) {
  if (threads == 0 || threads > kMaxThreads) return 0;
  Shared* shared = static_cast<Shared*>(calloc(1, sizeof(Shared)));
  Reader* readers = static_cast<Reader*>(calloc(threads, sizeof(Reader)));
  double* rates = static_cast<double*>(calloc(kMaxPasses, sizeof(double)));
  uint64_t* buffer = static_cast<uint64_t*>(malloc(kBufferBytes));
  double result = 0;
  if (shared && readers && rates && buffer) {
    memset(buffer, 1, kBufferBytes);  // pages that were never written are all the same one
    shared->buffer = buffer;
    shared->seconds = seconds;
    shared->rates = rates;
    shared->threads = static_cast<uint32_t>(threads);
    size_t started = 1;
    readers[0] = {shared, 0, 0, {}};
    for (; started < threads; ++started) {
      readers[started] = {shared, static_cast<uint32_t>(started), 0, {}};
      if (pthread_create(&readers[started].thread, nullptr, read_passes, readers + started) != 0) break;
    }
    shared->over = started != threads ? 1 : 0;  // then those that started go home at once
    shared->begun = shared->last = now();
    __atomic_store_n(&shared->gate, 1u, __ATOMIC_RELEASE);
    qs::wake_all(&shared->gate);
    read_passes(readers);
    uint64_t sum = readers[0].sum;
    for (size_t i = 1; i < started; ++i) {
      pthread_join(readers[i].thread, nullptr);
      sum ^= readers[i].sum;
    }
    if (started == threads) {
      const size_t counted = shared->passes - kWarmUp;
      qsort(rates + kWarmUp, counted, sizeof(double), by_size);
      result = rates[kWarmUp + counted * 3 / 4];
      if (sum == 1) result = 0;  // never: 256 MiB of equal words; but the reading must not be optimized away
    }
  }
  free(buffer);
  free(rates);
  free(readers);
  free(shared);
  return result;
}
