// What of a process's mappings counts as memory of its own.
import { expect, test } from 'vitest';
import { residentBytesBeside, residentBytesIn } from '../../src/platform/resident-memory.js';

const SMAPS = `55d0c0000000-55d0c0021000 r-xp 00000000 08:01 1311    /usr/bin/node
Size:                132 kB
Rss:                 100 kB
Pss:                  50 kB
7f0000000000-7f0040000000 r--s 00000000 08:01 42    /models/a model.gguf
Size:            1048576 kB
Rss:             1000000 kB
7f0040000000-7f0040001000 rw-p 00000000 00:00 0
Rss:                   4 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0    [stack]
Rss:                  16 kB
VmFlags: rd wr
`;

test('every mapping counts but those of the named files', () => {
  expect(residentBytesIn(SMAPS, ['/models/a model.gguf'])).toBe(120 * 1024);
  expect(residentBytesIn(SMAPS, [])).toBe((1_000_000 + 120) * 1024);
  expect(residentBytesIn(SMAPS, ['/models/other.gguf'])).toBe((1_000_000 + 120) * 1024);
});

test.skipIf(process.platform !== 'linux')('this process has some megabytes, and more after it took them', () => {
  const before = residentBytesBeside([])!;
  expect(before).toBeGreaterThan(10e6);
  const taken = new Uint8Array(64 << 20).fill(1);
  // The rest of the runtime may give some back meanwhile.
  expect(residentBytesBeside([])! - before).toBeGreaterThan(0.5 * taken.length);
});
