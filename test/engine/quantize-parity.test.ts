// Whole files against llama-quantize: every tensor's name, type, length and SHA-256, and the file's own where nothing in it
// depends on a path. The goldens of test/golden/tinycoder were made by llama-quantize 0.7.0 from examples/tinycoder-f16.gguf;
// those of ../shared (if there) cover eight architectures, whose models are generated for the run.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runQuantize } from '../../src/engine/jobs/quantize.js';
import { availableFileTypes } from '../../src/core/quantize/preview.js';
import type { QuantizeOptions, QuantizationReport } from '../../src/core/quantize/quantization-plan.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import type { QuantizeJob } from '../../src/protocol/worker-protocol.js';
import { buildWorker, root, scratch, tinycoder, type BuiltWorker } from '../worker/built-worker.js';

const golden = path.join(root, 'test/golden/tinycoder');
const shared = path.resolve(root, '../shared');
const { folder, remove } = scratch();
let built: BuiltWorker;
beforeAll(async () => {
  built = await buildWorker();
});
afterAll(() => {
  remove();
  built.remove();
});

let outputs = 0;
type Asked = Partial<Omit<QuantizeJob, 'options'>> & {
  readonly options: Partial<QuantizeOptions> & { fileType: string };
};

function quantize(source: string, asked: Asked): Promise<QuantizationReport> {
  const options = { rules: [], pure: false, allowRequantize: false, onFallback: 'promote', ...asked.options };
  const job: QuantizeJob = {
    source,
    output: path.join(folder, `${++outputs}.gguf`),
    threads: 2,
    backend: 'auto',
    overwrite: false,
    dryRun: false,
    resume: false,
    keepSplit: false,
    ...asked,
    options,
  };
  return runQuantize(job, quantizeServices(built.dist), {
    signal: new AbortController().signal,
    progress: () => undefined,
  });
}

const fileDigest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

interface Golden {
  readonly type: string;
  readonly source: string;
  readonly byteLength: number;
  readonly sha256: string;
  readonly tensors: readonly (readonly [string, string, number, string])[];
}

/** What llama-quantize was asked for, where the golden's type alone does not say. */
const OPTIONS: Record<string, Partial<QuantizeOptions>> = {
  'Q4_K_M.pure': { pure: true },
  'Q8_0-to-Q4_K_M': { allowRequantize: true },
  'Q5_K_S.types': {
    outputTensorType: 'Q8_0',
    tokenEmbeddingType: 'Q4_0',
    rules: [{ kind: 'regex', pattern: 'ffn_down', type: 'Q6_K', label: '--tensor ffn_down=Q6_K' }],
  },
};

async function check(name: string, asked: Partial<QuantizeJob> = {}): Promise<void> {
  const expected = JSON.parse(readFileSync(path.join(golden, `${name}.json`), 'utf8')) as Golden;
  const source =
    expected.source === 'tinycoder-f16.gguf'
      ? tinycoder
      : (await quantize(tinycoder, { options: { fileType: 'Q8_0' } })).output;
  const imatrix = name.endsWith('.imatrix') ? { imatrix: path.join(golden, 'tinycoder.imatrix.gguf') } : {};
  const report = await quantize(source, {
    ...imatrix,
    ...asked,
    options: { fileType: expected.type, ...OPTIONS[name] },
  });
  const found = report.tensors.map(({ name: n, toType, byteLength, sha256 }) => [n, toType, byteLength, sha256]);
  expect(found).toEqual(expected.tensors);
  // The digests in the report are those of the bytes on disk.
  if (imatrix.imatrix === undefined) {
    expect(statSync(report.output).size).toBe(expected.byteLength);
    expect(fileDigest(report.output)).toBe(expected.sha256);
  }
  expect(report.byteLength).toBe(statSync(report.output).size);
}

describe('tinycoder equals llama-quantize', () => {
  const names = readdirSync(golden).filter(name => name.endsWith('.json'));
  test('goldens are there', () => {
    expect(names.length).toBeGreaterThanOrEqual(20);
  });
  for (const name of names.map(file => file.replace('.json', ''))) test(name, () => check(name));
});

describe('the bytes do not depend on threads or backend', () => {
  for (const backend of ['native', 'wasm'] as const) {
    const there = existsSync(path.join(root, 'dist/kernels', backend === 'native' ? 'kernels.node' : 'kernels.wasm'));
    for (const threads of [1, 2, 3]) {
      test.skipIf(!there)(`${backend}, ${threads} threads`, async () => {
        for (const name of ['Q4_K_M', 'Q4_0.imatrix', 'BF16']) await check(name, { backend, threads });
      });
    }
  }
});

describe('generated models equal llama-quantize (../shared)', () => {
  const file = path.join(shared, 'data/golden/files/quantized-files.json');
  const maker = path.join(shared, 'tools/mkmodel/mkmodel.py');
  const python = spawnSync('python3', ['-c', 'import numpy']).status === 0;
  const models = path.join(folder, 'models');
  const available = existsSync(file) && existsSync(maker) && python;

  test.skipIf(!available)(
    'every tensor of every file type written here',
    async () => {
      type Case = {
        rc: number;
        tensors?: [string, string, number, number, string][];
        kv?: Record<string, unknown>;
        sha256: string;
      };
      const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Record<string, Case> };
      mkdirSync(models);
      expect(spawnSync('python3', [maker, 'all', models]).status).toBe(0);
      const types = new Set(availableFileTypes().map(type => type.name));
      const counts = { files: 0, wholeFiles: 0, tensors: 0 };
      for (const [name, { rc, tensors, sha256 }] of Object.entries(cases)) {
        // model[-f32src]/type[/imatrix]; `opt` cases are about options that the other goldens cover.
        const [model = '', fileType = '', variant] = name.split('/');
        if (rc !== 0 || !tensors || !types.has(fileType)) continue;
        const withMatrix = variant === 'imatrix';
        const base = model.replace('-f32src', '');
        const source = path.join(models, `${base}-${base === model ? 'f16' : 'f32'}.gguf`);
        const imatrix = withMatrix ? { imatrix: path.join(shared, `data/golden/imatrix/${base}.imatrix.gguf`) } : {};
        if (!existsSync(source)) throw new Error(`${source} was not generated`);
        const report = await quantize(source, {
          ...imatrix,
          overwrite: true,
          output: path.join(folder, 'out.gguf'),
          options: { fileType },
        });
        const found = report.tensors.map(tensor => [
          tensor.name,
          tensor.toType,
          tensor.byteLength,
          tensor.sha256.slice(0, 16),
        ]);
        expect(found, name).toEqual(tensors.map(([n, t, , length, digest]) => [n, t, length, digest]));
        counts.files++;
        counts.tensors += tensors.length;
        if (!withMatrix) {
          expect(fileDigest(report.output), name).toBe(sha256);
          counts.wholeFiles++;
        }
      }
      console.log(`compared with llama-quantize: ${JSON.stringify(counts)}`);
      expect(counts.files).toBeGreaterThan(100);
    },
    600_000,
  );
});
