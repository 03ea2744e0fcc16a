// The perplexity of a text, window by window (core/stats/perplexity.ts says what is scored).
import { QuantsmithError } from '../../core/problem.js';
import {
  negativeLogLikelihood,
  perplexityWindows,
  PerplexitySum,
  type Perplexity,
  type PerplexityWindow,
} from '../../core/stats/perplexity.js';
import { plural } from '../../core/text/quantity.js';
import type { ModelSession } from '../model-session.js';

export interface PerplexityRequest {
  /** The whole text. */
  readonly tokens: Int32Array;
  /** Tokens of a window; at most what the session holds. */
  readonly context: number;
  /** Takes the place of each window's first token: for models that expect a text to begin with it. */
  readonly bos?: number;
}

export interface PerplexityServices {
  readonly model: ModelSession;
  /** Tokens per step, at most the session's batch. */
  readonly batch: number;
  readonly signal: AbortSignal;
  /** After each window. */
  readonly onWindow?: (done: number, total: number, soFar: Perplexity) => void;
}

export interface TextPerplexity extends Perplexity {
  /** Windows. */
  readonly chunks: number;
}

/** Logits held at once: those of half a window of 512 at a vocabulary of 151,936 would be 155 MB. */
const MAX_LOGITS_BYTES = 64 * 1024 * 1024;

/**
 * Uses the session's sequence 0, which is empty afterwards.
 * @throws QuantsmithError `perplexity/short-text`, `perplexity/not-finite`, and as {@link ExecutorSession.step} does
 */
export async function perplexity(request: PerplexityRequest, services: PerplexityServices): Promise<TextPerplexity> {
  const { tokens, context } = request;
  const windows = perplexityWindows(tokens.length, context);
  if (windows.length < 2) {
    throw new QuantsmithError(
      'perplexity/short-text',
      `The text has ${plural(tokens.length, 'token')}; two windows of ${context} are the least that says something.`,
      'Give a longer text, or a shorter --context.',
    );
  }
  const sum = new PerplexitySum();
  for (const [i, window] of windows.entries()) {
    await scoreWindow(window, request, services, sum);
    services.onWindow?.(i + 1, windows.length, sum.result());
  }
  services.model.session.truncate(0, 0);
  return { ...sum.result(), chunks: windows.length };
}

async function scoreWindow(
  { start, length, firstScored }: PerplexityWindow,
  { tokens: text, bos }: PerplexityRequest,
  { model: { session, vocabulary }, batch, signal }: PerplexityServices,
  sum: PerplexitySum,
): Promise<void> {
  const tokens = text.slice(start, start + length);
  if (bos !== undefined) tokens[0] = bos;
  const rows = Math.max(1, Math.floor(MAX_LOGITS_BYTES / 4 / vocabulary));
  // Logits after a token predict the next one, so the last token need not be evaluated.
  const [firstWanted, end] = [firstScored - 1, length - 1];
  session.truncate(0, 0);
  for (let at = 0; at < end;) {
    const stop = Math.min(at + batch, Math.max(at, firstWanted) + rows, end);
    const wanted = new Uint8Array(stop - at).fill(1, Math.max(0, firstWanted - at));
    const logits = await session.step({ tokens: tokens.slice(at, stop), wanted }, signal);
    for (let row = 0; row * vocabulary < logits.length; row++) {
      const position = Math.max(at, firstWanted) + row;
      const nll = negativeLogLikelihood(
        logits.subarray(row * vocabulary, (row + 1) * vocabulary),
        tokens[position + 1] ?? -1,
      );
      if (!Number.isFinite(nll)) throw notFinite(start + position);
      sum.add(nll);
    }
    at = stop;
  }
}

function notFinite(position: number): QuantsmithError {
  return new QuantsmithError(
    'perplexity/not-finite',
    `What the model predicts after token ${position} of the text are not numbers.`,
    'Its weights hold NaN or infinity: the file is damaged, or it was quantized from one that is.',
  );
}
