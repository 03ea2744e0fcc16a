import { expect, test } from 'vitest';
import { OTHER_PROVIDERS, otherProviders, withoutLanguage } from '../../../src/core/completion/other-providers.js';

test('who else shows ghost text', () => {
  expect(otherProviders(['vscode.git', 'GitHub.copilot', 'Continue.continue']).map(({ name }) => name)).toEqual([
    'GitHub Copilot',
    'Continue',
  ]);
  expect(otherProviders(['github.copilot-chat'])).toEqual([]);
  const ids = OTHER_PROVIDERS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every(id => /^[a-z0-9-]+\.[a-z0-9-]+$/.test(id))).toBe(true);
});

test.each([
  [undefined, { '*': true, python: false }],
  [
    { '*': true, python: true },
    { '*': true, python: false },
  ],
  [
    { go: false, '*': false },
    { go: false, '*': false, python: false },
  ],
  ['yes', { '*': true, python: false }],
  [[1], { '*': true, python: false }],
])('a language turned off in %j', (before, after) => {
  expect(withoutLanguage(before, 'python')).toEqual(after);
});
