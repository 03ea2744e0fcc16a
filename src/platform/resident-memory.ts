// How much memory this process has in use beside the files it maps. Linux only: elsewhere the answer is undefined.
import { readFileSync } from 'node:fs';

/** Bytes resident now, without the pages of `files` (absolute paths, symbolic links resolved) that are mapped. */
export function residentBytesBeside(files: readonly string[]): number | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/self/smaps', 'utf8');
  } catch {
    return undefined;
  }
  return residentBytesIn(text, files);
}

/**
 * The same from the text of an smaps file: for each mapping a line `from-to permissions offset device inode   path`,
 * then one fact a line, `Rss:   1234 kB` among them.
 */
export function residentBytesIn(smaps: string, files: readonly string[]): number {
  let counts = true;
  let kilobytes = 0;
  for (const line of smaps.split('\n')) {
    const mapping = /^[\da-f]+-[\da-f]+ \S+ \S+ \S+ \d+\s*(.*)$/.exec(line);
    if (mapping) counts = !files.includes(mapping[1] ?? '');
    else if (counts && line.startsWith('Rss:')) kilobytes += Number(/\d+/.exec(line)?.[0] ?? 0);
  }
  return kilobytes * 1024;
}
