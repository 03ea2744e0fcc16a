// Describes an opened model for people: header facts as plain data that survives structured clone and stays small whatever
// the file holds. Long strings are cut and long arrays shown by their beginning; both are read on demand, in pages. No
// tensor byte is read here.
import type { ByteSource } from '../../core/bytes/byte-source.js';
import { ggmlTypeName } from '../../core/ggml/ggml-type.js';
import { metadataEntry } from '../../core/gguf/gguf.js';
import type { GgufFile, GgufMetadataEntry, GgufModel, GgufScalar } from '../../core/gguf/gguf.js';
import { readArray, readString } from '../../core/gguf/read-values.js';
import { describeModel } from '../../core/model/describe.js';
import { firstError, placeOf, QuantsmithError, type Problem } from '../../core/problem.js';
import { quote } from '../../core/text/printable.js';
import type { MetadataRow, ModelDescription } from '../../protocol/worker-protocol.js';

/** A model opened by whoever owns its files. */
export interface InspectedModel {
  readonly path: string;
  readonly model: GgufModel | undefined;
  readonly problems: readonly Problem[];
}

/** UTF-16 units of a string shown at once: a screenful and more; chat templates are longer and asked for when wanted. */
export const MAX_STRING = 4096;
/** First elements of an array in a description. */
export const ARRAY_HEAD = 64;
/** UTF-16 units of a string element in a description and in a page. */
export const MAX_ELEMENT_STRING = 1024;
/** Elements of one page: at most some 40 MB even if each has the largest length. */
export const MAX_PAGE = 10_000;
/** Bytes of a string read on demand: what the protocol promises. */
export const MAX_WHOLE_STRING = 2 ** 24;

/** Throws the file's first error if it is no GGUF of a known version; otherwise problems are part of the description. */
export function inspectModel(opened: InspectedModel): ModelDescription {
  const { path, problems } = opened;
  const model = modelOf(opened);
  const first = model.shards[0]?.file;
  const { groupCounts: _groups, ...facts } = describeModel(model);
  return {
    path,
    shards: model.shards.map(({ source, file }) => ({
      path: source.name,
      byteLength: file.fileSize,
      dataOffset: file.dataOffset,
    })),
    version: first?.version ?? 0,
    littleEndian: first?.littleEndian ?? true,
    alignment: first?.alignment ?? 0,
    ...facts,
    metadata: model.metadata.map(metadataRow),
    tensors: model.tensors.map(({ name, ne, typeId, elementCount, offset, fileOffset, shard, byteLength }) => ({
      name,
      ne,
      type: ggmlTypeName(typeId),
      elementCount,
      offset,
      fileOffset,
      shard,
      byteLength,
    })),
    problems,
  };
}

/** One page of an array's elements, clipped to the array and to `MAX_PAGE`; long strings in it are cut. */
export async function inspectArray(
  opened: InspectedModel,
  key: string,
  start: number,
  count: number,
  signal?: AbortSignal,
): Promise<{ readonly values: readonly GgufScalar[]; readonly length: number }> {
  const { source, file, entry } = find(opened, key);
  const { value } = entry;
  if (typeof value !== 'object') throw wrongType(key, 'an array', entry.type);
  const page = Math.min(count, MAX_PAGE);
  const values = await readArray(source, file, entry, start, page, {
    maxStringBytes: MAX_ELEMENT_STRING * 4,
    ...(signal ? { signal } : {}),
  });
  return { values: values.map(cutElement), length: value.length };
}

/** The text of a string value, at most `MAX_WHOLE_STRING` bytes of it. */
export async function inspectString(
  opened: InspectedModel,
  key: string,
  signal?: AbortSignal,
): Promise<{ readonly value: string }> {
  const { source, entry } = find(opened, key);
  if (entry.type !== 'string') throw wrongType(key, 'a string', entry.type);
  const { text } = await readString(source, entry, { maxBytes: MAX_WHOLE_STRING, ...(signal ? { signal } : {}) });
  return { value: text };
}

function metadataRow(entry: GgufMetadataEntry): MetadataRow {
  const { key, type, value, cut } = entry;
  if (typeof value === 'object') {
    const head = value.head.slice(0, ARRAY_HEAD).map(cutElement);
    return { key, type, array: { elementType: value.elementType, length: value.length, head } };
  }
  if (typeof value !== 'string' || (!cut && value.length <= MAX_STRING)) return { key, type, value };
  // Of a string that was never read whole only the bytes are known; for most texts that is the length.
  return { key, type, value: cutText(value, MAX_STRING), fullLength: cut?.byteLength ?? value.length };
}

function cutElement(value: GgufScalar): GgufScalar {
  return typeof value === 'string' && value.length > MAX_ELEMENT_STRING
    ? `${cutText(value, MAX_ELEMENT_STRING)}…`
    : value;
}

/** At most `length` UTF-16 units, never half a surrogate pair. */
function cutText(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length);
}

function modelOf({ path, model, problems }: InspectedModel): GgufModel {
  if (model) return model;
  const first = firstError(problems);
  throw new QuantsmithError(
    first?.code ?? 'gguf/unreadable',
    `${path}: ${first?.message ?? 'the file cannot be read.'}`,
    first?.hint,
    placeOf(first ?? {}),
  );
}

function find(
  opened: InspectedModel,
  key: string,
): { readonly source: ByteSource; readonly file: GgufFile; readonly entry: GgufMetadataEntry } {
  const model = modelOf(opened);
  const entry = metadataEntry(model.metadata, key);
  const shard = model.shards[0];
  if (!entry || !shard) {
    throw new QuantsmithError(
      'model/no-such-key',
      `${opened.path} has no metadata key ${quote(key)}.`,
      'Check the spelling of the key.',
    );
  }
  return { source: shard.source, file: shard.file, entry };
}

function wrongType(key: string, expected: string, found: string): QuantsmithError {
  return new QuantsmithError('model/wrong-type', `Key ${quote(key)} is not ${expected}, but of type ${found}.`);
}
