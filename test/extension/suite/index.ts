// The integration suite: runs inside the extension host of a real VS Code (desktop or code-server) and drives the extension
// as the editor does. Results are printed with the prefix in TEST_PREFIX, because the host's console carries the editor's own
// lines too, and written to the file in TEST_RESULTS at the very end: only that file proves that the host survived.
import { writeFileSync } from 'node:fs';
import { format } from 'node:util';
import { Mocha, reporters } from './mocha.js';

/** One result, as the launcher counts it. */
interface TestResult {
  readonly file: string;
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly reason?: string;
}

/** Spelled out, because the suite is bundled. */
const FILES = {
  activation: () => import('./activation.test.js'),
  chat: () => import('./chat.test.js'),
  completions: () => import('./completions.test.js'),
  inspector: () => import('./inspector.test.js'),
  quantize: () => import('./quantize.test.js'),
  recipes: () => import('./recipes.test.js'),
  servers: () => import('./servers.test.js'),
  tasks: () => import('./tasks.test.js'),
};

/** The editor is real and the machine may be busy: what takes a second may take twenty. */
const TIMEOUT_MS = 60_000;

export async function run(): Promise<void> {
  const prefix = process.env['TEST_PREFIX'] ?? '';
  // The console of the extension host is read-only; mocha has its own door.
  reporters.Base.consoleLog = (...args: unknown[]) => {
    console.log(prefix + format(...args).replaceAll('\n', `\n${prefix}`));
  };
  const only = process.env['TEST_GREP'];
  const mocha = new Mocha({
    ui: 'tdd',
    color: false,
    timeout: TIMEOUT_MS,
    forbidOnly: true,
    ...(only ? { grep: only } : {}),
  });
  for (const [name, load] of Object.entries(FILES)) {
    mocha.suite.emit('pre-require', globalThis, `test/extension/suite/${name}.test.ts`, mocha);
    await load();
  }

  const results: TestResult[] = [];
  const failures = await new Promise<number>(resolve => {
    const runner = mocha.run(resolve);
    runner.on('test end', test => {
      const state = test.state === 'passed' || test.state === 'failed' ? test.state : 'skipped';
      const reason = test.err === undefined ? {} : { reason: test.err.message };
      results.push({ file: test.file ?? '', title: test.fullTitle(), state, ...reason });
    });
  });
  const file = process.env['TEST_RESULTS'];
  if (file !== undefined) writeFileSync(file, JSON.stringify(results, undefined, 1));
  if (failures > 0) throw new Error(`${failures} of ${results.length} tests failed`);
}
