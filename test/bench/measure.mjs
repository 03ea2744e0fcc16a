// Measures whole programs: wall time, processor time, peak memory. On Linux the last two come from /proc, looked at every
// 10 ms; what happens in the last 10 ms of a process is not in them. Elsewhere they are NaN.
import { spawn } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import os from 'node:os';

const SAMPLE_MS = 10;
/** Clock ticks per second in /proc; Linux has had no other number for user space since 2.6. */
const TICKS = 100;
const PIECE = 1 << 20;
/** Characters kept of what a program says: llama-quantize says a line per tensor, and its version at the beginning. */
const MAX_WORDS = 1 << 18;

/** Between two looks at a process's mappings, which take some milliseconds for a model of 1 GB. */
const MAPPINGS_MS = 100;

/**
 * Runs a program to its end; rejects with its last words unless it succeeds.
 * @param {(smaps: string) => number} [residentOf] what of a process's mappings counts, in bytes; the most of it becomes
 *   `residentMegabytes`
 */
export function run(command, args, env = {}, residentOf = undefined) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let words = '';
    let output = '';
    const listen = data => (words = (words + data).slice(-MAX_WORDS));
    child.stdout.on('data', data => (output = (output + data).slice(-MAX_WORDS)));
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    let megabytes = NaN;
    let cpuSeconds = NaN;
    let residentMegabytes = NaN;
    const sampleMappings = () => {
      try {
        const bytes = residentOf(readFileSync(`/proc/${child.pid}/smaps`, 'latin1'));
        residentMegabytes = Math.max(bytes / 1e6, residentMegabytes || 0);
      } catch {
        // Not Linux, or gone already.
      }
    };
    const mappings = residentOf && setInterval(sampleMappings, MAPPINGS_MS);
    const sample = () => {
      try {
        const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1];
        if (peak) megabytes = (Number(peak) * 1024) / 1e6;
        const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
        // Behind the command in parentheses: state is field 3, utime and stime are 14 and 15.
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS;
      } catch {
        // Not Linux, or gone already.
      }
    };
    const timer = setInterval(sample, SAMPLE_MS);
    child.on('error', error => {
      clearInterval(timer);
      clearInterval(mappings);
      reject(error);
    });
    let seconds = 0;
    child.on('exit', () => {
      seconds = (performance.now() - started) / 1000;
      clearInterval(timer);
      clearInterval(mappings);
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve({ seconds, cpuSeconds, megabytes, residentMegabytes, words, output });
      else
        reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${words.trim().slice(-1000)}`));
    });
  });
}

/** Reads a file once, so that it is in the page cache. */
export function warm(file) {
  eachPiece(file, () => undefined);
}

/** The number of the first byte that differs, or -1. */
export function firstDifference(a, b) {
  const [left, right] = [openSync(a, 'r'), openSync(b, 'r')];
  const [one, two] = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)];
  try {
    for (let at = 0; ; at += PIECE) {
      const [m, n] = [readSync(left, one, 0, PIECE, at), readSync(right, two, 0, PIECE, at)];
      const length = Math.min(m, n);
      for (let i = 0; !one.subarray(0, length).equals(two.subarray(0, length)); i++) {
        if (one[i] !== two[i]) return at + i;
      }
      if (m !== n) return at + length;
      if (m === 0) return -1;
    }
  } finally {
    closeSync(left);
    closeSync(right);
  }
}

/**
 * Seconds for the least that any quantizer must do: read every byte of `source`, write `byteLength` bytes to a new file
 * `target` and make them durable. One thread, no look at what is copied.
 */
export function copyLimit(source, target, byteLength) {
  rmSync(target, { force: true });
  const started = performance.now();
  const descriptor = openSync(target, 'wx');
  const ratio = byteLength / statSync(source).size;
  let written = 0;
  let due = 0;
  eachPiece(source, piece => {
    due += piece.length * ratio;
    const count = Math.min(piece.length, Math.round(due) - written);
    for (let done = 0; done < count;) done += writeSync(descriptor, piece, done, count - done);
    written += count;
  });
  fsyncSync(descriptor);
  closeSync(descriptor);
  const seconds = (performance.now() - started) / 1000;
  rmSync(target);
  return seconds;
}

function eachPiece(file, act) {
  const descriptor = openSync(file, 'r');
  const piece = Buffer.alloc(PIECE);
  try {
    for (let count; (count = readSync(descriptor, piece, 0, PIECE, null)) > 0;) act(piece.subarray(0, count));
  } finally {
    closeSync(descriptor);
  }
}

/** Seconds that all processors together have worked since the start of the machine; NaN where the system does not tell. */
export function busySeconds() {
  try {
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    const [user, nice, system, , , irq, softirq, steal] = /^cpu +(.*)$/m
      .exec(readFileSync('/proc/stat', 'latin1'))[1]
      .split(' ')
      .map(Number);
    return (user + nice + system + irq + softirq + steal) / TICKS;
  } catch {
    return NaN;
  }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Processor, cores, memory, system and versions: a table without them says nothing. */
export function machine() {
  let processor = os.cpus()[0]?.model.trim() ?? 'unknown processor';
  try {
    const [family, model] = ['cpu family', 'model'].map(
      key => new RegExp(`^${key}\\s*: (\\d+)$`, 'm').exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1],
    );
    if (family) processor += ` (family ${family}, model ${model})`;
  } catch {
    // Only Linux has that file.
  }
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return `${processor}, ${os.availableParallelism()} processors, ${memory}, ${os.type()} ${os.release()}, Node ${process.version}`;
}
