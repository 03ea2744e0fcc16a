// `npm start` with an installed `code`: a script of that name on the PATH writes down how it was called.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openInDesktopCode } from '../../scripts/desktop-code.mjs';

let folder: string;
let calls: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'quantsmith-code-'));
  calls = path.join(folder, 'calls');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts a `code` on the PATH that writes one line per call, arguments in brackets, and ends with `status` lines. */
async function installCode(body: string): Promise<void> {
  const script = path.join(folder, 'code');
  await writeFile(
    script,
    `#!/bin/sh\nfor a in "$@"; do printf '[%s]' "$a"; done >>'${calls}'\necho >>'${calls}'\n${body}\n`,
  );
  await chmod(script, 0o755);
  vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`);
}

async function open(): Promise<{ opened: boolean; reason?: string; built: number; calls: string }> {
  let built = 0;
  const outcome = await openInDesktopCode({
    folder: '/models of mine',
    extensionPath: '/src/quant smith',
    beforeOpening: () => {
      built++;
      return Promise.resolve();
    },
  });
  return { ...outcome, built, calls: await readFile(calls, 'utf8').catch(() => '') };
}

describe.skipIf(process.platform === 'win32')('openInDesktopCode', () => {
  it('asks `code` for its version, builds, and opens the folder with the extension in a new window', async () => {
    await installCode('exit 0');
    expect(await open()).toEqual({
      opened: true,
      built: 1,
      calls: '[--version]\n[--new-window][--extensionDevelopmentPath=/src/quant smith][/models of mine]\n',
    });
  });

  it('says no, and builds nothing, where there is no `code`', async () => {
    vi.stubEnv('PATH', folder);
    expect(await open()).toEqual({ opened: false, built: 0, calls: '' });
  });

  it('says why, and builds nothing, where `code` refuses to run', async () => {
    await installCode('echo "running as root is not supported" >&2; exit 1');
    expect(await open()).toEqual({
      opened: false,
      reason: 'code --version ended with 1: running as root is not supported',
      built: 0,
      calls: '[--version]\n',
    });
  });

  it('says why where the window does not open', async () => {
    await installCode('test "$1" = --version');
    expect(await open()).toMatchObject({ opened: false, reason: 'code --new-window ended with 1', built: 1 });
  });

  it('says why where `code` dies', async () => {
    await installCode('kill -9 $$');
    expect(await open()).toMatchObject({ opened: false, reason: 'code --version ended with SIGKILL', built: 0 });
  });
});
