// Models in several files. `llama-gguf-split` names them PREFIX-00001-of-00003.gguf (numbers from 1) and writes three keys
// into each (numbers from 0):
//
//   split.no u16 | split.count u16 | split.tensors.count i32, over all files
//
// All other metadata is in the first file. Whichever file is opened, the whole model is joined; what is missing or out
// of place is a problem that names the file. Opening is the caller's: core does not know where files are.
import type { ByteSource } from '../bytes/byte-source.js';
import { QuantsmithError, type Problem, type ReadResult, type Severity } from '../problem.js';
import { quote } from '../text/printable.js';
import { metadataEntry } from './gguf.js';
import type { GgufFile, GgufMetadataEntry, GgufModel, GgufTensorInfo } from './gguf.js';
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
  const single = (more: readonly Problem[]): ReadResult<GgufModel> => ({
    value: { shards: [{ source, file }], metadata: file.metadata, tensors: file.tensors },
    problems: [...problems, ...more],
  });
  const error = (code: string, message: string, hint: string): Problem => {
    return { code, severity: 'error', message: `${source.name} ${message}`, hint, subject: path };
  };
  const name = parseShardName(path);
  const { value: stored, fault } = splitValue(file.metadata, SPLIT_COUNT);
  // A file that is named as a shard and has a count that makes no sense is joined by its name, and the count reported.
  const count = fault !== undefined && name !== undefined && name.count > 1 ? name.count : (stored ?? 1);
  if (count <= 1) return single(singleFileProblems(file, path, source.name, name));
  if (count > MAX_SHARDS) {
    const message = `is one of ${count} files of a model; expected at most ${MAX_SHARDS}.`;
    const hint = 'No known model has as many files: name and header are most likely damaged. Fetch the file again.';
    return single([error('gguf/too-many-shards', message, hint)]);
  }
  if (name?.count !== count) {
    const expected = name
      ? `...-of-${String(count).padStart(5, '0')}.gguf`
      : `NAME-00001-of-${String(count).padStart(5, '0')}.gguf`;
    const message = `is one of ${count} files of a model, but its name does not follow the pattern ${expected}; the other files cannot be found.`;
    return single([error('gguf/shard-name', message, 'Give the files the names they were downloaded with.')]);
  }
  return new ShardJoin(open, path, name, { source, file, problems }, options).read();
}

/** The value of a split key; `fault` says what is there instead of a whole number that is not negative. */
function splitValue(
  metadata: readonly GgufMetadataEntry[],
  key: string,
): { readonly value?: number; readonly fault?: string } {
  const entry = metadataEntry(metadata, key);
  if (!entry) return {};
  const { type, value } = entry;
  if (/^[ui]\d+$/.test(type) && typeof value === 'number' && value >= 0) return { value };
  if (typeof value === 'object') return { fault: `an array (of ${value.elementType})` };
  return { fault: `${typeof value === 'string' ? quote(value) : String(value)} (${type})` };
}

/** As messages say it: `3`, `"3" (string)`, `nothing`. */
function foundText(metadata: readonly GgufMetadataEntry[], key: string): string {
  const { value, fault } = splitValue(metadata, key);
  return fault ?? String(value ?? 'nothing');
}

/** What the split keys of a file say that is read as a model of its own. */
function singleFileProblems(
  { metadata }: GgufFile,
  path: string,
  file: string,
  name: ShardName | undefined,
): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (severity: Severity, code: string, message: string, hint?: string): void => {
    problems.push({ code, severity, message, subject: path, ...(hint === undefined ? {} : { hint }) });
  };
  const { value: count, fault } = splitValue(metadata, SPLIT_COUNT);
  const named = name !== undefined && name.count > 1;
  if (fault !== undefined) {
    const message = `${file} has ${SPLIT_COUNT} = ${fault}; expected the number of the model's files. It cannot be known whether the model is complete.`;
    add('error', 'gguf/split-key', message, 'The header is damaged: fetch the file again.');
  } else if (named) {
    add(
      // Without the key nothing contradicts that the file is a model of its own.
      count === undefined ? 'warning' : 'error',
      'gguf/shard-count',
      `${file} is named as file ${name.number} of ${name.count}, but says ${SPLIT_COUNT} = ${count ?? 'nothing'}; only this file is read.`,
      'If it is a whole model, give it a name without these numbers; otherwise fetch the file again.',
    );
  } else if (count === 0) {
    add('info', 'gguf/merged', `${file} says ${SPLIT_COUNT} = 0, as models do that were merged from several files.`);
  }
  for (const key of [SPLIT_NO, SPLIT_TENSORS_COUNT]) {
    const found = splitValue(metadata, key).fault;
    if (found === undefined) continue;
    const message = `${file} has ${key} = ${found}; expected a whole number that is not negative.`;
    add(named ? 'error' : 'warning', 'gguf/split-key', message, 'Quantizing or copying the model removes the key.');
  }
  return problems;
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
    if (splitValue(metadata, SPLIT_NO).value !== number - 1) {
      this.add(
        'gguf/shard-number',
        `${name} should be file ${number} of the model (split.no = ${number - 1}), but says ${SPLIT_NO} = ${foundText(metadata, SPLIT_NO)}.`,
        'The file was renamed or belongs to another model; fetch it again.',
      );
    }
    if (splitValue(metadata, SPLIT_COUNT).value !== this.name.count) {
      this.add(
        'gguf/shard-count',
        `${name} says ${SPLIT_COUNT} = ${foundText(metadata, SPLIT_COUNT)}, but the model has ${this.name.count} files.`,
        'The file belongs to another model; fetch it again.',
      );
    }
    const { fault } = splitValue(metadata, SPLIT_TENSORS_COUNT);
    if (fault !== undefined) {
      this.add(
        'gguf/split-key',
        `${name} has ${SPLIT_TENSORS_COUNT} = ${fault}; expected the number of the model's tensors.`,
        'The header is damaged: fetch the file again.',
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
      .map(({ file }) => splitValue(file.metadata, SPLIT_TENSORS_COUNT).value)
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
