// Replays reference records on every instruction set of this processor and compares bytes, then encodes rows whose
// range shrinks step by step and compares with the reference. For processors that are emulated, where the whole test
// suite does not run: scripts/test-arm64.mjs writes the list and runs this. Absent on purpose: reading the manifest.
//
// Standard input has one record per line, paths relative to the working directory, `-` for what a record lacks:
//   <type id> <rows> <columns> <source.f32> <importance.f32> <encoded file> <offset> <decoded file> <offset>
// A record without source is only decoded, one without decoded file only encoded. Arguments: seed, rounds.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/kernels.h"

namespace {

[[noreturn]] void fail(const char* what, const char* where) {
  fprintf(stderr, "%s: %s\n", what, where);
  exit(2);
}

bool given(const char* path) { return strcmp(path, "-") != 0; }

// `bytes` bytes at `offset`; the process ends soon, so nobody frees them.
uint8_t* read_bytes(const char* path, long offset, size_t bytes) {
  uint8_t* data = static_cast<uint8_t*>(malloc(bytes));
  FILE* file = fopen(path, "rb");
  if (!data || !file || fseek(file, offset, SEEK_SET) != 0 || fread(data, 1, bytes, file) != bytes) {
    fail("cannot read", path);
  }
  fclose(file);
  return data;
}

size_t index_of_type(int32_t id) {
  for (size_t type = 0; type < qs_type_count(); ++type) {
    if (qs_type_id(type) == id) return type;
  }
  fail("a record names a type without kernels", "see its id");
}

struct Record {
  int32_t id;
  size_t rows, columns;
  char source[512], importance[512], encoded[512], decoded[512];
  long encoded_at, decoded_at;
};

// How many of the comparisons of one record differ; each is named.
int replay(const Record& record, int32_t isa, int* compared) {
  const size_t type = index_of_type(record.id), weights = record.rows * record.columns;
  const size_t float_bytes = weights * sizeof(float);
  const size_t bytes = weights / qs_type_block_size(type) * qs_type_block_bytes(type);
  const uint8_t* golden = read_bytes(record.encoded, record.encoded_at, bytes);
  int differences = 0;
  const auto compare = [&](const char* what, const void* found, const void* expected, size_t size) {
    ++*compared;
    if (memcmp(found, expected, size) == 0) return;
    ++differences;
    printf("differs: %s %s %s, source %s, importance %s\n", qs_isa_name(static_cast<size_t>(isa)), what,
           qs_type_name(type), record.source, record.importance);
  };
  if (given(record.source)) {
    const float* source = reinterpret_cast<float*>(read_bytes(record.source, 0, float_bytes));
    const size_t importance_bytes = given(record.importance) ? record.columns * sizeof(float) : 0;
    const void* importance = importance_bytes ? read_bytes(record.importance, 0, importance_bytes) : nullptr;
    void* found = calloc(bytes, 1);
    const qs_status status = qs_quantize_rows(record.id, source, float_bytes, found, bytes, record.rows, record.columns,
                                              static_cast<const float*>(importance), importance_bytes, isa);
    if (status != QS_OK) fail(qs_status_code(status), record.source);
    compare("encode", found, golden, bytes);
  }
  if (given(record.decoded)) {
    float* found = static_cast<float*>(calloc(weights, sizeof(float)));
    const qs_status status =
        qs_dequantize_rows(record.id, golden, bytes, found, float_bytes, record.rows, record.columns, isa);
    if (status != QS_OK) fail(qs_status_code(status), record.encoded);
    compare("decode", found, read_bytes(record.decoded, record.decoded_at, float_bytes), float_bytes);
  }
  return differences;
}

struct Random {
  uint64_t state;
  double uniform() {  // [0, 1), xorshift
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<double>(state >> 11) * 0x1.0p-53;
  }
};

// Weights in a falling geometric series with importance rising faster: each better fit shrinks the range, until the
// largest weights lie millions of steps outside it, where the vector kernels leave their fast rounding.
int shrinking_rows(Random random, unsigned long rounds, int32_t isa, int* compared) {
  constexpr size_t kColumns = 1024;
  static float source[kColumns], importance[kColumns];
  static uint16_t expected[2 * kColumns], found[2 * kColumns];  // more than any of the types needs
  int differences = 0;
  for (unsigned long round = 0; round < rounds; ++round) {
    const double ratio = 2 + random.uniform() * 60;
    const double growth = pow(ratio, 1 + random.uniform() * 3);
    const double levels = 2 + floor(random.uniform() * 12);
    for (size_t i = 0; i < kColumns; ++i) {
      const double level = floor(random.uniform() * levels);
      source[i] = static_cast<float>(-pow(ratio, -level) * (1 + random.uniform() * 0.2));
      importance[i] = random.uniform() < 0.1 ? 0.0f : static_cast<float>(pow(growth, level));
    }
    for (size_t type = 0; type < qs_type_count(); ++type) {
      const char* name = qs_type_name(type);
      const bool searched = !strcmp(name, "Q4_1") || !strcmp(name, "Q5_1") || !strcmp(name, "Q2_K") ||
                            !strcmp(name, "Q4_K") || !strcmp(name, "Q5_K");
      if (!searched) continue;
      const size_t bytes = kColumns / qs_type_block_size(type) * qs_type_block_bytes(type);
      const auto encode = [&](void* target, int32_t with) {
        const qs_status status = qs_quantize_rows(qs_type_id(type), source, sizeof source, target, bytes, 1, kColumns,
                                                  importance, sizeof importance, with);
        if (status != QS_OK) fail(qs_status_code(status), name);
      };
      encode(expected, 0);
      encode(found, isa);
      ++*compared;
      if (memcmp(found, expected, bytes) == 0) continue;
      ++differences;
      printf("differs: %s %s, shrinking range, round %lu\n", qs_isa_name(static_cast<size_t>(isa)), name, round);
    }
  }
  return differences;
}

}  // namespace

int main(int count, char** arguments) {
  const unsigned long seed = count > 1 ? strtoul(arguments[1], nullptr, 10) : 1;
  const unsigned long rounds = count > 2 ? strtoul(arguments[2], nullptr, 10) : 300;
  static Record records[4096];
  size_t record_count = 0;
  for (;; ++record_count) {
    if (record_count == sizeof records / sizeof *records) fail("more records than expected", "standard input");
    Record& r = records[record_count];
    const int fields = scanf("%d %zu %zu %511s %511s %511s %ld %511s %ld", &r.id, &r.rows, &r.columns, r.source,
                             r.importance, r.encoded, &r.encoded_at, r.decoded, &r.decoded_at);
    if (fields == EOF) break;
    if (fields != 9) fail("a record does not have nine fields", "standard input");
  }
  int all_differences = 0;
  for (size_t isa = 0; isa < qs_isa_count(); ++isa) {
    if (!qs_isa_available(isa)) continue;
    const int32_t index = static_cast<int32_t>(isa);
    int compared = 0, differences = 0;
    for (size_t i = 0; i < record_count; ++i) differences += replay(records[i], index, &compared);
    printf("%s: %zu records, %d comparisons, %d differences\n", qs_isa_name(isa), record_count, compared, differences);
    all_differences += differences;
    if (isa == 0) continue;
    compared = differences = 0;
    differences = shrinking_rows({seed * 0x9e3779b97f4a7c15u + 1}, rounds, index, &compared);
    printf("%s: seed %lu, %d rows of shrinking range, %d differences\n", qs_isa_name(isa), seed, compared, differences);
    all_differences += differences;
  }
  return all_differences == 0 && record_count > 0 ? 0 : 1;
}
