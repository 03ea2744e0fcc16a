// The journal beside an output under construction: JSON lines. It says who is writing (so that two runs do not write the
// same output), what the bytes depend on, and which tensors are complete (so that a run with `resume` goes on there).
//
//   {"quantsmith":1,"fingerprint":"…","owner":{"pid":123,"host":"…","started":"…","run":"…"},"partials":[".out.gguf.quantsmith-partial"]}
//   {"tensor":0,"wish":"…","source":"…","sha256":"…"}
//
// The last line of a killed run may be torn; what cannot be read does not count.
//
// Whoever has the journal owns the output; nothing else is touched before. A free name is taken by creating it, which
// succeeds for one run. The journal of a run that ended is never deleted by the next, which would delete that of a third run
// which was faster: it is replaced, by renaming onto it a complete journal with a name that follows from what is replaced,
//   .out.gguf.quantsmith-journal-1f0c83d2
// and that one, too, only one run can create. Its owner looks once more whether the old journal is still there: from then
// on nobody else can replace it. A run killed between those two steps leaves its claim, which is taken over the same way.
import { createHash, randomUUID } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import type { MadeTensor } from '../engine/jobs/quantize-services.js';
import { madeTensor, object } from './made-tensor.js';
import { errno, identityOf, remove, removeOurs, type OutputSystem } from './output-system.js';
/** A journal of 10,000 tensors is 1 MB; more than this is not one of ours. */
const MAX_JOURNAL_BYTES = 1 << 26;
/** An empty journal may be one whose first line is about to be written: that takes microseconds, on a bad day longer. */
const WRITING_MS = 1000;
/** Pause before looking at an empty journal again. */
const LOOK_AGAIN_MS = 50;
/** Whether a process on another machine still runs cannot be seen; one that writes nothing for so long does not. */
const FOREIGN_IDLE_MS = 3_600_000;
/** How often a journal may come or go while it is being taken; a name that cannot be read and is not free ends it, too. */
const MAX_TRIES = 20;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process started, as the system counts; tells a process from a later one with the same number. */
  readonly started: string | undefined;
  /** Tells the runs of one process apart; no two runs have the same. */
  readonly run: string | undefined;
}

export interface JournalContents {
  readonly fingerprint: string;
  /** File names of the temporary files, in the journal's folder. */
  readonly partials: readonly string[];
  readonly finished: ReadonlyMap<number, MadeTensor>;
}

/** Runs of this very process that have a journal, or are taking one. */
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

function isAlive(owner: Owner, idleMs: number): boolean {
  if (owner.host !== hostname()) return idleMs < FOREIGN_IDLE_MS;
  if (owner.pid === process.pid && owner.started === startOf('self'))
    return owner.run !== undefined && active.has(owner.run);
  return exists(owner.pid) && (owner.started === undefined || owner.started === startOf(owner.pid));
}

function parse(text: string): { readonly owner: Owner; readonly contents: JournalContents } | undefined {
  const [first = '', ...rest] = text.split('\n');
  const head = object(first);
  const owner = head && object(head['owner']);
  if (head?.['quantsmith'] !== 1 || typeof head['fingerprint'] !== 'string' || !owner) return undefined;
  if (typeof owner['pid'] !== 'number' || typeof owner['host'] !== 'string') return undefined;
  const { started, run } = owner;
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
    owner: {
      pid: owner['pid'],
      host: owner['host'],
      started: typeof started === 'string' ? started : undefined,
      run: typeof run === 'string' ? run : undefined,
    },
    contents: { fingerprint: head['fingerprint'], partials, finished },
  };
}

export type JournalState =
  | { readonly kind: 'none' }
  /** A run that goes on. */
  | { readonly kind: 'in-use' }
  /** What a run that ended left behind. */
  | {
      readonly kind: 'left';
      /** No other journal has, or will have, the same. */
      readonly id: string;
      /** Undefined if it cannot be read. */
      readonly contents: JournalContents | undefined;
    };

export async function readJournal(file: string): Promise<JournalState> {
  for (;;) {
    const found = await lookAt(file);
    if (!found) return { kind: 'none' };
    const { text, isFile, idleMs, identity } = found;
    const read = parse(text);
    // Its owner created it and is about to write the first line.
    if (!read && isFile && !text.includes('\n') && isBeginning(text) && Math.abs(idleMs) < WRITING_MS) {
      await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS));
      continue;
    }
    if (read && isAlive(read.owner, idleMs)) return { kind: 'in-use' };
    const id = createHash('sha256').update(`${identity} ${text}`).digest('hex');
    return { kind: 'left', id, contents: read?.contents };
  }
}

const START = '{"quantsmith":1,';

function isBeginning(text: string): boolean {
  return text.startsWith(START) || START.startsWith(text);
}

/** All of one moment: of one open file, whatever is put under its name meanwhile. */
async function lookAt(
  file: string,
): Promise<
  { readonly text: string; readonly isFile: boolean; readonly idleMs: number; readonly identity: string } | undefined
