// Quantsmith executor: runs one forward pass of a language model per call. The pass is a program, a list of operations
// over activations, weights and caches, which the caller compiles from a model's description; this code knows neither
// architectures nor files. Native and WebAssembly run the same program and give the same bits: sums are taken in a
// fixed order, elementary functions are our own (vector/, exec/math.h), and no result depends on the number of threads.
//
// Absent on purpose: sampling, tokenizers, graphs that change between steps, allocation while a step runs.
//
// A program is checked as a whole when a session is created (every operand exists, every shape fits, every weight has
// the bytes its type and shape need), so that a step has nothing left to check but its tokens.
//
// Sequences. A session holds several texts, numbered from 0; each starts empty and grows by the tokens that steps
// append. The keys and values of all of them lie in one pool of pages (exec/pages.h): a sequence has a list of pages,
// copies share theirs until one of them grows, and what is truncated goes back. A pool of `cells` positions always
// holds so many tokens, however they are divided among the sequences; shared beginnings take their place once.
//
// Layout of a program, 32-bit words (floats by their bits):
//   header    magic, version, slots, constants, layers, operations (counts), words of all operations,
//             context (positions of one sequence at most), sequences, cells (positions of all together),
//             batch (tokens of one step at most), vocabulary, cache type (0 F32, 1 F16,
//             2 Q8_0: heads have widths of a multiple of 32 then)
//   slots     base, offset, columns: a view of `columns` floats per token, `offset` floats into the row of slot `base`
//             (a slot that is its own base owns its memory: offset 0, rows * columns floats)
//   layers    key columns, value columns, heads that share them out evenly
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
#define QS_PROGRAM_VERSION 2

typedef enum qs_exec_status {
  QS_EXEC_OK = 0,
  QS_EXEC_BAD_PROGRAM = 1,    // not a program of this version, or one whose operands do not fit together
  QS_EXEC_BAD_WEIGHT = 2,     // a weight's type cannot be decoded, or it has not the bytes its shape needs
  QS_EXEC_OUT_OF_MEMORY = 3,  // no memory for activations and caches
  QS_EXEC_BAD_TOKEN = 4,      // a token id outside the vocabulary
  QS_EXEC_BAD_STEP = 5,       // no token, more than the batch, a sequence there is not, or a wrong output buffer
  QS_EXEC_CONTEXT_FULL = 6,   // a sequence would be longer than the context, or all of them than the cells
  QS_EXEC_UNKNOWN_ISA = 7,    // no such instruction set in this build, or the processor lacks it
  QS_EXEC_CANCELLED = 8,      // the step was given up because its caller said so
  QS_EXEC_BAD_SEQUENCE = 9,   // no such sequence, or it is shorter than the length asked for
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
// the weights must; the program is copied. `threads` is 1 at least. `isa` is an index of
// include/kernels.h or QS_ISA_BEST: whose kernels compute. All give the same bits.
qs_exec_status qs_session_create(void* memory, uint64_t bytes, const int32_t* program, size_t words,
                                 const qs_weight* weights, size_t weight_count, size_t threads, int32_t isa,
                                 qs_session** session);

// WebAssembly cannot start threads: its caller starts all but the one that makes steps, and each calls this with its
// number, 1 and up, before the first step. Returns when the session is ended.
void qs_session_help(qs_session* session, size_t thread);

// Ends the threads; the memory is the caller's again. No step may be running.
void qs_session_end(qs_session* session);

// What a step computes.
typedef struct qs_step {
  const int32_t* tokens;
  const int32_t* sequences;   // of each token, which goes to the end of it; NULL: all to sequence 0
  const uint8_t* wanted;      // whether logits of a token are wanted (not 0); NULL: of none
  size_t count;               // how many tokens
  float* logits;              // vocabulary floats for each wanted token, in the order of the tokens
  size_t logits_bytes;        // exactly as many as that
  const uint32_t* cancelled;  // any thread may set it to something else than 0 while the step runs; NULL: nobody will
} qs_step;

// Appends tokens to their sequences and computes the logits that are wanted. Tokens of one sequence follow one another
// in the order given. On failure nothing was appended: every sequence is as before. A cancelled step ends after the
// parts of an operation that its threads are at, some milliseconds each. One call of this and the functions below at a
// time.
qs_exec_status qs_session_step(qs_session* session, const qs_step* step);

// Tokens that a sequence holds; 0 for one there is not.
size_t qs_session_length(const qs_session* session, size_t sequence);

// Drops what a sequence holds beyond `length`.
qs_exec_status qs_session_truncate(qs_session* session, size_t sequence, size_t length);

// Makes sequence `to` the first `length` tokens of `from`. Takes no place until one of them grows.
qs_exec_status qs_session_copy(qs_session* session, size_t from, size_t to, size_t length);

// "engine/bad-token" and the like.
const char* qs_exec_status_code(int32_t status);

#ifdef __cplusplus
}
#endif
#endif
