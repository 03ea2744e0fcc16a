// The status bar item in every state of the worker.
import { expect, test } from 'vitest';
import type { WorkerState } from '../../../src/extension/services/worker.js';
import { menuHint, statusText } from '../../../src/extension/status/status-texts.js';

const idle: WorkerState = {
  kind: 'idle',
  status: {
    state: 'idle',
    backend: 'native',
    isa: 'avx512',
    notes: ['using native kernels (avx512)', 'not used: wasm'],
  },
};
const show = (state: WorkerState, job?: { title: string; percent: number | undefined }) => {
  const { text, tooltip, isWarning } = statusText(state, job);
  return [text, ...tooltip, ...(isWarning ? ['(warning)'] : [])];
};

test('not started', () => {
  expect(show({ kind: 'stopped' })).toEqual([
    '$(circuit-board) Quantsmith',
    'Ready. The worker starts when it is needed.',
  ]);
});

test('running says which kernels and why', () => {
  expect(show(idle)).toEqual([
    '$(circuit-board) Quantsmith',
    'Ready.',
    'Using native kernels (avx512).',
    'Not used: wasm.',
  ]);
});

test('a job shows its percent', () => {
  expect(show(idle, { title: 'Quantizing a.gguf to Q8_0', percent: 42 }).slice(0, 2)).toEqual([
    '$(sync~spin) Quantsmith 42 %',
    'Quantizing a.gguf to Q8_0: 42 %',
  ]);
  expect(show({ kind: 'starting' }, { title: 'Quantizing', percent: undefined })[0]).toBe('$(sync~spin) Quantsmith');
});

test('stopped says why and what to do', () => {
  const reason = { code: 'worker/gone', message: 'The worker was killed (SIGKILL).', hint: 'Try again.' };
  expect(show({ kind: 'crashed', reason })).toEqual([
    '$(warning) Quantsmith',
    'The worker stopped:',
    'The worker was killed (SIGKILL).',
    'Try again.',
    'It starts again when it is needed. Click to see the log or to restart it now.',
    '(warning)',
  ]);
});

test('the menu says one line of it', () => {
  const reason = { code: 'worker/gone', message: 'The worker was killed (SIGKILL).', hint: 'Try again.' };
  const job = { title: 'Quantizing a.gguf to Q8_0', percent: 42 };
  expect(menuHint(idle, undefined)).toBe('Ready.');
  expect(menuHint({ kind: 'crashed', reason }, undefined)).toBe('The worker was killed (SIGKILL).');
  expect(menuHint(idle, job)).toBe('Quantizing a.gguf to Q8_0: 42 %');
});

test('screen readers get words, not icons', () => {
  for (const state of [idle, { kind: 'starting' }, { kind: 'stopped' }] as const) {
    expect(statusText(state, undefined).label).toMatch(/^Quantsmith: [^$]+$/);
  }
});
