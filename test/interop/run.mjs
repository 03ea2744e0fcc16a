// Interoperability: files we write are loaded by llama.cpp and behave as the input does. Q8_0 must continue every prompt with
// the same 32 tokens; Q4_K_M must choose the same next token at most positions of a text, given the text so far.
// Our own engine must continue the prompts with llama.cpp's tokens.
// Results go to the file named in TEST_RESULTS (see scripts/test.mjs).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const root = path.resolve(here, '../..');
const source = path.join(root, 'examples/tinycoder-f16.gguf');
const request = {
  tokens: 32,
  prompts: [
    'def add(a, b):\n    return',
    'import os\nimport sys\n\ndef main():\n',
    'function sum(values) {\n  let total = 0;\n',
  ],
  text: readFileSync(path.join(root, 'examples/complete-me.py'), 'utf8'),
};
/**
 * Share of positions with the same next token as F16. llama.cpp's own quantizer reaches 99.1 % (Q8_0) and 95.4 % (Q4_K_M) on
 * held-out code; on the few hundred tokens here the standard error is about 1 %, and five of them are allowed.
 */
const AGREEMENT = { Q8_0: 0.97, Q4_K_M: 0.9 };

const outcomes = [];
const report = (title, state, reason) => {
  outcomes.push({ file: 'test/interop/run.mjs', title, state, ...(reason ? { reason } : {}) });
  console.log(`${state === 'passed' ? '✔' : state === 'failed' ? '✖' : '-'} ${title}${reason ? `: ${reason}` : ''}`);
};
const finish = () => {
  if (process.env.TEST_RESULTS) writeFileSync(process.env.TEST_RESULTS, JSON.stringify(outcomes, null, 2));
  process.exit(outcomes.some(({ state }) => state === 'failed') ? 1 : 0);
};

if (process.platform !== 'linux' || process.arch !== 'x64') {
  report('llama.cpp loads what we write', 'skipped', 'the prebuilt llama.cpp used here is for linux-x64');
  finish();
}
if (!existsSync(path.join(here, 'node_modules/node-llama-cpp'))) {
  // Not `npm ci`: it wants the GPU builds of all platforms in the lock file although they are omitted.
  console.log('installing llama.cpp (node-llama-cpp, CPU only, 85 MB) …');
  const install = spawnSync(
    'npm',
    ['install', '--no-save', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: here, stdio: 'inherit' },
  );
  if (install.status !== 0) {
    report('llama.cpp loads what we write', 'skipped', 'node-llama-cpp could not be installed from npm');
    finish();
  }
}

const directory = mkdtempSync(path.join(tmpdir(), 'quantsmith-interop-'));
try {
  const requestFile = path.join(directory, 'request.json');
  writeFileSync(requestFile, JSON.stringify(request));
  const peer = model =>
    JSON.parse(
      execFileSync(process.execPath, [path.join(here, 'peer.mjs'), model, requestFile], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
  const expected = peer(source);
  // What our own engine generates, from our own tokens of the prompt.
  request.prompts.forEach((prompt, i) => {
    const title = `the engine: llama.cpp's ${request.tokens} tokens after ${JSON.stringify(prompt)}`;
    const argv = ['generate', source, '--prompt', prompt, '--count', String(request.tokens), '--json'];
    const run = spawnSync(process.execPath, [path.join(root, 'dist/cli.js'), ...argv], { encoding: 'utf8' });
    const want = expected.continuations[i].ids;
    const have = run.status === 0 ? JSON.parse(run.stdout).ids : [];
    const equal = want.length === have.length && want.every((id, k) => id === have[k]);
    report(title, equal ? 'passed' : 'failed', equal ? undefined : `expected ${want}, found ${have} ${run.stderr}`);
  });
  for (const [type, required] of Object.entries(AGREEMENT)) {
    const output = path.join(directory, `tinycoder-${type}.gguf`);
    let found;
    try {
      execFileSync(
        process.execPath,
        [path.join(root, 'dist/cli.js'), 'quantize', source, output, '--type', type, '--quiet'],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      );
      found = peer(output);
      report(`${type}: llama.cpp loads the quantized example model`, 'passed');
    } catch (error) {
      report(`${type}: llama.cpp loads the quantized example model`, 'failed', error.message);
      continue;
    }
    const same = expected.top.filter((token, i) => token === found.top[i]).length / expected.top.length;
    report(
      `${type}: llama.cpp chooses the same next token as from F16`,
      same >= required ? 'passed' : 'failed',
      `${(100 * same).toFixed(1)} % of ${expected.top.length} positions, at least ${100 * required} % expected`,
    );
    if (type !== 'Q8_0') continue;
    request.prompts.forEach((prompt, i) => {
      const [want, have] = [expected.continuations[i], found.continuations[i]];
      const equal = want.ids.length === have.ids.length && want.ids.every((id, k) => id === have.ids[k]);
      const title = `${type}: the same ${request.tokens} tokens after ${JSON.stringify(prompt)}`;
      report(
        title,
        equal ? 'passed' : 'failed',
        equal ? undefined : `expected ${JSON.stringify(want.text)}, found ${JSON.stringify(have.text)}`,
      );
    });
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
finish();
