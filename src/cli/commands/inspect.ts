// `quantsmith inspect`: what a header says. JSON is written as it is read, entry by entry, in pages of an array and pieces of
// a string, so that the memory taken grows neither with a vocabulary nor with what a hostile file claims to be a name; `problems` comes last, because reading a long array may still find one.
// No tensor byte is read.
import type { ByteSource } from '../../core/bytes/byte-source.js';
import { bitsPerWeight, ggmlTypeByName, ggmlTypeName } from '../../core/ggml/ggml-type.js';
import { nearestNames } from '../../core/ggml/nearest-name.js';
import type { GgufArray, GgufEncoding, GgufMetadataEntry, GgufModel, GgufScalar } from '../../core/gguf/gguf.js';
import { metadataEntry } from '../../core/gguf/gguf.js';
import { readArray, stringPieces } from '../../core/gguf/read-values.js';
import { describeModel, type ModelFacts } from '../../core/model/describe.js';
import { firstError, placeOf, QuantsmithError, type Problem } from '../../core/problem.js';
import { printable, quote } from '../../core/text/printable.js';
import {
  formatBitsPerWeight,
  formatBytes,
  formatBytesExactly,
  formatCount,
  formatInteger,
  formatNumber,
  plural,
} from '../../core/text/quantity.js';
import { isUrl, openModel } from '../../platform/open-model.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { InspectInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { scalarJson } from '../json.js';
import { resolveFrom } from '../paths.js';
import { problemsText } from '../problem-text.js';
import { styleFor } from '../style.js';
import { table } from '../table.js';

/** Elements of an array read and written at a time: some 100 KB of text for a vocabulary. */
const PAGE = 4096;
/** First elements of an array in the text output. */
const SHOWN_ELEMENTS = 6;
/** Characters of a value in the text output; the rest is what `--metadata KEY` is for. */
const SHOWN = { limit: 72 };
/** Bytes of text in a page, however few elements that are. */
const PAGE_BYTES = 2 ** 20;
/** So much is printed of a text that is an element of an array. As JSON it may be six times as long. */
const MAX_ELEMENT_BYTES = 2 ** 20;

interface Inspected {
  readonly path: string;
  readonly model: GgufModel;
  readonly facts: ModelFacts;
  /** Grows when reading a value fails. */
  readonly problems: Problem[];
}

export async function inspect(invocation: InspectInvocation, io: CliIo): Promise<ExitCode> {
  const path = isUrl(invocation.file) ? invocation.file : resolveFrom(io.cwd, invocation.file);
  const opened = await openModel(path, { signal: io.signal });
  try {
    const { model } = opened;
    if (!model) throw unreadable(invocation.file, opened.problems);
    const inspected = { path: invocation.file, model, facts: describeModel(model), problems: [...opened.problems] };
    if (invocation.metadata !== undefined) requireKey(model, invocation.metadata, invocation.file);
    if (invocation.json) await printJson(inspected, invocation, io);
    else if (invocation.metadata !== undefined) await printValue(inspected, invocation.metadata, io);
    else await printText(inspected, invocation, io);
    return inspected.problems.some(problem => problem.severity === 'error') ? EXIT.failure : EXIT.success;
  } finally {
    await opened.close();
  }
}

function unreadable(file: string, problems: readonly Problem[]): QuantsmithError {
  const first = firstError(problems);
  return new QuantsmithError(
    first?.code ?? 'gguf/unreadable',
    `${file}: ${first?.message ?? 'the file cannot be read.'}`,
    first?.hint,
    placeOf(first ?? {}),
  );
}

function requireKey(model: GgufModel, key: string, file: string): void {
  if (metadataEntry(model.metadata, key)) return;
  const near = nearestNames(
    key,
    model.metadata.map(entry => entry.key),
  );
  const hint =
    near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `quantsmith inspect ${file} lists the keys it has.`;
  throw new QuantsmithError('model/no-such-key', `${file} has no metadata key ${quote(key)}.`, hint);
}

// ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One line per key, metadata entry and tensor; problems last. */
async function printJson(inspected: Inspected, invocation: InspectInvocation, io: CliIo): Promise<void> {
  const { model, facts, problems } = inspected;
  const file = model.shards[0]?.file;
  const head: Record<string, unknown> = {
    path: inspected.path,
    version: file?.version ?? null,
    littleEndian: file?.littleEndian ?? null,
    architecture: facts.architecture ?? null,
    fileType: facts.fileType ?? null,
    tensorCount: model.tensors.length,
    parameterCount: facts.parameterCount,
    bitsPerWeight: facts.bitsPerWeight,
    byteLength: facts.byteLength,
    alignment: file?.alignment ?? null,
    dataOffset: file?.dataOffset ?? null,
    files: model.shards.map(({ source, file: shard }) => ({
      path: source.name,
      byteLength: shard.fileSize,
      dataOffset: shard.dataOffset,
    })),
  };
  let text = '{\n';
  for (const [key, value] of Object.entries(head)) text += `  "${key}": ${JSON.stringify(value)},\n`;
  await io.stdout.write(`${text}  "metadata": {`);

  // A bad file may have a key twice; in JSON the first one counts, as everywhere here.
  const written = new Set<string>();
  for (const entry of model.metadata) {
    if (written.has(entry.key) || (invocation.metadata ?? entry.key) !== entry.key) continue;
    await io.stdout.write(`${written.size === 0 ? '' : ','}\n    ${JSON.stringify(entry.key)}: `);
    written.add(entry.key);
    await writeValue(inspected, entry, invocation.metadata === undefined ? invocation.arrayLimit : Infinity, io);
  }
  await io.stdout.write(`${written.size === 0 ? '' : '\n  '}},\n  "tensors": [`);

  let separator = '\n';
  text = '';
  for (const { name, typeId, ne, offset, fileOffset, shard, byteLength } of model.tensors) {
    const tensor = { name, type: ggmlTypeName(typeId), ne, offset, byteLength: byteLength ?? null, fileOffset, shard };
    text += `${separator}    ${JSON.stringify(tensor)}`;
    separator = ',\n';
  }
  await io.stdout.write(`${text}${text === '' ? '' : '\n  '}],\n`);

  const lines = problems.map(({ code, severity, offset, message, hint, subject }) => {
    const problem = { code, severity, offset: offset ?? null, message, hint, subject };
    return `\n    ${JSON.stringify(problem)}`;
  });
  await io.stdout.write(`  "problems": [${lines.join(',')}${lines.length === 0 ? '' : '\n  '}]\n}\n`);
}

/** A value as JSON; an array of more than `limit` elements as its type, length and first elements. */
async function writeValue(inspected: Inspected, entry: GgufMetadataEntry, limit: number, io: CliIo): Promise<void> {
  const { value } = entry;
  if (typeof value === 'string') {
    await io.stdout.write('"');
    for await (const piece of piecesOf(inspected, entry, io)) await io.stdout.write(JSON.stringify(piece).slice(1, -1));
    await io.stdout.write('"');
    return;
  }
  if (typeof value !== 'object') {
    await io.stdout.write(scalarJson(value));
    return;
  }
  if (value.length > limit) {
    const head = value.head.slice(0, limit).map(scalarJson).join(',');
    await io.stdout.write(`{"type":"${value.elementType}","length":${value.length},"head":[${head}]}`);
    return;
  }
  await io.stdout.write('[');
  let separator = '';
  for await (const page of arrayPages(inspected, entry, value, io)) {
    await io.stdout.write(separator + elementsJson(page));
    separator = ',';
  }
  await io.stdout.write(']');
}

/** `"a","b"`, in one call when JSON has all the values; 768,000 elements of a large vocabulary take 0.1 s less. */
function elementsJson(page: readonly GgufScalar[]): string {
  const plain = page.every(value => (typeof value === 'number' ? Number.isFinite(value) : typeof value !== 'bigint'));
  return plain ? JSON.stringify(page).slice(1, -1) : page.map(scalarJson).join(',');
}

/** The elements of an array in pages. A failure ends the array and becomes a problem: the document stays well-formed. */
async function* arrayPages(
  { model, problems }: Inspected,
  entry: GgufMetadataEntry,
  array: GgufArray,
  io: CliIo,
): AsyncGenerator<readonly GgufScalar[]> {
  const { source, file } = firstShard(model);
  const options = {
    maxStringBytes: MAX_ELEMENT_BYTES,
    maxPageBytes: PAGE_BYTES,
    onCut: (index: number, byteLength: number) => problems.push(cutProblem(entry, index, byteLength)),
    signal: io.signal,
  };
  try {
    for (let start = 0; start < array.length;) {
      const page = await readArray(source, file, entry, start, PAGE, options);
      yield page;
      start += page.length;
    }
  } catch (error) {
    problems.push(valueProblem(error, entry));
  }
}

/** A text in pieces. A failure ends it and becomes a problem: the document stays well-formed. */
async function* piecesOf({ model, problems }: Inspected, entry: GgufMetadataEntry, io: CliIo): AsyncGenerator<string> {
  try {
    yield* stringPieces(firstShard(model).source, entry, io.signal);
  } catch (error) {
    problems.push(valueProblem(error, entry));
  }
}

function firstShard(model: GgufModel): { readonly source: ByteSource; readonly file: GgufEncoding } {
  const shard = model.shards[0];
  if (!shard) throw new RangeError('a model has at least one file');
  return shard;
}

function valueProblem(error: unknown, entry: GgufMetadataEntry): Problem {
  if (!(error instanceof QuantsmithError)) throw error;
  const { code, message, hint } = error;
  return { code, severity: 'error', message, ...(hint === undefined ? {} : { hint }), offset: entry.fileOffset };
}

function cutProblem(entry: GgufMetadataEntry, index: number, byteLength: number): Problem {
  const message = `Element ${index} of ${quote(entry.key)} has ${formatInteger(byteLength)} bytes; its first ${formatInteger(MAX_ELEMENT_BYTES - 1)} are printed.`;
  const hint = 'A text of that length is most likely damage: convert or fetch the model again.';
  return { code: 'inspect/value-cut', severity: 'warning', message, hint, offset: entry.fileOffset };
}

// ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A value as it is, whole: a string unchanged, an array one element a line. For pipes; nothing is escaped there. */
async function printValue(inspected: Inspected, key: string, io: CliIo): Promise<void> {
  const entry = metadataEntry(inspected.model.metadata, key);
  if (!entry) return;
  // On a terminal, text from a file must not move the cursor; line breaks of a chat template are wanted, though.
  const shown = (text: string) => (io.stdout.isTTY ? printable(text, { lines: true }) : text);
  const before = inspected.problems.length;
  if (typeof entry.value === 'object') {
    for await (const page of arrayPages(inspected, entry, entry.value, io)) {
      await io.stdout.write(page.map(value => `${shown(scalarText(value, entry.value))}\n`).join(''));
    }
  } else if (typeof entry.value === 'string') {
    for await (const piece of piecesOf(inspected, entry, io)) await io.stdout.write(shown(piece));
    await io.stdout.write('\n');
  } else {
    await io.stdout.write(`${shown(scalarText(entry.value, entry))}\n`);
  }
  await io.stderr.write(problemsText(inspected.problems.slice(before), styleFor(io.stderr, io.env)));
}

function scalarText(value: GgufScalar, of: GgufMetadataEntry | GgufMetadataEntry['value']): string {
  const type = typeof of === 'object' && 'elementType' in of ? of.elementType : typeof of === 'object' ? of.type : '';
  return typeof value === 'number' ? formatNumber(value, type) : String(value);
}

async function printText(inspected: Inspected, invocation: InspectInvocation, io: CliIo): Promise<void> {
  const { model, facts, problems } = inspected;
  const style = styleFor(io.stdout, io.env);
  const file = model.shards[0]?.file;
  const files = model.shards.length > 1 ? `, ${model.shards.length} files` : '';
  const order = file?.littleEndian === false ? 'big-endian' : 'little-endian';
  const lines = [
    style.bold(printable(inspected.path)),
    `GGUF version ${file?.version ?? '?'}, ${order}, alignment ${file?.alignment ?? '?'}, tensor data at byte ${formatInteger(file?.dataOffset ?? 0)}`,
    [facts.architecture ?? 'no architecture', facts.name, facts.fileType]
      .filter(part => part !== undefined)
      .map(part => printable(part, SHOWN))
      .join(', '),
    `${formatCount(facts.parameterCount)} ${facts.parameterCount === 1 ? 'parameter' : 'parameters'} in ${plural(model.tensors.length, 'tensor')}, ${formatBitsPerWeight(facts.bitsPerWeight)} bits per weight`,
    `${formatBytesExactly(facts.byteLength)}${files}`,
  ];
  const sections = [`${lines.join('\n')}\n`];
  if (facts.typeCounts.length > 0) sections.push(typeTable(facts));
  if (model.metadata.length > 0) sections.push(metadataTable(model));
  if (invocation.tensors && model.tensors.length > 0) sections.push(tensorTable(model));
  if (problems.length > 0) sections.push(problemsText(problems, style));
  await io.stdout.write(sections.join('\n'));
}

function typeTable({ typeCounts }: ModelFacts): string {
  return table(
    [
      { title: 'type' },
      { title: 'tensors', align: 'right' },
      { title: 'parameters', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'bits/weight', align: 'right' },
    ],
    typeCounts.map(({ type, tensors, byteLength, elementCount }) => {
      const known = ggmlTypeByName(type);
      return [
        type,
        formatInteger(tensors),
        formatCount(elementCount),
        known ? formatBytes(byteLength) : '?',
        known ? formatBitsPerWeight(bitsPerWeight(known)) : '?',
      ];
    }),
  );
}

function metadataTable(model: GgufModel): string {
  return table(
    [{ title: 'key' }, { title: 'type' }, { title: 'value' }],
    model.metadata.map(entry => {
      const { key, type, value } = entry;
      if (typeof value !== 'object') {
        return [printable(key, SHOWN), type, printable(scalarText(value, entry), SHOWN)];
      }
      const head = value.head
        .slice(0, SHOWN_ELEMENTS)
        .map(element => (typeof element === 'string' ? quote(element) : scalarText(element, value)));
      const more = value.length > head.length ? ', …' : '';
      return [
        printable(key, SHOWN),
        `${value.elementType}[${value.length}]`,
        printable(`${head.join(', ')}${more}`, SHOWN),
      ];
    }),
  );
}

function tensorTable(model: GgufModel): string {
  const sharded = model.shards.length > 1;
  return table(
    [
      { title: 'tensor' },
      { title: 'type' },
      { title: 'ne' },
      { title: 'size', align: 'right' },
      { title: 'offset', align: 'right' },
      ...(sharded ? [{ title: 'file', align: 'right' } as const] : []),
    ],
    model.tensors.map(({ name, typeId, ne, byteLength, offset, shard }) => [
      printable(name, SHOWN),
      ggmlTypeName(typeId),
      ne.join(' x '),
      byteLength === undefined ? '?' : formatBytes(byteLength),
      formatInteger(offset),
      ...(sharded ? [String(shard + 1)] : []),
    ]),
  );
}
