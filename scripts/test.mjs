// `npm test`: every check there is, in order of cost; the last line is `N passed, N failed, N skipped`.
// A suite that cannot run here is reported as skipped, never silently left out; with CI=true a skip is a failure.
//   node scripts/test.mjs [suite …]      only these suites (names as in the table below)
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { commandOutcome, reportedOutcome, vitestOutcome } from './test-outcome.mjs';

const root = path.resolve(import.meta.dirname, '..');
const results = path.join(root, 'test-results');
const CI = process.env.CI === 'true';

/** Runs a Node program; resolves to its exit code. Output goes straight through, and is kept, too, where `keep` is set. */
function node(args, { env = {}, keep = false } = {}) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', keep ? 'pipe' : 'inherit', keep ? 'pipe' : 'inherit'],
      // No records in the user's cache folder, and no run that is faster because of another test's output.
      env: { ...process.env, QUANTSMITH_CACHE_DIR: '', ...env },
    });
    let output = '';
    for (const name of keep ? ['stdout', 'stderr'] : []) {
      child[name].setEncoding('utf8').on('data', text => {
        process[name].write(text);
        output += text;
      });
    }
    child.on('error', error => {
      console.error(error.message);
      resolve({ code: 1, output: error.message });
    });
    child.on('close', (code, signal) => resolve({ code: signal ? 1 : code, output }));
  });
}

const bin = (name, file) => path.join(root, 'node_modules', name, file);

const readReport = file => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined);

/** A check that is one command. */
const command =
  (...args) =>
  async () =>
    commandOutcome(await node(args, { keep: true }));

/** Vitest with its JSON report. */
const vitest =
  (name, ...args) =>
  async () => {
    const report = path.join(results, `${name}.json`);
    const { code } = await node([
      bin('vitest', 'vitest.mjs'),
      'run',
      ...args,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ]);
    return vitestOutcome({ report: readReport(report), code, root });
  };

/** A script that writes `[{ file, title, state: 'passed' | 'failed' | 'skipped', reason? }]` to the file named in TEST_RESULTS. */
const reporting =
  (name, ...args) =>
  async () => {
    const report = path.join(results, `${name}.json`);
    const { code } = await node(args, { env: { TEST_RESULTS: report } });
    return reportedOutcome({ tests: readReport(report) ?? [], code, name });
  };

/** Runs `suite` if Chromium is there or can be installed. */
const withChromium = suite => async () => {
  const { path: chromium, reason } = await ensureChromium();
  return chromium ? suite() : { passed: 0, failed: 0, skipped: 1, notes: [`skipped: ${reason}`] };
};

/** name -> what runs it. */
const suites = {
  types: command(bin('typescript', 'bin/tsc'), '-b'),
  lint: command(bin('eslint', 'bin/eslint.js'), '.', '--max-warnings=0'),
  format: command('scripts/format.mjs', '--check'),
  build: command('scripts/build.mjs'),
  unit: vitest('unit'),
  webview: withChromium(vitest('webview', '--config', 'test/webview/vitest.browser.config.ts')),
  package: command('scripts/package.mjs'),
  integration: withChromium(reporting('integration', 'test/e2e/run-integration.mjs')),
  ui: withChromium(reporting('ui', 'test/e2e/run-ui.mjs')),
  interop: reporting('interop', 'test/interop/run.mjs'),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter(name => !(name in suites));
if (unknown.length > 0) {
  console.error(`unknown suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
for (const [name, run] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n== ${name}`);
  const start = performance.now();
  const outcome = await run();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  for (const key of Object.keys(total)) total[key] += outcome[key];
  lines.push(
    `${name.padEnd(12)} ${String(outcome.passed).padStart(5)} passed ${String(outcome.failed).padStart(3)} failed ${String(outcome.skipped).padStart(3)} skipped ${seconds.padStart(7)} s`,
  );
  for (const note of outcome.notes) lines.push(`    ${note}`);
}
console.log(`\n${lines.join('\n')}`);
// A peer is nothing that we build: where CI could not get it (LLAMA_CPP_BIN=none), what needs it may be missing.
const excused =
  process.env.LLAMA_CPP_BIN === 'none' ? lines.filter(line => line.includes('(LLAMA_CPP_BIN)')).length : 0;
if (CI && total.skipped > excused) {
  console.log('\nCI=true: everything must run here, so each skip counts as a failure.');
  total.failed += total.skipped - excused;
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
