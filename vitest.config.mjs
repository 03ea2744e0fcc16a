import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // These two run in a real VS Code and in a real browser; scripts/test.mjs starts them.
    exclude: ['test/extension/suite/**', 'test/**/*.browser.test.ts', 'test/e2e/**', 'test/interop/**'],
    // No records in the user's cache folder, and no run that is faster because of another test's output.
    env: { QUANTSMITH_CACHE_DIR: '' },
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // Two workers: tests start processes and threads of their own, and the smallest supported machine has two cores.
    maxWorkers: 2,
  },
});
