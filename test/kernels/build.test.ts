// Building the kernels: without a compiler the product goes on with WebAssembly and one line says so; a second build does
// nothing.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildKernels } from '../../scripts/build-kernels.mjs';
import { builds } from './support.js';

let output = '';
beforeEach(() => (output = mkdtempSync(path.join(os.tmpdir(), 'kernels-'))));
afterEach(() => {
  rmSync(output, { recursive: true });
  vi.unstubAllEnvs();
});

describe('buildKernels', () => {
  it('says in one line that there is no compiler, and leaves no stale addon', async () => {
    vi.stubEnv('CXX', path.join(output, 'no-such-compiler'));
    writeFileSync(path.join(output, 'kernels.node'), 'stale');
    const lines: string[] = [];
    const { native } = await buildKernels({ wasm: false, output, log: line => lines.push(line) });
    expect(native?.ok).toBe(false);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^kernels native: no C\+\+ compiler .*: WebAssembly will be used \(/);
    expect(existsSync(path.join(output, 'kernels.node'))).toBe(false);
  });

  it.skipIf(process.platform === 'win32')('says in one line that the compiler failed, after what it was about to do', async () => {
    const compiler = path.join(output, 'broken-c++');
    const script = '#!/bin/sh\n[ "$1" = --version ] && echo "broken 1.0" && exit 0\necho "error: out of order" >&2\nexit 1\n';
    writeFileSync(compiler, script, { mode: 0o755 });
    vi.stubEnv('CXX', compiler);
    const lines: string[] = [];
    const { native } = await buildKernels({ wasm: false, output, log: line => lines.push(line) });
    expect(native?.ok).toBe(false);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^kernels native: compiling \d+ files/);
    expect(lines[1]).toMatch(/^kernels native: broken 1.0 failed, WebAssembly will be used: error: out of order/);
  });

  it.skipIf(!builds.some(({ kind, backend }) => kind === 'native' && backend))('does nothing the second time', async () => {
    const log = (): void => undefined;
    expect((await buildKernels({ wasm: false, output, log })).native?.ok).toBe(true);
    expect((await buildKernels({ wasm: false, output, log })).native).toMatchObject({ ok: true, fresh: true });
  });
});
