import { firstError, placeOf, QuantsmithError } from '../core/problem.js';
import { readTokenizer } from '../core/tokenizer/read-tokenizer.js';
import type { Tokenizer } from '../core/tokenizer/tokenizer.js';
import { isUrl, openModel, type OpenedModel } from '../platform/open-model.js';
import { openToRun } from '../platform/open-session.js';
import type { CliIo } from './io.js';
import { resolveFrom } from './paths.js';
import { problemsText } from './problem-text.js';
import { styleFor } from './style.js';

/** The tokenizer of a model; its warnings are printed. A file that is damaged behind its vocabulary is good enough. */
export async function openTokenizer(file: string, io: CliIo): Promise<Tokenizer> {
  const opened = await openModel(isUrl(file) ? file : resolveFrom(io.cwd, file), { signal: io.signal });
  try {
    return await tokenizerOf(opened, file, io);
  } finally {
    await opened.close();
  }
}

/** The same of a model that is open and stays so. `file` is what it is called in messages. */
export async function tokenizerOf(opened: OpenedModel, file: string, io: CliIo): Promise<Tokenizer> {
  const { value, problems } = opened.model
    ? await readTokenizer(opened.model, io.signal)
    : { value: undefined, problems: [] };
  if (!value) {
    const first = firstError([...opened.problems, ...problems]);
    throw new QuantsmithError(
      first?.code ?? 'gguf/unreadable',
      `${file}: ${first?.message ?? 'the file cannot be read.'}`,
      first?.hint,
      placeOf(first ?? {}),
    );
  }
  const warnings = problems.filter(({ severity }) => severity !== 'info');
  await io.stderr.write(problemsText(warnings, styleFor(io.stderr, io.env)));
  return value;
}

/** A model with its tokenizer, for a session to take over. */
export async function openWithTokenizer(
  file: string,
  io: CliIo,
): Promise<{ readonly opened: OpenedModel; readonly tokenizer: Tokenizer }> {
  const opened = await openToRun(isUrl(file) ? file : resolveFrom(io.cwd, file), io.signal);
  try {
    return { opened, tokenizer: await tokenizerOf(opened, file, io) };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
