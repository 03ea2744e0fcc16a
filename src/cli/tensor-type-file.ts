// `--tensor-type-file`: rules in the form llama-quantize takes them, so that lists made for it can be used as they are:
// `REGEX=TYPE`, separated by blanks or lines. As there a pattern is searched for in the name and written in any case (names
// of tensors are in lower case); unlike there, classes such as \D keep their meaning.
import { open } from 'node:fs/promises';
import { QuantsmithError } from '../core/problem.js';
import type { TensorRule } from '../core/quantize/quantization-plan.js';
import { quote } from '../core/text/printable.js';
import { ioError } from '../platform/file-source.js';
import { UsageError } from './failure.js';
import type { CliIo } from './io.js';
import { resolveFrom } from './paths.js';

/** A rule per tensor of the largest model is 1 MB. */
const MAX_BYTES = 2 ** 22;

export async function readTensorTypes(file: string, io: CliIo): Promise<readonly TensorRule[]> {
  const text = await readText(resolveFrom(io.cwd, file));
  return text
    .split(/\s+/)
    .filter(part => part !== '')
    .map(part => rule(part, file));
}

function rule(part: string, file: string): TensorRule {
  // The first `=`: a type has none, and llama-quantize cuts there.
  const equals = part.indexOf('=');
  const type = part.slice(equals + 1);
  if (equals <= 0 || type === '') {
    throw new UsageError(
      'usage/tensor-type-file',
      `${file}: expected REGEX=TYPE, found ${quote(part)}.`,
      'Separate entries by blanks or lines, for example: attn_v=q6_K blk\\.0\\.ffn_down=q8_0',
    );
  }
  const pattern = part
    .slice(0, equals)
    .replaceAll(/(\\.)|([A-Z])/g, (_, escape?: string, letter = '') => escape ?? String(letter).toLowerCase());
  return { kind: 'regex', pattern, type, label: `${file}: ${part}` };
}

async function readText(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size <= MAX_BYTES) return await handle.readFile('utf8');
      throw new QuantsmithError(
        'usage/tensor-type-file',
        `${file}: expected a short list of types, found ${size} bytes.`,
        'Give a text file with entries such as attn_v=q6_K.',
      );
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof QuantsmithError ? error : ioError(error, file);
  }
}
