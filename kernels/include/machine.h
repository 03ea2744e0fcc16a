// What the machine under the kernels can do, measured. Native only: a WebAssembly module has no clock of its own.
#ifndef QUANTSMITH_MACHINE_H
#define QUANTSMITH_MACHINE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Bytes per second that `threads` threads read together from memory, each its own part, one after another: the limit of
// what reads every weight once per token. Takes about `seconds` and 256 MiB of memory; blocks. 0 without memory or
// threads.
double qs_read_bandwidth(size_t threads, double seconds);

#ifdef __cplusplus
}
#endif
#endif
