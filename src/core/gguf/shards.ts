// Models in several files. `llama-gguf-split` names them PREFIX-00001-of-00003.gguf (numbers from 1) and writes three keys
// into each (numbers from 0):
//
//   split.no u16 | split.count u16 | split.tensors.count i32, over all files
//
// All other metadata is in the first file. Whichever file is opened, the whole model is joined; what is missing or out
// of place is a problem that names the file. Opening is the caller's: core does not know where files are.
import type { ByteSource } from '../bytes/byte-source.js';
import { QuantsmithError, type Problem, type ReadResult } from '../problem.js';
import { quote } from '../text/printable.js';
import { metadataNumber } from './gguf.js';
import type { GgufFile, GgufModel, GgufTensorInfo } from './gguf.js';
import { readGguf, type ReadGgufOptions } from './read.js';

export const SPLIT_NO = 'split.no';
export const SPLIT_COUNT = 'split.count';
export const SPLIT_TENSORS_COUNT = 'split.tensors.count';
export const SPLIT_KEYS: readonly string[] = [SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS_COUNT];

/** llama.cpp stores the count in a u16; more than a few hundred files are not to be expected, and each is opened. */
const MAX_SHARDS = 4096;

export interface ShardName {
  /** Everything before `-00001-of-00003.gguf`, folders included. */
  readonly prefix: string;
  /** From 1. */
  readonly number: number;
  readonly count: number;
  /** `?download=true` of a URL; empty for a path. */
  readonly query: string;
}

/** Takes a shard's file name (or path, or URL path) apart; undefined if it is not named like one. */
export function parseShardName(path: string): ShardName | undefined {
  const match = /^(.*)-(\d{5})-of-(\d{5})\.gguf(\?.*)?$/s.exec(path);
  if (!match) return undefined;
  return { prefix: match[1] ?? '', number: Number(match[2]), count: Number(match[3]), query: match[4] ?? '' };
}

/** `model`, 1, 3 -> `model-00001-of-00003.gguf`. */
export function shardName(prefix: string, number: number, count: number): string {
  const digits = (n: number): string => String(n).padStart(5, '0');
  return `${prefix}-${digits(number)}-of-${digits(count)}.gguf`;
}

/** Opens a file by path; rejects with a QuantsmithError (`io/not-found` …) if it cannot. */
export type OpenSource = (path: string) => Promise<ByteSource>;

/**
 * Reads the header of the model that `path` belongs to: one file, or all of its shards, opened through `open`. `value` is
 * undefined only if the file itself is no GGUF. Rejects if `path` cannot be opened, or when aborted.
 */
export async function readModel(
  open: OpenSource,
  path: string,
  options: ReadGgufOptions = {},
): Promise<ReadResult<GgufModel>> {
  const source = await open(path);
  const { value: file, problems } = await readGguf(source, options);
  if (!file) return { value: undefined, problems };
  const count = metadataNumber(file.metadata, SPLIT_COUNT) ?? 1;
  const single: GgufModel = { shards: [{ source, file }], metadata: file.metadata, tensors: file.tensors };
  if (count <= 1) return { value: single, problems };
  const name = parseShardName(path);
  if (name?.count !== count || count > MAX_SHARDS) {
    const expected = name
      ? `...-of-${String(count).padStart(5, '0')}.gguf`
      : `NAME-00001-of-${String(count).padStart(5, '0')}.gguf`;
    const problem: Problem = {
      code: 'gguf/shard-name',
      severity: 'error',
      message: `${source.name} is one of ${count} files of a model, but its name does not follow the pattern ${expected}; the other files cannot be found.`,
      hint: 'Give the files the names they were downloaded with.',
    };
    return { value: single, problems: [...problems, problem] };
  }
  return new ShardJoin(open, path, name, { source, file, problems }, options).read();
}

interface OpenedShard {
  readonly source: ByteSource;
  readonly file: GgufFile;
  readonly problems: readonly Problem[];
}

class ShardJoin {
  private readonly problems: Problem[] = [];

  constructor(
    private readonly open: OpenSource,
    private readonly path: string,
    private readonly name: ShardName,
    private readonly first: OpenedShard,
    private readonly options: ReadGgufOptions,
  ) {}

