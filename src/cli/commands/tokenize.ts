// `quantsmith tokenize` and `quantsmith detokenize`: a model's tokenizer, from its header alone. What is questionable about
// the vocabulary goes to stderr as warnings; what makes it unusable ends the command.
import { readFile } from 'node:fs/promises';
import { printable } from '../../core/text/printable.js';
import { EXIT, type ExitCode } from '../exit.js';
import { UsageError } from '../failure.js';
import type { DetokenizeInvocation, TokenizeInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { openTokenizer } from '../open-tokenizer.js';
import { resolveFrom } from '../paths.js';

/** Tokens written at a time. */
const PAGE = 8192;

export async function tokenize(invocation: TokenizeInvocation, io: CliIo): Promise<ExitCode> {
  const { text = '', file, special, bos } = invocation;
  const tokenizer = await openTokenizer(invocation.model, io);
  const input = file === undefined ? text : await readFile(resolveFrom(io.cwd, file), { signal: io.signal });
  const ids = tokenizer.encode(input, { parseSpecial: special, addSpecial: bos });
  if (invocation.json) {
    // Each array on one line: a text of 1 MB has 300,000 tokens.
    const pieces = JSON.stringify(tokenizer.pieces(ids));
    await io.stdout.write(`{\n  "ids": [${ids.join(',')}],\n  "pieces": ${pieces}\n}\n`);
    return EXIT.success;
  }
  for (let start = 0; start < ids.length; start += PAGE) {
    const page = ids.subarray(start, start + PAGE);
    const lines = tokenizer.pieces(page).map((piece, i) => `${page[i] ?? ''}\t${printable(piece)}\n`);
    await io.stdout.write(lines.join(''));
  }
  return EXIT.success;
}

export async function detokenize({ model, ids, json }: DetokenizeInvocation, io: CliIo): Promise<ExitCode> {
  const tokenizer = await openTokenizer(model, io);
  const outside = ids.find(id => id >= tokenizer.size);
  if (outside !== undefined) {
    const message = `${model} has no token ${outside}: its tokens are 0 to ${tokenizer.size - 1}.`;
    throw new UsageError('usage/no-such-token', message, 'Check --ids, and that they were made with this model.');
  }
  const text = tokenizer.decode(ids);
  if (json) await io.stdout.write(jsonDocument({ text }));
  else if (io.stdout.isTTY) await io.stdout.write(`${printable(text, { lines: true })}\n`);
  else await io.stdout.write(text);
  return EXIT.success;
}
