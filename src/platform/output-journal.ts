// The journal beside an output under construction: JSON lines. It says who is writing (so that two runs do not write the
// same output), what the bytes depend on, and which tensors are complete (so that a run with `resume` goes on there).
//
//   {"quantsmith":1,"fingerprint":"…","owner":{"pid":123,"host":"…","started":"…"},"partials":[".out.gguf.quantsmith-partial"]}
//   {"tensor":0,"wish":"…","source":"…","sha256":"…"}
//
// The last line of a killed run may be torn; what cannot be read does not count.
import { closeSync, openSync, readFileSync, writeSync, type Stats } from 'node:fs';
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { MadeTensor } from '../engine/jobs/quantize-services.js';
import { madeTensor, object } from './made-tensor.js';

/** A journal of 10,000 tensors is 1 MB; more than this is not one of ours. */
const MAX_JOURNAL_BYTES = 1 << 26;
/** An empty journal may be one whose first line is about to be written: that takes microseconds, on a bad day longer. */
const WRITING_MS = 1000;
/** Pause before looking at an empty journal again. */
const LOOK_AGAIN_MS = 50;
/** Whether a process on another machine still runs cannot be seen; one that writes nothing for so long does not. */
const FOREIGN_IDLE_MS = 3_600_000;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process started, as the system counts; tells a process from a later one with the same number. */
  readonly started: string | undefined;
}

export interface JournalContents {
  readonly fingerprint: string;
  /** File names of the temporary files, in the journal's folder. */
  readonly partials: readonly string[];
  readonly finished: ReadonlyMap<number, MadeTensor>;
}

/** Journals of runs in this very process. */
const active = new Set<string>();

/** Linux: clock ticks from boot to the start of the process; other systems do not say it cheaply. */
function startOf(pid: number | 'self'): string | undefined {
  try {
    // The command in parentheses may contain anything, also blanks; field 22 counts from behind it.
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function isAlive(path: string, owner: Owner, idleMs: number): boolean {
  if (owner.host !== hostname()) return idleMs < FOREIGN_IDLE_MS;
  if (owner.pid === process.pid && owner.started === startOf('self')) return active.has(path);
  return exists(owner.pid) && (owner.started === undefined || owner.started === startOf(owner.pid));
}

function parse(text: string): { readonly owner: Owner; readonly contents: JournalContents } | undefined {
  const [first = '', ...rest] = text.split('\n');
  const head = object(first);
  const owner = head && object(head['owner']);
  if (head?.['quantsmith'] !== 1 || typeof head['fingerprint'] !== 'string' || !owner) return undefined;
  if (typeof owner['pid'] !== 'number' || typeof owner['host'] !== 'string') return undefined;
  const { started } = owner;
  const finished = new Map<number, MadeTensor>();
  for (const line of rest) {
    const fields = object(line) ?? {};
    const { tensor } = fields;
    const made = madeTensor(fields);
    if (typeof tensor === 'number' && made) finished.set(tensor, made);
  }
  const names: unknown[] = Array.isArray(head['partials']) ? head['partials'] : [];
  // What the journal names will be deleted: nothing but temporary files of ours in its own folder may be in it.
  const partials = names.filter(
    name => typeof name === 'string' && /^\.[^/\\]*\.quantsmith-partial$/.test(name),
  ) as string[];
  return {
    owner: { pid: owner['pid'], host: owner['host'], started: typeof started === 'string' ? started : undefined },
    contents: { fingerprint: head['fingerprint'], partials, finished },
  };
}

export type JournalState =
  | { readonly kind: 'none' }
  /** A run that goes on. */
  | { readonly kind: 'in-use' }
  /** What a run that ended left behind; `contents` is undefined if it cannot be read. */
  | { readonly kind: 'left'; readonly contents: JournalContents | undefined };

export async function readJournal(path: string): Promise<JournalState> {
  let facts: Stats;
  let text: string;
  try {
    facts = await stat(path);
    text = facts.isFile() && facts.size <= MAX_JOURNAL_BYTES ? await readFile(path, 'utf8') : '';
  } catch {
    return { kind: 'none' };
  }
  const idleMs = Date.now() - facts.mtimeMs;
  const read = parse(text);
  if (text === '' && facts.size === 0 && Math.abs(idleMs) < WRITING_MS) {
    await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS));
    return readJournal(path);
  }
  if (!read) return { kind: 'left', contents: undefined };
  return isAlive(path, read.owner, idleMs) ? { kind: 'in-use' } : { kind: 'left', contents: read.contents };
}

/** A journal of ours; while it is open, other runs see the output in use. */
export class Journal {
  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  /** Rejects with EEXIST if there is one. */
  static async create(path: string, contents: JournalContents): Promise<Journal> {
    const owner: Owner = { pid: process.pid, host: hostname(), started: startOf('self') };
    const { fingerprint, partials, finished } = contents;
    const lines: unknown[] = [{ quantsmith: 1, fingerprint, owner, partials }];
    for (const [tensor, made] of finished) lines.push({ tensor, ...made });
    // Synchronous: between the two calls there is a journal that does not say whose it is.
    const descriptor = openSync(path, 'wx');
    try {
      writeSync(descriptor, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
    } finally {
      closeSync(descriptor);
    }
    active.add(path);
    try {
      return new Journal(path, await open(path, 'a'));
    } catch (error) {
      active.delete(path);
      throw error;
    }
  }

  async finish(tensor: number, made: MadeTensor): Promise<void> {
    await this.handle.write(`${JSON.stringify({ tensor, ...made })}\n`);
  }

  async close(): Promise<void> {
    await this.handle.close();
    active.delete(this.path);
  }
}
