// `quantsmith perplexity`: how surprised a model is by a text, as llama-perplexity measures it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { formatInteger } from '../../core/text/quantity.js';
import type { Perplexity } from '../../core/stats/perplexity.js';
import { perplexity } from '../../engine/jobs/perplexity.js';
import { openSession, PROMPT_BATCH } from '../../platform/open-session.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { PerplexityInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { openWithTokenizer } from '../open-tokenizer.js';
import { resolveFrom } from '../paths.js';

const LINE_BREAK = 10;
/** Between two lines of progress. */
const LINE_MILLISECONDS = 1000;

export async function textPerplexity(invocation: PerplexityInvocation, io: CliIo): Promise<ExitCode> {
  const { context, threads, backend, cacheType, quiet, json } = invocation;
  const text = await readFile(resolveFrom(io.cwd, invocation.file), { signal: io.signal });
  const { opened: header, tokenizer } = await openWithTokenizer(invocation.model, io);
  // llama-perplexity drops one line break at the end of a file.
  const end = text.at(-1) === LINE_BREAK ? text.length - 1 : text.length;
  const tokens = tokenizer.encode(text.subarray(0, end), { addSpecial: true });
  const batch = Math.min(PROMPT_BATCH, context);
  const opened = await openSession(header, {
    ...(threads === 0 ? {} : { threads }),
    backend,
    kernels: path.join(io.dist, 'kernels'),
    context,
    batch,
    cacheType,
    signal: io.signal,
  });
  try {
    let next = io.now() + LINE_MILLISECONDS;
    const showProgress = (done: number, total: number, soFar: Perplexity): void => {
      if (quiet || io.now() < next) return;
      next = io.now() + LINE_MILLISECONDS;
      void io.stderr.write(`perplexity  ${done} of ${total} windows  ${soFar.perplexity.toFixed(4)}\n`);
    };
    const request = { tokens, context, ...(tokenizer.addBos ? { bos: tokenizer.roles.bos } : {}) };
    const services = { model: opened, batch, signal: io.signal, onWindow: showProgress };
    const result = await perplexity(request, services);
    await io.stdout.write(json ? jsonDocument({ ...result, context, backend: opened.backend }) : resultText(result));
    return EXIT.success;
  } catch (error) {
    throw await opened.blame(error);
  } finally {
    await opened.close();
  }
}

function resultText({ perplexity: value, standardError, tokens, chunks }: Perplexity & { chunks: number }): string {
  const measured = `${formatInteger(tokens)} tokens in ${formatInteger(chunks)} windows`;
  return `perplexity ${value.toFixed(4)} +/- ${standardError.toFixed(4)} (${measured})\n`;
}
