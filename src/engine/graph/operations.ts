// The operations of a program and their numbers, in the order of kernels/exec/operations.inc (a test compares). What each
// does is said there; kernels/include/executor.h says how a program is laid out.

/** Operands by letter: o slot written, i slot read, w weight, W weight or -1, l layer, c constant, n integer, f float. */
export const OPERATIONS = [
  ['EMBED', 'owf'],
  ['RMS_NORM', 'oiWnf'],
  ['LAYER_NORM', 'oiWWf'],
  ['MATMUL', 'oiwW'],
  ['ROPE', 'onnncf'],
  ['STORE', 'lii'],
  ['ATTENTION', 'oilnffn'],
  ['ADD', 'oii'],
  ['GATE', 'oiin'],
  ['ACTIVATE', 'oin'],
  ['SCALE', 'oif'],
  ['SOFT_CAP', 'oif'],
  ['ROUTE', 'oinnnf'],
  ['EXPERTS', 'oiiwn'],
  ['MIX', 'oiin'],
  ['WANTED', 'oi'],
  ['LOGITS', 'i'],
] as const;

export type OperationName = (typeof OPERATIONS)[number][0];

export const PROGRAM_MAGIC = 0x31505351;
export const PROGRAM_VERSION = 2;
