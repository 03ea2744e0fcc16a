// `npm test`: every check there is, in order of cost; the last line is `N passed, N failed, N skipped`.
// A suite that cannot run here is reported as skipped, never silently left out; with CI=true a skip is a failure.
//   node scripts/test.mjs [suite …]      only these suites (names as in the table below)
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureChromium } from './chromium.mjs';

const root = path.resolve(import.meta.dirname, '..');
const results = path.join(root, 'test-results');
const CI = process.env.CI === 'true';

/** @typedef {{ passed: number, failed: number, skipped: number, notes?: string[] }} Outcome */

/** Runs a Node program; resolves to its exit code. Output goes straight through. */
function node(args, env = {}) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      // No records in the user's cache folder, and no run that is faster because of another test's output.
      env: { ...process.env, QUANTSMITH_CACHE_DIR: '', ...env },
    });
    child.on('error', error => {
      console.error(error.message);
      resolve(1);
    });
    child.on('close', (code, signal) => resolve(signal ? 1 : code));
  });
}

const bin = (name, file) => path.join(root, 'node_modules', name, file);

/** A check that is one command: one passed or one failed. */
const command =
  (...args) =>
  async () =>
    (await node(args)) === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };

/** Vitest with its JSON report. */
const vitest =
  (name, ...args) =>
  async () => {
    const report = path.join(results, `${name}.json`);
    const code = await node([
      bin('vitest', 'vitest.mjs'),
      'run',
      ...args,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ]);
    if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0, notes: ['vitest wrote no report'] };
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const outcome = { passed: 0, failed: 0, skipped: 0, notes: [] };
    for (const file of testResults) {
      const relative = path.relative(root, file.name);
      for (const test of file.assertionResults) {
        if (test.status === 'passed') outcome.passed++;
        else if (test.status === 'failed') outcome.failed++;
        else {
          outcome.skipped++;
          outcome.notes.push(`skipped: ${relative}: ${test.fullName}`);
        }
      }
      // A file that fails to load has no assertions, only a message.
      if (file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed')) {
        outcome.failed++;
        outcome.notes.push(`failed to run: ${relative}`);
      }
    }
    if (code !== 0 && outcome.failed === 0) {
      outcome.failed++;
      outcome.notes.push(`vitest ended with ${code} although no test failed`);
    }
    return outcome;
  };

/** A script that writes `[{ title, state: 'passed' | 'failed' | 'skipped', reason? }]` to the file named in TEST_RESULTS. */
const reporting =
  (name, ...args) =>
  async () => {
    const report = path.join(results, `${name}.json`);
    const code = await node(args, { TEST_RESULTS: report });
    const outcome = { passed: 0, failed: 0, skipped: 0, notes: [] };
    const tests = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : [];
    for (const test of tests) {
      outcome[test.state]++;
      if (test.state !== 'passed')
        outcome.notes.push(`${test.state}: ${test.title}${test.reason ? ` (${test.reason})` : ''}`);
    }
    if (tests.length === 0 || (code !== 0 && outcome.failed === 0)) {
      outcome.failed++;
      outcome.notes.push(`${name} ended with ${code}${tests.length === 0 ? ' and reported no test' : ''}`);
    }
    return outcome;
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
  for (const note of outcome.notes ?? []) lines.push(`    ${note}`);
}
console.log(`\n${lines.join('\n')}`);
if (CI && total.skipped > 0) {
  console.log('\nCI=true: everything must run here, so each skip counts as a failure.');
  total.failed += total.skipped;
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
