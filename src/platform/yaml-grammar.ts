// The tree-sitter-yaml grammar with one number changed. Its scanner keeps a stack of the open blocks, 4 bytes each after 10
// bytes of its own, and writes all of it after every token into a buffer of 1,024 bytes that the parser owns. The check in
// that loop compares the bytes written before an entry, so that the 254th entry ends 2 bytes behind the buffer, on a pointer
// of the parser (tree-sitter-yaml 0.7.1; open upstream as issue 48): a text of 1 KB (`- ` 500 times) left a parser that
// failed on every later text. Here the scanner stops long before. Measured: with 253 blocks open, 128 KB of `a,` in a flow
// sequence took 386 MB, because every token carries the stack.
//
// A text that nests deeper cannot be misread for another: blocks that were forgotten are never closed, which is a syntax
// error. Such texts do not get this far unless recipe-limits.ts guesses wrong.
import { MAX_DEPTH } from '../core/recipe/recipe-limits.js';

/** Every level is one entry or, where a mapping and a sequence in it start in the same column, two. */
const MAX_ENTRIES = 2 * MAX_DEPTH;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 4;

/**
 * The end of the loop, the only place in the file with these bytes: `local.get 0; i32.const 1020; i32.lt_u`, where local 0
 * is the number of bytes before the entry just written. One more follows as long as that is below the constant.
 */
const LOOP_END = [0x20, 0x00, 0x41, 0xfc, 0x07, 0x49];
const CONSTANT = 3;

/** Rejects a grammar that is not the one this was made for. */
export function limitScannerState(grammar: Uint8Array): Uint8Array {
  const bytes = Buffer.from(grammar);
  const at = bytes.indexOf(Buffer.from(LOOP_END));
  if (at < 0 || bytes.indexOf(Buffer.from(LOOP_END), at + 1) >= 0) {
    throw new RangeError('this is not the YAML grammar that was expected: its scanner cannot be limited');
  }
  const limit = HEADER_BYTES + (MAX_ENTRIES - 2) * ENTRY_BYTES + 1;
  // As long as the constant it replaces: two bytes of 7 bits each, least significant first.
  bytes[at + CONSTANT] = 0x80 | (limit & 0x7f);
  bytes[at + CONSTANT + 1] = limit >> 7;
  return bytes;
}
