// The summary of `npm test`: every test that did not pass is named, whatever ran it.
import { describe, expect, it } from 'vitest';
import { commandOutcome, reportedOutcome, vitestOutcome } from '../../scripts/test-outcome.mjs';

const passed = { status: 'passed', fullName: 'adds', failureMessages: [] };

describe('vitestOutcome', () => {
  const outcome = (testResults: object[], code: number) =>
    vitestOutcome({ report: { testResults }, code, root: '/repo' });

  it('names failed and skipped tests by file and full name, with the first line of the failure', () => {
    const assertionResults = [
      passed,
      {
        status: 'failed',
        fullName: 'size inspect of 60 GB',
        failureMessages: ['\u001B[31mAssertionError: expected 0.65 to be less than 0.5\u001B[39m\n    at x.ts:1:1'],
      },
      { status: 'skipped', fullName: 'needs ../shared', failureMessages: [] },
      { status: 'todo', fullName: 'later', failureMessages: [] },
    ];
    expect(outcome([{ name: '/repo/test/cli/a.test.ts', status: 'failed', message: '', assertionResults }], 1)).toEqual(
      {
        passed: 1,
        failed: 1,
        skipped: 2,
        notes: [
          'failed: test/cli/a.test.ts: size inspect of 60 GB (AssertionError: expected 0.65 to be less than 0.5)',
          'skipped: test/cli/a.test.ts: needs ../shared',
          'skipped: test/cli/a.test.ts: later',
        ],
      },
    );
  });

  it('names a file that does not load', () => {
    const file = { name: '/repo/test/b.test.ts', status: 'failed', message: 'no such module', assertionResults: [] };
    expect(outcome([file], 1)).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
      notes: ['failed: test/b.test.ts (no such module)'],
    });
  });

  it('fails where vitest fails without a failed test, or writes no report', () => {
    const file = { name: '/repo/test/b.test.ts', status: 'passed', message: '', assertionResults: [passed] };
    expect(outcome([file], 0)).toEqual({ passed: 1, failed: 0, skipped: 0, notes: [] });
    expect(outcome([file], 1)).toMatchObject({
      failed: 1,
      notes: ['failed: vitest ended with 1 although no test failed'],
    });
    expect(vitestOutcome({ code: 1, root: '/repo' })).toMatchObject({
      failed: 1,
      notes: [expect.stringContaining('wrote no report')],
    });
  });

  it('cuts a long reason', () => {
    const failed = { status: 'failed', fullName: 'x', failureMessages: ['e'.repeat(1000)] };
    const [note] = outcome([{ name: '/repo/a', status: 'failed', message: '', assertionResults: [failed] }], 1).notes;
    expect(note).toBe(`failed: a: x (${'e'.repeat(160)}…)`);
  });
});

describe('commandOutcome', () => {
  it('is one passed, or one failed with the end of what the command said', () => {
    expect(commandOutcome({ code: 0, output: 'fine' })).toEqual({ passed: 1, failed: 0, skipped: 0, notes: [] });
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    expect(commandOutcome({ code: 2, output: `${lines.join('\n')}\n\n` })).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
      notes: ['failed: exit code 2', ...lines.slice(-10).map(line => `  ${line}`)],
    });
  });
});

describe('reportedOutcome', () => {
  const file = 'test/e2e/a.ui.mjs';

  it('names failed and skipped tests with their reasons', () => {
    const tests = [
      { file, title: 'opens', state: 'passed' },
      { file, title: 'runs', state: 'failed', reason: 'timed out\nat …' },
      { file, title: 'draws', state: 'skipped', reason: 'no display' },
    ];
    expect(reportedOutcome({ tests, code: 1, name: 'ui' })).toEqual({
      passed: 1,
      failed: 1,
      skipped: 1,
      notes: [`failed: ${file}: runs (timed out)`, `skipped: ${file}: draws (no display)`],
    });
  });

  it('fails where nothing was reported, or the script fails without a failed test', () => {
    expect(reportedOutcome({ tests: [], code: 0, name: 'ui' })).toMatchObject({
      failed: 1,
      notes: ['failed: ui ended with 0 and reported no test'],
    });
    const tests = [{ file, title: 'opens', state: 'passed' }];
    expect(reportedOutcome({ tests, code: 5, name: 'ui' })).toMatchObject({
      failed: 1,
      notes: ['failed: ui ended with 5'],
    });
  });
});
