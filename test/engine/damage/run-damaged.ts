// A program of its own: opens the damaged models of some seeds and evaluates a few tokens with each. It says which seed it
// is at before it begins, so that its parent knows at which one it died.
//   node run-damaged.js FOLDER KERNELS FIRST COUNT
import { writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { errorData } from '../../../src/core/problem.js';
import { openSession } from '../../../src/platform/open-session.js';
import { damagedModel } from './damage.js';

const [folder = '', kernels = '', first = '0', count = '0'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const file = path.join(folder, 'damaged.gguf');
  const { description, bytes } = damagedModel(seed);
  say(`seed ${seed} (${description})`);
  // A new file for each, as a mapping of the last one may still be there.
  writeFileSync(file, bytes, { flag: 'w' });
  say(await outcome(file, seed));
}

async function outcome(file: string, seed: number): Promise<string> {
  try {
    const opened = await openSession(file, {
      backend: seed % 3 === 2 ? 'wasm' : 'auto',
      kernels,
      threads: 1 + (seed % 2),
      // Some with the context that the file itself asks for.
      ...(seed % 4 === 1 ? {} : { context: 16 }),
      batch: 8,
      cacheType: seed % 2 === 0 ? 'f16' : 'f32',
    });
    try {
      const { session, vocabulary } = opened;
      const last = vocabulary - 1;
      const tokens = Int32Array.of(0, last, Math.min(3, last));
      const logits = [
        ...(await session.step({ tokens, wanted: 'all' })),
        ...(await session.step({ tokens: Int32Array.of(last) })),
      ];
      if (logits.length !== 4 * vocabulary) return `wrong: ${logits.length} logits`;
      return logits.every(Number.isFinite) ? 'ok' : 'ok, not all finite';
    } finally {
      await opened.close();
    }
  } catch (error) {
    const { code, message } = errorData(error);
    // A system's error (no memory, no such file) has a name in capitals; everything else must have ours.
    return /^[a-z]+\/[a-z-]+$/.test(code)
      ? code
      : `wrong: ${code}: ${message} ${error instanceof Error ? error.stack : ''}`;
  }
}
