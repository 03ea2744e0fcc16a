// Runs test/e2e/*.ui.mjs (node:test and Playwright) on the packaged .vsix, and writes the outcome of every test to the file
// named in TEST_RESULTS.
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { ensureCodeServer } from '../../scripts/code-server.mjs';
import { root } from './workbench.mjs';

ensureCodeServer();
const files = readdirSync(import.meta.dirname)
  .filter(name => name.endsWith('.ui.mjs'))
  .map(name => path.join(import.meta.dirname, name));
const outcomes = [];
const stream = run({ files, concurrency: false, timeout: 300_000 });
const record = state => data => {
  // Suites and files are reported as tests, too; count the leaves.
  if (data.details?.type === 'suite' || path.isAbsolute(data.name)) return;
  const skipped = data.skip !== undefined && data.skip !== false;
  const { error } = data.details ?? {};
  const reason = skipped ? String(data.skip) : (error?.cause?.message ?? error?.message);
  outcomes.push({
    file: path.relative(root, data.file ?? import.meta.dirname),
    title: data.name,
    state: skipped ? 'skipped' : state,
    ...(reason === undefined ? {} : { reason }),
  });
};
stream.on('test:pass', record('passed'));
stream.on('test:fail', record('failed'));
stream.compose(spec).pipe(process.stdout);
stream.on('end', () => {
  if (process.env.TEST_RESULTS) writeFileSync(process.env.TEST_RESULTS, JSON.stringify(outcomes, null, 2));
  process.exitCode = outcomes.length === 0 || outcomes.some(({ state }) => state === 'failed') ? 1 : 0;
});
