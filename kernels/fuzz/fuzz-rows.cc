// Fuzzer for every kernel: decoders on arbitrary bytes, encoders on arbitrary floats, and the properties that must
// hold.
//
// With libFuzzer:     clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -ffp-contract=off -Ikernels ...
// Without it:         add -DQS_FUZZ_STANDALONE; the program then feeds itself random inputs (arguments: seed, rounds).
// Sources besides this file: dispatch.cc, those of quant/codebooks and the .cc files of quantize/, dequantize/ and
// product/ for the processor, each with its flags from scripts/build-kernels.mjs.
//
// Properties:
//  1. no access outside the buffers (sanitizers) and no undefined conversion, for any input;
//  2. every instruction set returns the reference's bytes for finite input;
//  3. decoding what was encoded gives finite weights within a bound, unless convert reports an overflow;
//  4. convert_rows never returns OK for a target whose decoded weights are not finite.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/kernels.h"

namespace {

void require(bool condition, const char* property, const char* type, const char* isa) {
  if (condition) return;
  fprintf(stderr, "property violated: %s (%s, %s)\n", property, type, isa);
  abort();
}

// Exactly as long as asked, so that the sanitizer sees every byte beyond.
template <class T>
struct Buffer {
  explicit Buffer(size_t count) : data(static_cast<T*>(malloc(count * sizeof(T) + !count))), bytes(count * sizeof(T)) {}
  ~Buffer() { free(data); }
  Buffer(const Buffer&) = delete;
  T* data;
  size_t bytes;
};

bool all_finite(const float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!isfinite(values[i])) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size < 8) return 0;
  const size_t type = input[0] % qs_type_count();
  const bool weighted = input[1] & 1;
  const size_t block_size = qs_type_block_size(type), block_bytes = qs_type_block_bytes(type);
  const size_t columns = block_size * (1 + input[2] % (block_size == 1 ? 200 : 5));
  const size_t rows = 1 + input[3] % 3;
  input += 4, size -= 4;
  const int32_t id = qs_type_id(type);
  const char* name = qs_type_name(type);

  Buffer<float> source(rows * columns), importance(columns), decoded(rows * columns), decoded_ref(rows * columns);
  Buffer<uint8_t> encoded(rows * columns / block_size * block_bytes), encoded_ref(encoded.bytes), random(encoded.bytes);
  for (size_t i = 0; i < source.bytes; ++i) reinterpret_cast<uint8_t*>(source.data)[i] = input[i % size];
  for (size_t i = 0; i < random.bytes; ++i) random.data[i] = input[(i * 7 + 3) % size];
  for (size_t i = 0; i < columns; ++i) importance.data[i] = static_cast<float>(input[(i * 5 + 1) % size]);
  const float* weights = weighted ? importance.data : nullptr;
  const size_t weights_bytes = weighted ? importance.bytes : 0;
  const bool finite = all_finite(source.data, rows * columns);
  // Beyond this, squares overflow inside the search and NaNs decide, about which the platforms may differ.
  bool moderate = finite;
  for (size_t i = 0; i < rows * columns; ++i) moderate = moderate && fabsf(source.data[i]) < 1e15f;

  for (size_t isa = 0; isa < qs_isa_count(); ++isa) {
    if (!qs_isa_available(isa)) continue;
    const int32_t index = static_cast<int32_t>(isa);
    const char* isa_name = qs_isa_name(isa);
    uint8_t* target = isa == 0 ? encoded_ref.data : encoded.data;
    require(qs_quantize_rows(id, source.data, source.bytes, target, encoded.bytes, rows, columns, weights,
                             weights_bytes, index) == QS_OK,
            "quantize accepts a right call", name, isa_name);
    if (moderate) {
      require(memcmp(target, encoded_ref.data, encoded.bytes) == 0, "same bytes as the reference", name, isa_name);
    }
    float* floats = isa == 0 ? decoded_ref.data : decoded.data;
    require(qs_dequantize_rows(id, random.data, random.bytes, floats, decoded.bytes, rows, columns, index) == QS_OK,
            "dequantize accepts any bytes", name, isa_name);
    for (size_t i = 0; i < rows * columns; ++i) {
      const bool same = memcmp(floats + i, decoded_ref.data + i, 4) == 0;
      require(same || (isnan(floats[i]) && isnan(decoded_ref.data[i])), "same weights as the reference", name,
              isa_name);
    }
    Buffer<float> scratch(columns);
    size_t bad = SIZE_MAX;
    const qs_status status = qs_convert_rows(0, source.data, source.bytes, id, encoded.data, encoded.bytes, rows,
                                             columns, weights, weights_bytes, scratch.data, scratch.bytes, index, &bad);
    if (id == 0) continue;  // equal types are copied
    if (!finite) {
      require(status == QS_NON_FINITE || status == QS_SCALE_OVERFLOW, "convert refuses NaN and infinity", name,
              isa_name);
    } else {
      require(status == QS_OK || status == QS_SCALE_OVERFLOW, "convert refuses only what overflows", name, isa_name);
    }
    require(status == QS_OK || bad < rows * columns, "the reported index lies inside", name, isa_name);
    if (status != QS_OK) continue;
    qs_dequantize_rows(id, encoded.data, encoded.bytes, decoded.data, decoded.bytes, rows, columns, index);
    require(all_finite(decoded.data, rows * columns), "an accepted conversion decodes to finite weights", name,
            isa_name);
  }
  return 0;
}

#ifdef QS_FUZZ_STANDALONE
int main(int count, char** arguments) {
  unsigned long seed = count > 1 ? strtoul(arguments[1], nullptr, 10) : 1;
  const unsigned long rounds = count > 2 ? strtoul(arguments[2], nullptr, 10) : 10000;
  printf("seed %lu, %lu rounds\n", seed, rounds);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  const auto next = [&] {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
  };
  uint8_t input[8192];
  for (unsigned long round = 0; round < rounds; ++round) {
    const size_t size = 8 + next() % (sizeof input - 8);
    const int exponent = static_cast<int>(next() % 300) - 170;  // floats of one magnitude, then wilder ones
    const uint64_t kind = next() % 4;
    for (size_t i = 0; i < 4; ++i) input[i] = static_cast<uint8_t>(next());
    for (size_t i = 4; i + 4 <= size; i += 4) {
      float value = ldexpf(static_cast<float>(static_cast<int32_t>(next())), exponent);
      if (kind == 1 && next() % 8) value = next() % 2 ? 0.0f : -0.0f;
      if (kind == 2) value = ldexpf(value, static_cast<int>(next() % 60) - 30);
      if (kind == 3) value = static_cast<float>(static_cast<int>(next() % 7) - 3);
      memcpy(input + i, &value, 4);
      if (kind == 0 && next() % 256 == 0) {
        const uint32_t bits = static_cast<uint32_t>(next());
        memcpy(input + i, &bits, 4);
      }
    }
    LLVMFuzzerTestOneInput(input, size);
  }
  puts("no property violated");
}
#endif
