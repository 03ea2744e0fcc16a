// Reads what a tokenizer needs from an opened model: a handful of scalars and up to four arrays, 2 to 20 MB that lie in the
// header. Strings stay bytes. The arrays' lengths were checked when the header was read; here each string in them is checked
// again, because the file may have changed since.
import type { ByteSource } from '../bytes/byte-source.js';
import { metadataEntry, type GgufArray, type GgufEncoding, type GgufModel, type GgufScalar } from '../gguf/gguf.js';
import { ProblemList } from '../gguf/problem-list.js';
import { lengthSize } from '../gguf/value.js';
import { QuantsmithError, type ReadResult } from '../problem.js';
import { quote } from '../text/printable.js';
import type { ByteStrings } from './byte-strings.js';
import { createTokenizer, type Tokenizer } from './tokenizer.js';
import type { TokenizerMetadata } from './tokenizer-metadata.js';

/** The tokenizer of a model. Rejects with `gguf/changed`, with what the source rejects with, or with the signal's reason. */
export async function readTokenizer(model: GgufModel, signal?: AbortSignal): Promise<ReadResult<Tokenizer>> {
  const { value: metadata, problems } = await readTokenizerMetadata(model, signal);
  if (!metadata) return { value: undefined, problems };
  const made = createTokenizer(metadata);
  return { value: made.value, problems: [...problems, ...made.problems] };
}

/** The metadata alone. An array of another type than llama.cpp accepts is an error: what it says cannot be trusted. */
export async function readTokenizerMetadata(
  model: GgufModel,
  signal?: AbortSignal,
): Promise<ReadResult<TokenizerMetadata>> {
  const problems = new ProblemList();
  const scalars = new Map<string, GgufScalar>();
  for (const { key, value, inexactKey } of model.metadata) {
    const wanted = key.startsWith('tokenizer.ggml.') || key === 'general.name' || key === 'general.architecture';
    if (wanted && !inexactKey && typeof value !== 'object' && !scalars.has(key)) scalars.set(key, value);
  }
  const shard = model.shards[0];
  if (!shard) return { value: { scalars }, problems: [] };
  const { source, file } = shard;
  const array = (name: string, types: readonly GgufArray['elementType'][]): GgufArray | undefined => {
    const key = `tokenizer.ggml.${name}`;
    const entry = metadataEntry(model.metadata, key);
    if (!entry) return undefined;
    const { value } = entry;
    if (typeof value === 'object' && types.includes(value.elementType)) return value;
    const found = typeof value === 'object' ? `an array of ${value.elementType}` : entry.type;
    const message = `${quote(key)} must be an array of ${types.join(' or ')}, found ${found}.`;
    problems.add('error', 'tokenizer/wrong-type', message, { subject: key, offset: entry.fileOffset });
    return undefined;
  };
  const strings = async (name: string): Promise<ByteStrings | undefined> => {
    const found = array(name, ['string']);
    return found && readStrings(source, file, `tokenizer.ggml.${name}`, found, signal);
  };
  const numbers = async (name: string, types: ('i32' | 'f32')[]): Promise<DataView | undefined> => {
    const found = array(name, types);
    return found && viewOf(await source.read(found.fileOffset, found.byteLength, signal));
  };

  const tokens = await strings('tokens');
  const merges = await strings('merges');
  const scoreType = array('scores', ['f32', 'i32'])?.elementType;
  const scores = scoreType && (await numbers('scores', ['f32', 'i32']));
  const types = await numbers('token_type', ['i32']);
  if (problems.hasError) return { value: undefined, problems: problems.toArray() };
  const { littleEndian } = file;
  const count = (view: DataView): number => view.byteLength / 4;
  return {
    value: {
      scalars,
      ...(tokens ? { tokens } : {}),
      ...(merges ? { merges } : {}),
      ...(scores
        ? {
            scores: Float32Array.from({ length: count(scores) }, (_, i) =>
              scoreType === 'f32' ? scores.getFloat32(i * 4, littleEndian) : scores.getInt32(i * 4, littleEndian),
            ),
          }
        : {}),
      ...(types
        ? { tokenTypes: Int32Array.from({ length: count(types) }, (_, i) => types.getInt32(i * 4, littleEndian)) }
        : {}),
    },
    problems: [],
  };
}

/**
 * An array of strings in one read. The strings move together in the buffer that was read:
 *
 *   length:u64 | bytes | length:u64 | bytes …   ->   bytes | bytes …   and where each starts
 */
async function readStrings(
  source: ByteSource,
  encoding: GgufEncoding,
  key: string,
  array: GgufArray,
  signal?: AbortSignal,
): Promise<ByteStrings> {
  const bytes = await source.read(array.fileOffset, array.byteLength, signal);
  const view = viewOf(bytes);
  const size = lengthSize(encoding);
  const offsets = new Uint32Array(array.length + 1);
  let at = 0;
  let to = 0;
  for (let i = 0; i < array.length; i++) {
    if (at + size > bytes.length) throw changed(key);
    const length =
      size === 4 ? view.getUint32(at, encoding.littleEndian) : Number(view.getBigUint64(at, encoding.littleEndian));
    at += size;
    if (length > bytes.length - at) throw changed(key);
    bytes.copyWithin(to, at, at + length);
    at += length;
    to += length;
    offsets[i + 1] = to;
  }
  return { bytes: bytes.subarray(0, to), offsets };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function changed(key: string): QuantsmithError {
  const message = `The value of ${quote(key)} is no longer where the header said.`;
  return new QuantsmithError('gguf/changed', message, 'The file changed on disk; open it again.');
}
