// The measurements of llama-quantize in test/golden/plan/types.json, and its models as plan sources.
import { readFileSync } from 'node:fs';
import { byteLengthOf, ggmlType } from '../../../src/core/ggml/ggml-type.js';
import type { GgufMetadataEntry, GgufScalar, GgufTensorInfo, GgufValueType } from '../../../src/core/gguf/gguf.js';
import type { ImportanceEntry, ImportanceMatrix } from '../../../src/core/quantize/importance-matrix.js';
import type { PlanSource } from '../../../src/core/quantize/model-facts.js';
import { reasonToKeep } from '../../../src/core/quantize/tensor-selection.js';
import { importanceEntry } from '../../fixtures/importance.js';

type MetadataRow = readonly [
  key: string,
  type: GgufValueType,
  byteLength: number,
  value?: GgufScalar | readonly GgufScalar[],
];

interface Golden {
  readonly letters: Readonly<Record<string, string>>;
  readonly models: Readonly<
    Record<
      string,
      {
        readonly metadata: readonly MetadataRow[];
        readonly tensors: readonly (readonly [name: string, ne: readonly number[], type: string])[];
        /** Indices of `tensors` in the order llama-quantize writes them. */
        readonly order: readonly number[];
      }
    >
  >;
  /**
   * `model/FILE_TYPE[/imatrix]` -> one letter per tensor in output order, `=` for the same as without importance matrix, or
   * null where llama-quantize failed.
   */
  readonly dryRuns: Readonly<Record<string, string | null>>;
  /** `TYPE/row length` -> the letter of the type a tensor of such rows gets, or null where llama-quantize failed. */
  readonly fallbacks: Readonly<Record<string, string | null>>;
  readonly files: Readonly<Record<string, GoldenFile>>;
}

export interface GoldenFile {
  readonly args?: readonly string[];
  readonly ftype?: string;
  /** Bytes of the whole file; missing where llama-quantize failed. */
  readonly size?: number;
  readonly kv?: Readonly<Record<string, GgufScalar>>;
  readonly types?: string;
  readonly lastOffset?: number;
}

export const golden = JSON.parse(
  readFileSync(new URL('../../golden/plan/types.json', import.meta.url), 'utf8'),
) as Golden;

/** The types a string of letters stands for. */
export function decodeTypes(letters: string): readonly string[] {
  return Array.from(letters, letter => golden.letters[letter] ?? `no letter ${letter}`);
}

export interface SourceTensor {
  readonly name: string;
  readonly ne: readonly number[];
  readonly type: string;
  readonly shard?: number;
}

/** A source with these tensors, data sections laid out as a file would have them. */
export function sourceOf(metadata: readonly MetadataRow[], tensors: readonly SourceTensor[]): PlanSource {
  const ends: number[] = [];
  return {
    metadata: metadata.map(([key, type, byteLength, value]): GgufMetadataEntry => {
      const head = typeof value === 'object' ? value : [];
      const array = { elementType: 'u32' as const, length: head.length, head, fileOffset: 0, byteLength: 0 };
      return { key, type, byteLength, value: typeof value === 'object' ? array : (value ?? array), fileOffset: 0 };
    }),
    tensors: tensors.map(({ name, ne, type, shard = 0 }): GgufTensorInfo => {
      const elementCount = ne.reduce((product, n) => product * n, 1);
      const offset = ends[shard] ?? 0;
      const byteLength = byteLengthOf(ggmlType(type), elementCount);
      ends[shard] = offset + Math.ceil(byteLength / 32) * 32;
      const typeId = ggmlType(type).id;
      return { name, ne, typeId, elementCount, offset, fileOffset: offset, byteLength, shard, infoOffset: 0 };
    }),
  };
}

/** A measured model by name; `<name>-f32src` is the same model in F32. */
export function goldenModel(name: string): PlanSource {
  const single = name.endsWith('-f32src');
  const model = golden.models[name.replace('-f32src', '')];
  if (!model) throw new Error(`no golden model ${name}`);
  return sourceOf(
    model.metadata,
    model.tensors.map(([tensor, ne, type]) => ({ name: tensor, ne, type: single ? 'F32' : type })),
  );
}

/** A matrix with an entry of the right size for every quantizable tensor in a layer, as llama-imatrix collects them. */
export function fullImatrix(source: PlanSource, extra: Partial<ImportanceMatrix> = {}): ImportanceMatrix {
  const entries = new Map<string, ImportanceEntry>();
  for (const tensor of source.tensors) {
    if (!tensor.name.startsWith('blk.') || reasonToKeep(tensor) !== undefined) continue;
    const length = (tensor.ne[0] ?? 0) * (tensor.ne[2] ?? 1);
    entries.set(tensor.name, importanceEntry(new Float32Array(length).fill(1)));
  }
  return { name: 'full.gguf', format: 'gguf', entries, datasets: [], chunkCount: undefined, ...extra };
}
