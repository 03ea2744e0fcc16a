// Quantsmith executor: runs one forward pass of a language model per call. The pass is a program, a list of operations
// over activations, weights and caches, which the caller compiles from a model's description; this code knows neither
// architectures nor files. Native and WebAssembly run the same program and give the same bits: sums are taken in a
// fixed order, elementary functions are our own (exec/math.h), and no result depends on the number of threads.
//
// Absent on purpose: sampling, tokenizers, graphs that change between steps, allocation while a step runs.
//
// A program is checked as a whole when a session is created (every operand exists, every shape fits, every weight has
// the bytes its type and shape need), so that a step has nothing left to check but its tokens.
//
// Layout of a program, 32-bit words (floats by their bits):
//   header    magic, version, slots, constants, layers, operations (counts), words of all operations,
//             context (cells of the cache), batch (tokens of one step at most), vocabulary, cache type (0 F32, 1 F16)
//   slots     base, offset, columns: a view of `columns` floats per token, `offset` floats into the row of slot `base`
//             (a slot that is its own base owns its memory: offset 0, rows * columns floats)
//   layers    key columns, value columns
//   constants float32
//   code      operation, its operands (exec/operations.inc), one after another
#ifndef QUANTSMITH_EXECUTOR_H
#define QUANTSMITH_EXECUTOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QS_PROGRAM_MAGIC   0x31505351  // "QSP1"
#define QS_PROGRAM_VERSION 1

typedef enum qs_exec_status {
  QS_EXEC_OK = 0,
  QS_EXEC_BAD_PROGRAM = 1,    // not a program of this version, or one whose operands do not fit together
  QS_EXEC_BAD_WEIGHT = 2,     // a weight's type cannot be decoded, or it has not the bytes its shape needs
  QS_EXEC_OUT_OF_MEMORY = 3,  // no memory for activations and caches
  QS_EXEC_BAD_TOKEN = 4,      // a token id outside the vocabulary
  QS_EXEC_BAD_STEP = 5,       // no token, more than the batch, positions that do not follow, or a wrong output buffer
  QS_EXEC_CONTEXT_FULL = 6,   // the sequence would be longer than the context
} qs_exec_status;

// A matrix in its GGUF layout: rows of `columns` weights, `slices` matrices one after another (experts).
typedef struct qs_weight {
  const void* data;
  uint64_t bytes;
  int32_t type;  // ggml's number
  uint32_t columns;
  uint32_t rows;
  uint32_t slices;
} qs_weight;

typedef struct qs_session qs_session;

// Bytes of memory that a session of this program needs. `*where` says which word of the program (BAD_PROGRAM) or which
// weight (BAD_WEIGHT) is at fault.
qs_exec_status qs_session_bytes(const int32_t* program, size_t words, const qs_weight* weights, size_t weight_count,
                                size_t threads, uint64_t* bytes, size_t* where);

// Makes a session in `memory` (64-byte aligned, `bytes` as said above), which is the caller's and must outlive it, as
// the weights must; the program is copied. `threads` is 1 at least; WebAssembly has one.
qs_exec_status qs_session_create(void* memory, uint64_t bytes, const int32_t* program, size_t words,
                                 const qs_weight* weights, size_t weight_count, size_t threads, qs_session** session);

// Ends the threads; the memory is the caller's again.
void qs_session_end(qs_session* session);

// Tokens that the cache holds.
size_t qs_session_length(const qs_session* session);

// Appends `count` tokens and writes the logits of the last `outputs` of them to `logits`: outputs x vocabulary floats.
// On failure nothing was appended. One call at a time.
qs_exec_status qs_session_step(qs_session* session, const int32_t* tokens, size_t count, size_t outputs, float* logits,
                               size_t logits_bytes);

// "engine/bad-token" and the like.
const char* qs_exec_status_code(int32_t status);

#ifdef __cplusplus
}
#endif
#endif
