// What the tests of the built command line share: a folder per test with models made in it.
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { quantsmith } from './built-cli.js';
import { repository } from './captured-io.js';

export const tinycoder = path.join(repository, 'examples', 'tinycoder-f16.gguf');

/** The folder of the running test. */
export let folder = '';

/** Every test of the calling file gets an empty folder of its own. */
export function useFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-cli-'));
  });
  afterEach(() => {
    chmodSync(folder, 0o755);
    rmSync(folder, { recursive: true });
  });
}

export const here = (...argv: string[]) => quantsmith(argv, { cwd: folder });

export function file(name: string, content: string | Uint8Array): string {
  writeFileSync(path.join(folder, name), typeof content === 'string' ? buildGguf(content).bytes : content);
  return name;
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export interface ReportDocument {
  output: string;
  tensors: { name: string; fromType: string; toType: string; rule: string; byteLength: number; sha256: string }[];
  bitsPerWeight: number;
  byteLength: number;
  seconds: number;
  threads: number;
  backend: string;
  kernels: string;
  files: { path: string; byteLength: number }[];
  problems: { code: string; severity: string }[];
  dryRun: boolean;
}

export interface InspectDocument {
  tensors: { name: string; type: string; fileOffset: number; byteLength: number; shard: number }[];
  files: { path: string }[];
  metadata: Record<string, unknown>;
  tensorCount: number;
}

/** A model of one F32 matrix with the given number of MiB. */
export function bigModel(mebibytes: number): string {
  return `string general.architecture = "llama"\nu32 llama.block_count = 1\ntensor blk.0.ffn_up.weight F32 [4096, ${mebibytes * 64}]\ndata 0\ntrailing ${mebibytes * 2 ** 20}`;
}

export const HEAD = 'string general.architecture = "llama"\nu32 llama.block_count = 1\n';
export const TENSOR = 'tensor blk.0.ffn_up.weight F32 [256, 2]\n';
export const GOOD = `${HEAD}${TENSOR}`;
