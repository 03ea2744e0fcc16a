// `quantsmith generate`: continues a text on stdout, token by token.
import path from 'node:path';
import { QuantsmithError } from '../../core/problem.js';
import { printable } from '../../core/text/printable.js';
import { plural } from '../../core/text/quantity.js';
import { generate } from '../../engine/jobs/generate.js';
import { Sampler } from '../../engine/sampler.js';
import { openSession } from '../../platform/open-session.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { GenerateInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { openTokenizer } from '../open-tokenizer.js';
import { resolveFrom } from '../paths.js';

/** Tokens of the prompt computed at once. */
const BATCH = 256;

export async function generateText(invocation: GenerateInvocation, io: CliIo): Promise<ExitCode> {
  const { model, prompt, count, stop, special, sampling, threads, backend, cacheType, json } = invocation;
  const tokenizer = await openTokenizer(model, io);
  const tokens = tokenizer.encode(prompt, { addSpecial: true, parseSpecial: special });
  const needed = Math.max(1, tokens.length + count);
  const context = invocation.context ?? needed;
  if (context < tokens.length) {
    throw new QuantsmithError(
      'engine/context-full',
      `The prompt has ${plural(tokens.length, 'token')}; the context was set to ${context}.`,
      'Give a larger --context, or a shorter prompt.',
    );
  }
  const opened = await openSession(resolveFrom(io.cwd, model), {
    ...(threads === 0 ? {} : { threads }),
    backend,
    kernels: path.join(io.dist, 'kernels'),
    context,
    batch: Math.min(BATCH, context),
    cacheType,
    signal: io.signal,
  });
  try {
    const show = async (text: string): Promise<void> => {
      await io.stdout.write(io.stdout.isTTY ? printable(text, { lines: true }) : text);
    };
    const result = await generate(
      { prompt: tokens, count: Math.min(count, context - tokens.length), stop },
      {
        model: opened,
        tokenizer,
        sampler: new Sampler(sampling),
        batch: Math.min(BATCH, context),
        signal: io.signal,
        now: () => performance.now() / 1000,
        turn: () => new Promise(resolve => setImmediate(resolve)),
        ...(json ? {} : { onText: show }),
      },
    );
    const { text, ids, reason, promptSeconds, generateSeconds } = result;
    if (json) {
      await io.stdout.write(
        jsonDocument({
          text,
          ids,
          reason,
          promptTokens: tokens.length,
          promptSeconds,
          generatedTokens: ids.length,
          generateSeconds,
          backend: opened.backend,
        }),
      );
    } else {
      await io.stdout.write('\n');
    }
    return EXIT.success;
  } finally {
    await opened.close();
  }
}
