// What sessions of every executor have in common: a step is checked where its error can name what is wrong, one runs at a
// time, and an ended session is not used. Absent on purpose: how a step is computed.
import { QuantsmithError } from '../../core/problem.js';
import { executorError, type ExecutorSession, type StepRequest } from '../executor.js';
import type { Program } from '../graph/program-builder.js';

/** A step that may be asked for. */
export interface CheckedStep {
  readonly tokens: Int32Array;
  readonly sequences: Int32Array | undefined;
  /** One flag per token; undefined: no logits are wanted. */
  readonly wanted: Uint8Array | undefined;
  /** Floats of the logits that are wanted. */
  readonly floats: number;
}

export abstract class CheckedSession implements ExecutorSession {
  protected readonly program: Program;
  #running: Promise<Float32Array> | undefined;
  #isEnded = false;

  constructor(program: Program) {
    this.program = program;
  }

  /** Computes a step; rejects with an error that has the executor's code, and then nothing was appended. */
  protected abstract compute(step: CheckedStep, signal: AbortSignal | undefined): Promise<Float32Array>;
  protected abstract lengthOf(sequence: number): number;
  protected abstract truncateSequence(sequence: number, length: number): void;
  protected abstract copySequence(from: number, to: number, length: number): void;
  protected abstract close(): void | Promise<void>;

  length(sequence = 0): number {
    this.#refuseBusy();
    this.#checkSequence(sequence, 0);
    return this.lengthOf(sequence);
  }

  async step(request: StepRequest, signal?: AbortSignal): Promise<Float32Array> {
    this.#refuseBusy();
    signal?.throwIfAborted();
    this.#running = this.compute(this.#checked(request), signal);
    try {
      return await this.#running;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'engine/cancelled') signal?.throwIfAborted();
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  truncate(sequence: number, length: number): void {
    this.#refuseBusy();
    this.#checkSequence(sequence, length);
    this.truncateSequence(sequence, length);
  }

  copy(from: number, to: number, length: number): void {
    this.#refuseBusy();
    this.#checkSequence(from, length);
    this.#checkSequence(to, 0);
    this.copySequence(from, to, length);
  }

  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#running?.catch(() => undefined);
    await this.close();
  }

  #refuseBusy(): void {
    if (this.#isEnded) throw new QuantsmithError('engine/session-ended', 'The session was ended.');
    if (this.#running) {
      throw new QuantsmithError('engine/busy', 'The session is at a step.', 'Wait for it, or use another session.');
    }
  }

  #checkSequence(sequence: number, length: number): void {
    const { sequences } = this.program.limits;
    if (!Number.isInteger(sequence) || sequence < 0 || sequence >= sequences) {
      throw badSequence(`There is no sequence ${sequence}; the session has ${sequences}, numbered from 0.`);
    }
    const held = this.lengthOf(sequence);
    if (!Number.isInteger(length) || length < 0 || length > held) {
      throw badSequence(`Sequence ${sequence} holds ${held} tokens; ${length} of them were asked for.`);
    }
  }

  #checked({ tokens, sequences, wanted = 'last' }: StepRequest): CheckedStep {
    const { vocabulary, limits } = this.program;
    const { length } = tokens;
    if (length === 0 || length > limits.batch) {
      throw badStep(`A step has 1 to ${limits.batch} tokens; this one has ${length}.`);
    }
    if (sequences && sequences.length !== length) {
      throw badStep(`A step of ${length} tokens has ${sequences.length} numbers of sequences.`);
    }
    if (wanted instanceof Uint8Array && wanted.length !== length) {
      throw badStep(`A step of ${length} tokens says of ${wanted.length} whether logits are wanted.`);
    }
    const lengths = new Map<number, number>();
    tokens.forEach((id, i) => {
      const sequence = sequences?.[i] ?? 0;
      const held = lengths.get(sequence) ?? this.length(sequence);
      if (id < 0 || id >= vocabulary) {
        throw new QuantsmithError(
          'engine/bad-token',
          `Token ${held} is ${id}; expected an id from 0 to ${vocabulary - 1}.`,
          'The ids belong to another vocabulary: tokenize the text with this model.',
        );
      }
      lengths.set(sequence, held + 1);
    });
    const longest = Math.max(...lengths.values());
    if (longest > limits.context) {
      throw contextFull(`The text is longer than the context of ${limits.context} tokens: it would have ${longest}.`);
    }
    const flags = flagsOf(tokens, sequences, wanted);
    const outputs = flags?.reduce((sum, flag) => sum + (flag === 0 ? 0 : 1), 0) ?? 0;
    return { tokens, sequences, wanted: flags, floats: outputs * vocabulary };
  }

  /** An error of the executor with this code; `where` is a weight for bad-weight. */
  protected failure(code: string, where = 0): QuantsmithError {
    const { cells, sequences } = this.program.limits;
    if (code !== 'engine/context-full') return executorError(code, this.program, where);
    return contextFull(`The ${cells} positions that ${sequences} sequences have together are taken.`);
  }
}

function flagsOf(
  tokens: Int32Array,
  sequences: Int32Array | undefined,
  wanted: NonNullable<StepRequest['wanted']>,
): Uint8Array | undefined {
  if (wanted instanceof Uint8Array) return wanted;
  if (wanted === 'none') return undefined;
  const flags = new Uint8Array(tokens.length);
  if (wanted === 'all') return flags.fill(1);
  const last = new Map<number, number>();
  tokens.forEach((_, i) => last.set(sequences?.[i] ?? 0, i));
  for (const i of last.values()) flags[i] = 1;
  return flags;
}

const badStep = (message: string): QuantsmithError => new QuantsmithError('engine/bad-step', message);
const badSequence = (message: string): QuantsmithError => new QuantsmithError('engine/bad-sequence', message);

function contextFull(message: string): QuantsmithError {
  return new QuantsmithError(
    'engine/context-full',
    `${message} Nothing is dropped to make room.`,
    'Shorten the text, or give the session a longer context.',
  );
}
