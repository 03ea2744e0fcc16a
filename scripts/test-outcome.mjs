// How the suites of `npm test` ended: counts, and one note per test that did not pass, so that the summary at the end of a long
// log says what failed. Pure functions of the reports the test runners write.
import path from 'node:path';

/** @typedef {{ passed: number, failed: number, skipped: number, notes: string[] }} Outcome */

/** The start of a failure is what tells it from others; the rest stands where the test ran. */
const MAX_REASON = 160;
/** The end of a tool's output has its findings or its count of them. */
const MAX_TAIL_LINES = 10;

/** @returns {Outcome} */
const empty = () => ({ passed: 0, failed: 0, skipped: 0, notes: [] });

// eslint-disable-next-line no-control-regex -- the colours of test runners begin with a control character
const plain = text => text.replaceAll(/\u001B\[[\d;]*m/g, '');

/** @param {string | undefined} message */
function firstLine(message) {
  const line =
    plain(message ?? '')
      .split('\n')
      .find(text => text.trim() !== '')
      ?.trim() ?? '';
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}…` : line;
}

const because = reason => (reason ? ` (${reason})` : '');

/**
 * A check that is one command: one passed or one failed, and then the end of what it said.
 * @param {{ code: number, output: string }} ended
 * @returns {Outcome}
 */
export function commandOutcome({ code, output }) {
  if (code === 0) return { ...empty(), passed: 1 };
  const lines = plain(output)
    .split('\n')
    .filter(line => line.trim() !== '');
  return {
    ...empty(),
    failed: 1,
    notes: [`failed: exit code ${code}`, ...lines.slice(-MAX_TAIL_LINES).map(line => `  ${line}`)],
  };
}

/**
 * From Vitest's JSON report.
 * @param {{ report?: object, code: number, root: string }} ended no `report` when none was written
 * @returns {Outcome}
 */
export function vitestOutcome({ report, code, root }) {
  if (!report) return { ...empty(), failed: 1, notes: [`failed: vitest ended with ${code} and wrote no report`] };
  const outcome = empty();
  for (const file of report.testResults) {
    const relative = path.relative(root, file.name);
    for (const test of file.assertionResults) {
      const state = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
      outcome[state]++;
      if (state === 'passed') continue;
      const reason = state === 'failed' ? because(firstLine(test.failureMessages?.[0])) : '';
      outcome.notes.push(`${state}: ${relative}: ${test.fullName}${reason}`);
    }
    // A file that fails to load, or whose hooks fail, has no failed test, only a message.
    if (file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed')) {
      outcome.failed++;
      outcome.notes.push(`failed: ${relative}${because(firstLine(file.message))}`);
    }
  }
  if (code !== 0 && outcome.failed === 0) {
    outcome.failed++;
    outcome.notes.push(`failed: vitest ended with ${code} although no test failed`);
  }
  return outcome;
}

/**
 * From the list of tests a script of ours reports.
 * @param {{ tests: { file: string, title: string, state: 'passed' | 'failed' | 'skipped', reason?: string }[], code: number, name: string }} ended
 * @returns {Outcome}
 */
export function reportedOutcome({ tests, code, name }) {
  const outcome = empty();
  for (const { file, title, state, reason } of tests) {
    outcome[state]++;
    if (state !== 'passed') outcome.notes.push(`${state}: ${file}: ${title}${because(firstLine(reason))}`);
  }
  if (tests.length === 0 || (code !== 0 && outcome.failed === 0)) {
    outcome.failed++;
    outcome.notes.push(`failed: ${name} ended with ${code}${tests.length === 0 ? ' and reported no test' : ''}`);
  }
  return outcome;
}