> {
  let handle: FileHandle | undefined;
  try {
    // A pipe would be waited for. Windows has no such flag, and no such pipes.
    handle = await open(file, constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK));
    const facts = await handle.stat({ bigint: true });
    const isFile = facts.isFile();
    const text = isFile && facts.size <= MAX_JOURNAL_BYTES ? await handle.readFile('utf8') : '';
    const identity = `${identityOf(facts)} ${String(facts.mtimeNs)}`;
    return { text, isFile, idleMs: Date.now() - Number(facts.mtimeMs), identity };
  } catch {
    return undefined;
  } finally {
    await handle?.close();
  }
}

/** A journal of ours; while it is open, other runs see the output in use. */
export class Journal {
  private constructor(
    readonly file: string,
    private readonly handle: FileHandle,
    private readonly identity: string,
    private readonly run: string,
    /** What it began with. */
    readonly contents: JournalContents,
    /** What the journal held that was there before. */
    readonly replaced: JournalContents | undefined,
  ) {}

  /**
   * Takes the journal of an output; undefined if another run has it. `contentsAfter` makes what it begins with, of what a
   * run that ended left there; it may be asked again. Rejects with the system's error.
   */
  static async take(
    file: string,
    contentsAfter: (left: JournalContents | undefined) => Promise<JournalContents>,
    system: OutputSystem,
  ): Promise<Journal | undefined> {
    const run = randomUUID();
    const owner: Owner = { pid: process.pid, host: hostname(), started: startOf('self'), run };
    let replaced: JournalContents | undefined;
    let contents: JournalContents | undefined;
    let handle: FileHandle | undefined;
    active.add(run);
    try {
      const textAfter = async (left: JournalContents | undefined): Promise<string> => {
        replaced = left;
        contents = await contentsAfter(left);
        return textOf(owner, contents);
      };
      const identity = await takeName(file, file, textAfter, system);
      if (identity !== undefined && contents) {
        handle = await open(file, 'a');
        // Another one if the machine stood still between creating and writing ours for so long that it counted as left.
        if (identityOf(await handle.stat({ bigint: true })) === identity) {
          await removeDeadClaims(file);
          return new Journal(file, handle, identity, run, contents, replaced);
        }
      }
    } catch (error) {
      await handle?.close();
      active.delete(run);
      throw error;
    }
    await handle?.close();
    active.delete(run);
    return undefined;
  }

  async finish(tensor: number, made: MadeTensor): Promise<void> {
    await this.handle.write(`${JSON.stringify({ tensor, ...made })}\n`);
  }

  /** Leaves it to the next run, or deletes it: the last thing to be done with an output. */
  async close({ keep }: { readonly keep: boolean }): Promise<void> {
    await this.handle.close();
    // In use until it is gone: another run would replace it, and lose the journal it put there.
    if (!keep) await removeOurs(this.file, this.identity);
    active.delete(this.run);
  }
}

function textOf(owner: Owner, { fingerprint, partials, finished }: JournalContents): string {
  const lines: unknown[] = [{ quantsmith: 1, fingerprint, owner, partials }];
  for (const [tensor, made] of finished) lines.push({ tensor, ...made });
  return lines.map(line => `${JSON.stringify(line)}\n`).join('');
}

/** Puts a journal of ours under `name`: that of the output, or that of a claim. Undefined if another run is there. */
async function takeName(
  name: string,
  journal: string,
  textAfter: (left: JournalContents | undefined) => Promise<string>,
  system: OutputSystem,
): Promise<string | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const found = await readJournal(name);
    if (found.kind === 'in-use') return undefined;
    if (found.kind === 'none') {
      const text = await textAfter(undefined);
      try {
        return await system.create(name, text);
      } catch (error) {
        if (errno(error) !== 'EEXIST') throw error;
      }
      continue;
    }
    const text = await textAfter(found.contents);
    const claim = `${journal}-${found.id.slice(0, 8)}`;
    const identity = await takeName(claim, journal, () => Promise.resolve(text), system);
    if (identity === undefined) return undefined;
    try {
      const now = await readJournal(name);
      if (now.kind === 'left' && now.id === found.id) {
        await system.rename(claim, name);
        return identity;
      }
    } catch (error) {
      await removeOurs(claim, identity);
      throw error;
    }
    await removeOurs(claim, identity);
  }
  return undefined;
}

/** Claims of runs that were killed when another one had taken the journal already. */
async function removeDeadClaims(journal: string): Promise<void> {
  const folder = path.dirname(journal);
  const start = `${path.basename(journal)}-`;
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names.filter(
    other => other.startsWith(start) && /^[0-9a-f]{8}$/.test(other.slice(start.length)),
  )) {
    const claim = path.join(folder, name);
    if ((await readJournal(claim)).kind === 'left') await remove(claim);
  }
}
