// One door for the tests of the reader: a world in, text out. The source counts what is asked of it, because a bad file
// must not cost much.
import { readGguf, type ReadGgufOptions } from '../../../src/core/gguf/read.js';
import type { ByteSource } from '../../../src/core/bytes/byte-source.js';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import type { GgufMetadataEntry } from '../../../src/core/gguf/gguf.js';
import type { Problem } from '../../../src/core/problem.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';

/** A source that knows how many bytes and reads were asked for; holes read as zeros. */
export class CountingSource implements ByteSource {
  bytesRead = 0;
  reads = 0;
  largestRead = 0;

  constructor(
    private readonly bytes: Uint8Array,
    /** Bytes altogether; what lies behind `bytes` is zeros, as in a sparse file. */
    readonly size: number = bytes.length,
    readonly name = 'world.gguf',
  ) {}

  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (offset < 0 || length < 0 || offset + length > this.size) {
      return Promise.reject(new RangeError(`read of ${length} bytes at ${offset} of ${this.size}`));
    }
    this.reads++;
    this.bytesRead += length;
    this.largestRead = Math.max(this.largestRead, length);
    const result = new Uint8Array(length);
    result.set(this.bytes.subarray(Math.min(offset, this.bytes.length), Math.min(offset + length, this.bytes.length)));
    return Promise.resolve(result);
  }
}

export function problemText(problems: readonly Problem[]): string {
  return problems
    .map(({ severity, code, offset, message }) => {
      const mark = severity === 'error' ? '' : `${severity} `;
      return `${mark}${code}${offset === undefined ? '' : ` @${offset}`}: ${message}`;
    })
    .join('\n');
}

const REMEDY = /\b(fetch|convert|remove|quantize|update|open|use|put|download|decompress|check|look)\b/i;

/** Reads a world; the problems as lines, or `accepted` with the counts. */
export async function check(world: string | Uint8Array, options: ReadGgufOptions = {}): Promise<string> {
  const bytes = typeof world === 'string' ? buildGguf(world).bytes : world;
  const { value, problems } = await readGguf(new MemorySource(bytes), options);
  for (const { code, severity, message, hint } of problems) {
    if (hint === '') throw new Error(`${code} has an empty hint`);
    // What is wrong with the header is no remedy: somebody must be told to do something.
    if (severity === 'error' && hint !== undefined && !REMEDY.test(hint))
      throw new Error(`${code}: no remedy in ${hint}`);
    if (severity === 'error' && hint === undefined && !message.includes('more problems of this kind'))
      throw new Error(`${code} has no hint`);
  }
  if (problems.length > 0) return problemText(problems);
  if (!value) throw new Error('neither a value nor a problem');
  return `accepted: version ${value.version}, ${value.metadata.length} keys, ${value.tensors.length} tensors`;
}

/** The text of a string entry; anything else fails the test. */
export function textOf(entry: GgufMetadataEntry | undefined): string {
  if (typeof entry?.value !== 'string') throw new Error(`${entry?.key ?? 'nothing'} is no string`);
  return entry.value;
}
