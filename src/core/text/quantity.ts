// How numbers are written for people, on every surface: the command line, messages of jobs and recipes, the editor, the
// inspector. One way per kind of number. Sizes are decimal (1 MB = 10^6 bytes), as file managers and model hubs show them;
// where it matters whether something fits, the exact bytes stand beside. Absent on purpose: locales. What is read here is
// pasted into recipes, terminals and issues, and has to mean the same there. Nothing throws: what is no size, no count or no
// duration is `unknown`.

const BYTE_UNITS = [' bytes', ' kB', ' MB', ' GB', ' TB', ' PB'] as const;
const COUNT_UNITS = ['', ' K', ' M', ' B', ' T'] as const;
const UNKNOWN = 'unknown';

/** An exact count: `1,234,567`. */
export function formatInteger(value: number | bigint): string {
  return typeof value === 'number' && !Number.isFinite(value) ? UNKNOWN : groupDigits(value);
}

/** Not by Intl, whose number format takes 10 ms to make. */
function groupDigits(value: number | bigint): string {
  return digits(typeof value === 'number' ? Math.round(value) : value).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** All digits of a whole number from a file and nothing else, also beyond 2^53, for messages: `18446744073709551584`. */
export function digits(value: number | bigint): string {
  return value > Number.MAX_SAFE_INTEGER ? String(BigInt(value)) : String(value);
}

/** Three significant digits without an exponent: 10.1, 5.05, 738. */
function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function scaled(value: number, units: readonly string[]): string {
  let unit = 0;
  let rest = value;
  // 999.5 would print as 1000: such a value belongs to the next unit.
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit === 0 ? groupDigits(rest) : threeDigits(rest)}${units[unit] ?? ''}`;
}

/** A size in bytes: `10.1 MB`, `812 bytes`, `1 byte`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return UNKNOWN;
  return bytes === 1 ? '1 byte' : scaled(bytes, BYTE_UNITS);
}

/** A size with its exact value: `10.1 MB (10,099,776 bytes)`; plain bytes stay alone. */
export function formatBytesExactly(bytes: number): string {
  const short = formatBytes(bytes);
  return short === UNKNOWN || bytes < 1000 ? short : `${short} (${formatInteger(bytes)} bytes)`;
}

/** A speed: `310 MB/s`. */
export function formatByteRate(bytesPerSecond: number): string {
  const size = formatBytes(Math.round(bytesPerSecond));
  return size === UNKNOWN ? UNKNOWN : `${size}/s`;
}

/** A count as model cards write it: `4.98 M`, `7.24 B` parameters. */
export function formatCount(count: number): string {
  return Number.isFinite(count) && count >= 0 ? scaled(count, COUNT_UNITS) : UNKNOWN;
}

/** A duration: `0.04 s`, `5.3 s`, `12 s`, `2 min 5 s`, `1 h 3 min`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return UNKNOWN;
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Bits per weight: two decimals, as llama.cpp prints them and as the field compares them: `4.85`. */
export function formatBitsPerWeight(bits: number): string {
  return Number.isFinite(bits) && bits > 0 ? bits.toFixed(2) : UNKNOWN;
}

/** `1 tensor`, `12,000 tensors`, `0 tensors`; an irregular plural is given. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatInteger(count)} ${count === 1 ? one : many}`;
}

/**
 * A number as precisely as it must be to be told from its neighbours. With the type `f32` that is the shortest decimal which
 * reads back as the same float32, so 1e-5 is `0.00001` and not `0.000009999999747378752`.
 */
export function formatNumber(value: number, type?: string): string {
  if (Object.is(value, -0)) return '-0';
  if (type !== 'f32' || !Number.isFinite(value)) return String(value);
  const float32 = Math.fround(value);
  // Nine digits always suffice for a float32 (IEEE 754).
  for (let precision = 1; precision < 9; precision++) {
    const near = Number(value.toPrecision(precision));
    if (Math.fround(near) === float32) return String(near);
  }
  return String(Number(value.toPrecision(9)));
}
