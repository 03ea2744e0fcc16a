import { firstError, placeOf, QuantsmithError } from '../core/problem.js';
import { readTokenizer } from '../core/tokenizer/read-tokenizer.js';
import type { Tokenizer } from '../core/tokenizer/tokenizer.js';
import { isUrl, openModel } from '../platform/open-model.js';
import type { CliIo } from './io.js';
import { resolveFrom } from './paths.js';
import { problemsText } from './problem-text.js';
import { styleFor } from './style.js';

/** The tokenizer of a model; its warnings are printed. A file that is damaged behind its vocabulary is good enough. */
export async function openTokenizer(file: string, io: CliIo): Promise<Tokenizer> {
  const opened = await openModel(isUrl(file) ? file : resolveFrom(io.cwd, file), { signal: io.signal });
  try {
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
  } finally {
    await opened.close();
  }
}
