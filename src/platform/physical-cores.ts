// How many threads compute at full speed: one per physical core this process may use. Two threads of one core share its
// vector units, which the kernels keep busy.
import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const CPU_FOLDER = '/sys/devices/system/cpu';

/** At least 1. Where the system does not tell cores from threads, every x64 core is taken to have two. */
export function physicalCores(): number {
  // Respects affinity masks and the quota of a container.
  const available = availableParallelism();
  if (process.platform === 'linux') return Math.max(1, Math.min(available, linuxCores() ?? available));
  return process.arch === 'x64' && available >= 4 ? Math.ceil(available / 2) : available;
}

/** Distinct (package, core) pairs among the processors of this process's affinity mask. */
function linuxCores(): number | undefined {
  try {
    const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    const cores = new Set<string>();
    for (const name of readdirSync(CPU_FOLDER)) {
      const number = /^cpu(\d+)$/.exec(name)?.[1];
      if (number === undefined || (allowed !== undefined && !inList(allowed, Number(number)))) continue;
      const read = (file: string): string => readFileSync(`${CPU_FOLDER}/${name}/topology/${file}`, 'latin1').trim();
      cores.add(`${read('physical_package_id')}/${read('core_id')}`);
    }
    return cores.size > 0 ? cores.size : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a list such as `0-3,8` contains a number. */
export function inList(list: string, number: number): boolean {
  return list.split(',').some(part => {
    const [first = NaN, last = first] = part.split('-').map(Number);
    return number >= first && number <= last;
  });
}
