// Power supplies as the kernel shows them, in folders.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { pmsetSays, supplies } from '../../src/platform/power.js';
import { setProcessPriority } from '../../src/platform/process-priority.js';

test.each([
  ['', undefined],
  ['AC: type=Mains online=1; BAT0: type=Battery status=Charging', false],
  ['AC: type=Mains online=0; BAT0: type=Battery status=Discharging', true],
  ['BAT0: type=Battery status=Discharging; BAT1: type=Battery status=Full', true],
  ['BAT0: type=Battery status=Discharging; USB: type=USB online=1', false],
  ['AC: type=Mains online=0; BAT0: type=Battery status=Full', false],
  ['mouse: type=Battery status=Discharging scope=Device', undefined],
  ['AC: type=Mains online=0', undefined],
  ['odd: x=y', undefined],
])('%s: %s', async (world, expected) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-power-'));
  for (const supply of world.split('; ').filter(Boolean)) {
    const [name = '', files = ''] = supply.split(': ');
    mkdirSync(path.join(folder, name));
    for (const file of files.split(' ')) {
      const [key = '', value = ''] = file.split('=');
      writeFileSync(path.join(folder, name, key), `${value}\n`);
    }
  }
  expect(await supplies(folder)).toBe(expected);
  expect(await supplies(path.join(folder, 'none'))).toBeUndefined();
  rmSync(folder, { recursive: true });
});

test('what pmset says', () => {
  expect(pmsetSays("Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t85%; discharging;")).toBe(true);
  expect(pmsetSays("Now drawing from 'AC Power'\n")).toBe(false);
  expect(pmsetSays('')).toBeUndefined();
});

test('a process is lowered, with its threads', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    await new Promise(resolve => child.once('spawn', resolve));
    const pid = child.pid ?? 0;
    const before = getPriority(pid);
    expect(await setProcessPriority(pid, true)).toBe(true);
    expect(getPriority(pid)).toBeGreaterThan(Math.min(before, 9));
  } finally {
    child.kill('SIGKILL');
  }
  expect(await setProcessPriority(2 ** 22 + 1, true)).toBe(false);
});
