import { expect, test } from 'vitest';
import type { JobProgress } from '../../src/core/quantize/quantization-plan.js';
import { barText, lineText, progressDisplay } from '../../src/cli/progress.js';
import { capturedIo, type CapturedOptions } from './captured-io.js';

const GB = 1e9;

const at = (share: number): JobProgress => ({
  phase: 'quantize',
  done: share * 2 * GB,
  total: 2 * GB,
  bytesPerSecond: 0.3 * GB,
  etaSeconds: ((1 - share) * 2) / 0.3,
  subject: 'blk.7.ffn_up.weight',
});

/** Feeds updates at the given milliseconds and returns what reached stderr. */
function check(options: CapturedOptions & { quiet?: boolean }, times: readonly number[]): string {
  const io = capturedIo(options);
  const display = progressDisplay(io, { quiet: options.quiet ?? false });
  for (const time of times) {
    io.clock.milliseconds = time;
    display.update(at(time / 10000));
  }
  display.end();
  io.clock.milliseconds = 1e6;
  display.update(at(1));
  expect(io.written.stdout).toBe('');
  return io.written.stderr;
}

test('a line names phase, share, bytes, rate, time left and tensor', () => {
  expect(lineText(at(0.42))).toBe('quantize  42.0 %  840 MB of 2.00 GB  300 MB/s  3.9 s left  blk.7.ffn_up.weight');
});

test('a bar has as many cells as was done and never wraps', () => {
  expect(barText(at(0.5), 200)).toMatch(/^\[############------------\] quantize {2}50\.0 %/);
  expect(barText(at(0.5), 40)).toHaveLength(39);
  expect(barText({ phase: 'plan', done: 0, total: 0, bytesPerSecond: 0 }, 80)).toBe('[------------------------] plan');
});

test('without a terminal there is at most a line a second, and none for a short job', () => {
  expect(check({}, [10, 500, 900])).toBe('');
  const lines = check({}, [10, 1000, 1500, 1999, 2000, 5000]).split('\n');
  expect(lines.map(line => line.slice(0, 16))).toEqual([
    'quantize  10.0 %',
    'quantize  20.0 %',
    'quantize  50.0 %',
    '',
  ]);
});

test('on a terminal the bar is redrawn in place and removed at the end', () => {
  const text = check({ terminal: true }, [10, 100, 150, 250]);
  expect(text.match(/\r\[/g)).toHaveLength(2);
  expect(text).not.toContain('\n');
  expect(text.endsWith('\r\u001b[K')).toBe(true);
});

test('a dumb terminal gets lines, --quiet nothing', () => {
  expect(check({ terminal: true, env: { TERM: 'dumb' } }, [1000])).toBe(`${lineText(at(0.1))}\n`);
  expect(check({ terminal: true, quiet: true }, [1000, 2000])).toBe('');
});

test('a tensor name cannot control the terminal', () => {
  expect(lineText({ ...at(0), subject: '\u001b]0;x\u0007' })).not.toContain('\u001b');
});