  async read(): Promise<ReadResult<GgufModel>> {
    const { name, first } = this;
    const shards: OpenedShard[] = [];
    for (let number = 1; number <= name.count; number++) {
      const shard = number === name.number ? first : await this.openShard(number);
      if (!shard) continue;
      this.problems.push(...inFile(shard));
      this.checkNumbers(shard, number);
      shards.push(shard);
    }
    const tensors = this.joinTensors(shards);
    const metadata = shards[0]?.file.metadata ?? first.file.metadata;
    const value = { shards: shards.map(({ source, file }) => ({ source, file })), metadata, tensors };
    return { value, problems: this.problems };
  }

  private async openShard(number: number): Promise<OpenedShard | undefined> {
    const { prefix, count, query } = this.name;
    const path = shardName(prefix, number, count) + query;
    try {
      const source = await this.open(path);
      const { value: file, problems } = await readGguf(source, this.options);
      if (file) return { source, file, problems };
      this.problems.push(...inFile({ source, problems }));
    } catch (error) {
      if (this.options.signal?.aborted || !(error instanceof QuantsmithError)) throw error;
      const missing = error.code === 'io/not-found';
      this.add(
        missing ? 'gguf/shard-missing' : error.code,
        missing
          ? `File ${number} of ${count} is missing: ${path}.`
          : `File ${number} of ${count} cannot be read: ${error.message}`,
        missing ? `Put all ${count} files into one folder.` : error.hint,
      );
    }
    return undefined;
  }

  private checkNumbers(shard: OpenedShard, number: number): void {
    const { name } = shard.source;
    const { metadata } = shard.file;
    const found = metadataNumber(metadata, SPLIT_NO);
    if (found !== number - 1) {
      this.add(
        'gguf/shard-number',
        `${name} should be file ${number} of the model (split.no = ${number - 1}), but says ${SPLIT_NO} = ${found ?? 'nothing'}.`,
        'The file was renamed or belongs to another model; fetch it again.',
      );
    }
    const count = metadataNumber(metadata, SPLIT_COUNT);
    if (count !== this.name.count) {
      this.add(
        'gguf/shard-count',
        `${name} says ${SPLIT_COUNT} = ${count ?? 'nothing'}, but the model has ${this.name.count} files.`,
        'The file belongs to another model; fetch it again.',
      );
    }
  }

  private joinTensors(shards: readonly OpenedShard[]): readonly GgufTensorInfo[] {
    const tensors: GgufTensorInfo[] = [];
    const seen = new Map<string, string>();
    for (const [shard, { source, file }] of shards.entries()) {
      for (const tensor of file.tensors) {
        const identity = tensor.inexactName?.identity ?? tensor.name;
        const other = seen.get(identity);
        // Twice in one file has been reported by readGguf.
        if (other !== undefined && other !== source.name) {
          this.add(
            'gguf/duplicate-tensor',
            `Tensor ${quote(tensor.name)} is both in ${other} and in ${source.name}.`,
            'The files belong to different models.',
          );
        } else seen.set(identity, source.name);
        tensors.push(shard === tensor.shard ? tensor : { ...tensor, shard });
      }
    }
    const announced = shards
      .map(({ file }) => metadataNumber(file.metadata, SPLIT_TENSORS_COUNT))
      .find(n => n !== undefined);
    // With a file missing, the number cannot be right, and the missing file has been reported.
    if (shards.length === this.name.count && announced !== undefined && announced !== tensors.length) {
      this.add(
        'gguf/shard-tensors',
        `The model should have ${announced} tensors (${SPLIT_TENSORS_COUNT}), but its files hold ${tensors.length}.`,
        'A file belongs to another model or is incomplete; fetch the files again.',
      );
    }
    return tensors;
  }

  private add(code: string, message: string, hint: string | undefined): void {
    this.problems.push({
      code,
      severity: 'error',
      message,
      subject: this.path,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Problems of one of several files say which. */
function inFile(shard: Pick<OpenedShard, 'source' | 'problems'>): readonly Problem[] {
  return shard.problems.map(problem => ({ ...problem, message: `${shard.source.name}: ${problem.message}` }));
}
