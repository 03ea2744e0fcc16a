// What earlier runs made, so that a changed recipe computes only what changed. For every complete output there is one
// record, JSON lines in the user's cache folder:
//
//   {"quantsmith-made":1,"files":[{"path":"/models/out.gguf","byteLength":123}]}
//   {"wish":"…","source":"…","sha256":"…","file":0,"position":1952,"byteLength":4608}
//
// It is not in the output, which must equal llama-quantize's byte for byte, and not beside it: there it would travel with
// models, and somebody else's record could make us take over bytes the source does not give. A record is a hint where to
// look and never more. Its output may have been moved (looked for beside the new output, too), edited or deleted; bytes are
// taken over only if they have their digest, and then those very bytes, so that nothing can change in between.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { EarlierOutputs, EarlierTensor, OutputRecord } from '../engine/jobs/quantize-services.js';
import { madeTensor, object } from './made-tensor.js';
import { remove } from './output-system.js';

/** Outputs remembered; of 300 tensors each, their records take 25 MB. The oldest go first. */
const MAX_RECORDS = 256;
/** A record of 10,000 tensors is 3 MB; more than this is not one of ours. */
const MAX_RECORD_BYTES = 1 << 25;
/** Files of one output; a model of more shards than that is not one of ours. */
const MAX_FILES = 1 << 16;
/** How every line of a tensor begins, so that a line nobody asked for is passed over without parsing it. */
const LINE_START = '{"wish":"';

/**
 * The folder of the records: `outputs` in QUANTSMITH_CACHE_DIR, or in the system's place for caches. Undefined if there is
 * none: QUANTSMITH_CACHE_DIR is empty, or the user has no home.
 */
export function recordsFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const named = env['QUANTSMITH_CACHE_DIR'];
  if (named !== undefined) return named === '' ? undefined : path.resolve(named, 'outputs');
  const cache = systemCache(env, platform);
  return cache === undefined ? undefined : path.join(cache, 'quantsmith', 'outputs');
}

function systemCache(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform): string | undefined {
  if (platform === 'win32') return env['LOCALAPPDATA'];
  let home: string;
  try {
    home = homedir();
  } catch {
    return undefined;
  }
  if (!path.isAbsolute(home)) return undefined;
  if (platform === 'darwin') return path.join(home, 'Library', 'Caches');
  // A relative path in it counts as none: XDG Base Directory Specification.
  const xdg = env['XDG_CACHE_HOME'] ?? '';
  return path.isAbsolute(xdg) ? xdg : path.join(home, '.cache');
}

/** What the records of `folder` know of these wishes. */
export async function openEarlier(
  folder: string | undefined,
  wishes: ReadonlySet<string>,
  outputs: readonly string[],
): Promise<EarlierOutputs> {
  const found = new Map<string, EarlierTensor[]>();
  if (folder !== undefined && wishes.size > 0) {
    for (const record of await newestFirst(folder, recordName(outputs))) {
      for (const tensor of await readRecord(record, wishes, outputs)) {
        const others = found.get(tensor.wish);
        if (others) others.push(tensor);
        else found.set(tensor.wish, [tensor]);
      }
    }
  }
  return { candidates: wish => found.get(wish) ?? [] };
}

/** False if it cannot be written; an older record of that output is gone then, or knows bytes that are no longer there. */
export async function rememberOutput(folder: string | undefined, record: OutputRecord): Promise<boolean> {
  if (folder === undefined) return false;
  const { files, tensors } = record;
  const name = recordName(files.map(file => file.path));
  const final = path.join(folder, name);
  const temporary = `${final}.${process.pid}`;
  const head = {
    'quantsmith-made': 1,
    files: files.map(file => ({ path: path.resolve(file.path), byteLength: file.byteLength })),
  };
  const lines = tensors.map(({ wish, source, sha256, file, position, byteLength }) => {
    return { wish, source, sha256, file, position, byteLength };
  });
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(temporary, [head, ...lines].map(line => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600 });
    await rename(temporary, final);
    for (const old of (await newestFirst(folder, name)).slice(MAX_RECORDS)) await remove(old);
    return true;
  } catch {
    await remove(temporary).catch(() => undefined);
    return false;
  }
}

/** The same output has the same record. */
function recordName(outputs: readonly string[]): string {
  return `${createHash('sha256')
    .update(path.resolve(outputs[0] ?? ''))
    .digest('hex')
    .slice(0, 32)}.jsonl`;
}

/** All records, `first` before the others. */
async function newestFirst(folder: string, first: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const records = await Promise.all(
    names
      .filter(name => name.endsWith('.jsonl'))
      .map(async name => {
        const file = path.join(folder, name);
        const facts = await stat(file).catch(() => undefined);
        return { file, rank: name === first ? Infinity : facts?.isFile() ? facts.mtimeMs : -Infinity };
      }),
  );
  return records.sort((a, b) => b.rank - a.rank).map(({ file }) => file);
}

async function readRecord(
  record: string,
  wishes: ReadonlySet<string>,
  outputs: readonly string[],
): Promise<readonly EarlierTensor[]> {
  let text: string;
  try {
    const facts = await stat(record);
    if (!facts.isFile() || facts.size > MAX_RECORD_BYTES) return [];
    text = await readFile(record, 'utf8');
  } catch {
    return [];
  }
  const [first = '', ...lines] = text.split('\n');
  const head = object(first);
  if (head?.['quantsmith-made'] !== 1 || !Array.isArray(head['files']) || head['files'].length > MAX_FILES) return [];
  const places = head['files'].map(file => onePlace(object(file), outputs));
  const tensors: EarlierTensor[] = [];
  for (const line of lines) {
    const start = LINE_START.length;
    if (!line.startsWith(LINE_START) || !wishes.has(line.slice(start, start + 64))) continue;
    const fields = object(line) ?? {};
    const { file, position, byteLength } = fields;
    const made = madeTensor(fields);
    if (!made || !isCount(file) || !isCount(position) || !isCount(byteLength)) continue;
    const place = await places[file];
    if (place === undefined || position + byteLength > place.byteLength) continue;
    tensors.push({ ...made, file: place.path, position, byteLength });
  }
  return tensors;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Where the file of a record is now: in its place, or under its name beside the new output. Of another size it is another. */
async function onePlace(
  file: Record<string, unknown> | undefined,
  outputs: readonly string[],
): Promise<{ readonly path: string; readonly byteLength: number } | undefined> {
  const { path: recorded, byteLength } = file ?? {};
  if (typeof recorded !== 'string' || !path.isAbsolute(recorded) || !isCount(byteLength)) return undefined;
  const beside = path.join(path.dirname(path.resolve(outputs[0] ?? '')), path.basename(recorded));
  for (const place of new Set([recorded, beside])) {
    const facts = await stat(place).catch(() => undefined);
    if (facts?.isFile() && facts.size === byteLength) return { path: place, byteLength };
  }
  return undefined;
}
