// Quantsmith kernels: the whole C interface. One set of sources builds to `kernels.node` (native) and `kernels.wasm`.
//
// What is here: encoding rows of float32 weights into ggml block formats, decoding them back, and the fused conversion
// between two formats. Results are the bytes ggml 0.27.0 writes (x86-64 baseline build), on every instruction set and
// in WebAssembly: the scalar reference `<operation>_row_<type>_ref` in kernels/quant is the specification and every
// other kernel returns the same bits. What is absent on purpose: files, models, tensors, threads, allocation,
// exceptions, state that a caller could see. Callers own every buffer and may call from any number of threads at once.
// (Encoders of the codebook formats build a table of fixed size on their first call, 1 to 15 ms, while other threads
// that need the same one wait: kernels/quant/codebooks/neighbours.h.)
//
// Rows. A row is `columns` weights; `columns` must be a multiple of the block size of every type involved. Rows follow
// one another without padding. `importance`, when given, has one float per column and applies to every row (ggml's
// "imatrix"); the floats, Q8_0, Q1_0, Q2_0, TQ1_0, TQ2_0, MXFP4 and NVFP4 ignore it. IQ2_XXS and IQ2_XS need it in
// ggml, and callers refuse to go on without; here no importance is one of 1 everywhere. Lengths are in bytes and must
// match exactly: every function checks them before it touches memory, so a wrong call returns a status and reads or
// writes nothing.
//
// Alignment. float32 buffers (sources of quantize, targets of dequantize, importance, scratch, F32 data) need 4 bytes,
// MXFP4 and NVFP4 need none, every other format 2.
//
// Adding a format: a header in kernels/quant, a line in kernels/quant/types.inc, and a line in
// kernels/quantize/kernels.inc and kernels/dequantize/kernels.inc (naming `ref` for every instruction set is a complete
// answer).
#ifndef QUANTSMITH_KERNELS_H
#define QUANTSMITH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Raised whenever a signature or a meaning below changes; the TypeScript side refuses another number.
#define QS_ABI_VERSION 1

typedef enum qs_status {
  QS_OK = 0,
  QS_UNKNOWN_TYPE = 1,    // not the id of a type in the table
  QS_UNKNOWN_ISA = 2,     // no such instruction set in this build, or the processor lacks it
  QS_BAD_SHAPE = 3,       // columns is 0 or not a multiple of the block size, or rows * columns does not fit in memory
  QS_BAD_LENGTH = 4,      // a buffer is not exactly as long as rows and columns say (scratch: shorter than one row)
  QS_MISALIGNED = 5,      // a buffer starts at an address its format does not allow
  QS_NULL_ARGUMENT = 6,   // a required buffer is missing
  QS_NON_FINITE = 7,      // convert: a source value is NaN or infinite
  QS_SCALE_OVERFLOW = 8,  // convert: a value or block scale does not fit in the 16-bit float that has to hold it
  QS_OUT_OF_BOUNDS = 9,   // WebAssembly: a buffer does not lie in the memory its caller may use
  QS_OUT_OF_MEMORY = 10,  // native: no memory for the scratch rows
  QS_UNKNOWN_FUNCTION = 11,  // not one of qs_function
} qs_status;

// "kernel/bad-length" and the like: stable codes for callers that report them.
const char* qs_status_code(int32_t status);

typedef enum qs_operation { QS_QUANTIZE = 0, QS_DEQUANTIZE = 1, QS_PRODUCT = 2 } qs_operation;

// Elementary functions of a model's forward pass, in float32: the same bits on every instruction set. GELU is the tanh
// form between binary16 values, as llama.cpp computes it.
typedef enum qs_function { QS_EXP = 0, QS_TANH = 1, QS_SILU = 2, QS_GELU = 3 } qs_function;

// In place of an instruction set: the best one this processor has.
#define QS_ISA_BEST (-1)

// ---- What this build can do. Indices run from 0; an index out of range gives 0 or NULL. ----

size_t qs_type_count(void);
int32_t qs_type_id(size_t index);          // ggml's number, the one stored in a GGUF file
const char* qs_type_name(size_t index);    // ggml's name in our spelling: "Q4_K"
size_t qs_type_block_size(size_t index);   // weights per block
size_t qs_type_block_bytes(size_t index);  // bytes per block

// Instruction sets in this build, worst first; index 0 is always "ref", the scalar reference.
size_t qs_isa_count(void);
const char* qs_isa_name(size_t index);
int32_t qs_isa_available(size_t index);  // 1 when this processor and operating system have it

// The instruction set whose code runs when `isa` is asked for this operation and type: "avx2" may answer "ref".
const char* qs_kernel_name(int32_t operation, size_t type_index, size_t isa);

// ---- Operations. `isa` is an index from above or QS_ISA_BEST. ----

// Encodes rows of float32. NaN or infinite input gives unspecified bytes (never an access out of bounds): callers that
// cannot rule it out use qs_convert_rows.
qs_status qs_quantize_rows(int32_t type, const float* source, size_t source_bytes, void* target, size_t target_bytes,
                           size_t rows, size_t columns, const float* importance, size_t importance_bytes, int32_t isa);

// Encodes rows as ggml does where data change while a model runs (its from_float_ref): as qs_quantize_rows does without
// importance, except that IQ4_NL does without its search. Scalar.
qs_status qs_quantize_rows_plain(int32_t type, const float* source, size_t source_bytes, void* target,
                                 size_t target_bytes, size_t rows, size_t columns);

// Decodes rows to float32. Any bytes are valid input.
qs_status qs_dequantize_rows(int32_t type, const void* source, size_t source_bytes, float* target, size_t target_bytes,
                             size_t rows, size_t columns, int32_t isa);

// target = function(source), value by value; target may be source.
qs_status qs_apply(int32_t function, const float* source, size_t source_bytes, float* target, size_t target_bytes,
                   int32_t isa);

// Decodes rows of one type and encodes them as another. Equal types are copied (source and target may then be the same
// memory); a NaN or infinity among the numbers or scales copied is QS_NON_FINITE, as llama-quantize refuses it.
// Otherwise a NaN or infinity in the decoded source is QS_NON_FINITE and a scale (or, for F16 and
// BF16, a value) that rounds to infinity or NaN is QS_SCALE_OVERFLOW (what ggml_validate_row_data rejects);
// `*bad_index` then says which weight, counted from the first weight of the call: the value itself, or the first weight
// of the block. On such an error the contents of `target` are unspecified. `scratch` holds one row at least; 64 KiB
// serves small rows well because several are done at a time.
qs_status qs_convert_rows(int32_t source_type, const void* source, size_t source_bytes, int32_t target_type,
                          void* target, size_t target_bytes, size_t rows, size_t columns, const float* importance,
                          size_t importance_bytes, float* scratch, size_t scratch_bytes, int32_t isa,
                          size_t* bad_index);

#ifdef __cplusplus
}
#endif
#endif
