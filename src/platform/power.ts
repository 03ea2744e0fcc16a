// Whether the machine runs on its battery, where the platform tells at little cost: Linux by files of the kernel, macOS by `pmset`.
// On Windows only a program that takes a second to start would tell; there the answer is that it is not known.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const LINUX_SUPPLIES = '/sys/class/power_supply';
const PMSET_MS = 5000;

/** Undefined where it is not known, or there is no battery. */
export async function isOnBattery(platform: NodeJS.Platform = process.platform): Promise<boolean | undefined> {
  if (platform === 'linux') return supplies(LINUX_SUPPLIES);
  if (platform !== 'darwin') return undefined;
  return new Promise(resolve => {
    execFile('/usr/bin/pmset', ['-g', 'batt'], { timeout: PMSET_MS }, (error, output) => {
      resolve(error ? undefined : pmsetSays(output));
    });
  });
}

/** @param folder as /sys/class/power_supply: a folder for each supply, with files `type`, `online`, `status` */
export async function supplies(folder: string): Promise<boolean | undefined> {
  const names = await readdir(folder).catch(() => []);
  const read = (name: string, file: string): Promise<string> =>
    readFile(path.join(folder, name, file), 'utf8').then(
      text => text.trim(),
      () => '',
    );
  let hasBattery = false;
  let isDischarging = false;
  for (const name of names) {
    const type = await read(name, 'type');
    // Mains and USB say whether they are plugged in; a mouse has a battery, too, of scope `Device`.
    if (type !== 'Battery' && (await read(name, 'online')) === '1') return false;
    if (type !== 'Battery' || (await read(name, 'scope')) === 'Device') continue;
    hasBattery = true;
    isDischarging ||= (await read(name, 'status')) === 'Discharging';
  }
  return hasBattery ? isDischarging : undefined;
}

/** Of `Now drawing from 'Battery Power'`. */
export function pmsetSays(output: string): boolean | undefined {
  const [, source] = /drawing from .(\w+) Power/.exec(output) ?? [];
  return source === undefined ? undefined : source === 'Battery';
}
