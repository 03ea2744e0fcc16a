// Every encoding and decoding of the reference records, on every build of the kernels and every instruction set this
// machine can run: bytes, not tolerances.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggmlType } from '../../src/core/ggml/ggml-type.js';
import type { KernelBackend } from '../../src/engine/kernel-backend.js';
import { builds, byteLength, bytesOf, root, sha256, typeNamed } from './support.js';

interface GoldenRecord {
  readonly type: string;
  readonly input: string;
  readonly variant: 'none' | 'lognormal' | 'spiky' | 'ref';
  readonly offset: number;
  readonly nbytes: number;
  readonly sha256: string;
  readonly dequantOffset?: number;
  readonly dequantSha256?: string;
  /** Why two runs of ggml may differ in this record's bytes. */
  readonly unstable?: string;
}
interface Manifest {
  readonly rows: number;
  readonly cols: number;
  readonly types: readonly {
    readonly id: number;
    readonly name: string;
    readonly file: string;
    readonly requiresImatrix: boolean;
    readonly hasRef: boolean;
  }[];
  readonly inputs: Readonly<Record<string, { readonly file: string; readonly sha256: string }>>;
  readonly conv: Readonly<Record<string, { readonly sha256: string }>>;
  readonly records: readonly GoldenRecord[];
}

const folder = path.join(root, 'test/golden/quant');
const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')) as Manifest;
const read = (file: string): Uint8Array => Uint8Array.from(readFileSync(path.join(folder, file)));
const inputs = new Map(
  Object.entries(manifest.inputs).map(([name, { file, sha256: expected }]) => {
    const bytes = read(file);
    if (sha256(bytes) !== expected) throw new Error(`${file} is damaged`);
    return [name, new Float32Array(bytes.buffer)];
  }),
);
const encodings = new Map(manifest.types.map(({ name, file }) => [name, read(file)]));

function differences(backend: KernelBackend, isa: string): string[] {
  const { rows, cols: columns } = manifest;
  const found: string[] = [];
  for (const record of manifest.records) {
    const type = typeNamed(backend, manifest.types.find(({ name }) => name === record.type)!.name.toUpperCase());
    const where = `${record.type} ${record.input} ${record.variant}`;
    const importance = inputs.get(`imatrix_${record.variant}`);
    const encoded = new Uint8Array(byteLength(type, rows * columns));
    const input = inputs.get(record.input)!;
    if (record.variant === 'ref') backend.quantizeRowsPlain(type.id, input, encoded, rows, columns);
    else backend.quantizeRows(type.id, input, encoded, rows, columns, importance, isa);
    const golden = encodings.get(record.type)!.subarray(record.offset, record.offset + record.nbytes);
    const same = Buffer.compare(encoded, golden) === 0 && sha256(encoded) === record.sha256;
    if (!same && record.unstable === undefined) found.push(`encode ${where}`);
    if (record.dequantOffset === undefined) continue;
    const decoded = new Float32Array(rows * columns);
    backend.dequantizeRows(type.id, golden.slice(), decoded, rows, columns, isa);
    const goldenFloats = encodings
      .get(record.type)!
      .subarray(record.dequantOffset, record.dequantOffset + decoded.byteLength);
    if (Buffer.compare(bytesOf(decoded), goldenFloats) !== 0 || sha256(bytesOf(decoded)) !== record.dequantSha256) {
      found.push(`decode ${where}`);
    }
  }
  return found;
}

describe('reference records', () => {
  it('are the ones we know about', () => {
    for (const { name, requiresImatrix, hasRef } of manifest.types) {
      const variants = ['lognormal', 'spiky', ...(requiresImatrix ? [] : ['none']), ...(hasRef ? ['ref'] : [])];
      const records = manifest.records.filter(({ type }) => type === name);
      expect(records.length, name).toBe(15 * variants.length);
      expect(new Set(records.map(({ variant }) => variant)), name).toEqual(new Set(variants));
      expect(ggmlType(name).needsImportance, name).toBe(requiresImatrix);
    }
  });

  it('have two exceptions, whose encoding ggml leaves open', () => {
    const open = manifest.records.filter(({ unstable }) => unstable !== undefined);
    const reasons = open.map(({ type, input, variant, unstable }) => `${type} ${input} ${variant}: ${unstable}`);
    console.log(`parity: encodings not compared:\n${reasons.join('\n')}`);
    expect(open.map(({ type, input, variant }) => `${type} ${input} ${variant}`)).toEqual([
      'iq4_nl zeros ref',
      'iq4_nl denormal ref',
    ]);
  });

  for (const { kind, backend, reason } of builds) {
    if (!backend) {
      it.skip(`${kind}: ${reason ?? 'missing'}`);
      continue;
    }
    it(`has kernels for every recorded type (${kind})`, () => {
      for (const { id, name } of manifest.types) expect(typeNamed(backend, name.toUpperCase()).id).toBe(id);
    });

    for (const isa of backend.isas) {
      it(`${kind}/${isa} encodes and decodes as ggml does`, () => {
        const found = differences(backend, isa);
        console.log(`parity ${kind}/${isa}: ${manifest.records.length} records, ${found.length} differences`);
        expect(found).toEqual([]);
      });

      it(`${kind}/${isa} decodes all 65,536 half-precision patterns`, () => {
        const halves = Uint16Array.from({ length: 65_536 }, (_, index) => index);
        const decoded = new Float32Array(halves.length);
        backend.dequantizeRows(1, bytesOf(halves), decoded, 1, halves.length, isa);
        const golden = read('conv/all_f16_to_f32.f32');
        expect(sha256(golden)).toBe(manifest.conv['all_f16_to_f32.f32']!.sha256);
        expect(Buffer.compare(bytesOf(decoded), golden)).toBe(0);
      });

      it(`${kind}/${isa} decodes all 65,536 bfloat16 patterns by shifting`, () => {
        const halves = Uint16Array.from({ length: 65_536 }, (_, index) => index);
        const decoded = new Float32Array(halves.length);
        backend.dequantizeRows(30, bytesOf(halves), decoded, 1, halves.length, isa);
        const bits = new Uint32Array(decoded.buffer);
        expect(bits.findIndex((value, index) => value !== index * 65_536)).toBe(-1);
      });

      it(`${kind}/${isa} rounds every edge to half precision and bfloat16`, () => {
        const lows = [0, 0x8000, 0x7fff, 0x1000, 0x1001];
        const bits = Uint32Array.from({ length: 65_536 * 5 }, (_, k) => (Math.floor(k / 5) << 16) | lows[k % 5]!);
        const floats = new Float32Array(bits.buffer);
        for (const [id, name] of [
          [1, 'edges_f16.u16'],
          [30, 'edges_bf16.u16'],
        ] as const) {
          const encoded = new Uint8Array(bits.length * 2);
          backend.quantizeRows(id, floats, encoded, 1, bits.length, undefined, isa);
          expect(sha256(encoded), name).toBe(manifest.conv[name]!.sha256);
        }
      });

      it(`${kind}/${isa} keeps every bit of F32`, () => {
        const bits = Uint32Array.from({ length: 4096 }, (_, k) => Math.imul(k, 0x9e3779b1));
        const encoded = new Uint8Array(bits.byteLength);
        backend.quantizeRows(0, new Float32Array(bits.buffer), encoded, 4, 1024, undefined, isa);
        expect(Buffer.compare(encoded, bytesOf(bits))).toBe(0);
        const decoded = new Uint32Array(bits.length);
        backend.dequantizeRows(0, encoded, new Float32Array(decoded.buffer), 4, 1024, isa);
        expect(Buffer.compare(bytesOf(decoded), bytesOf(bits))).toBe(0);
      });
    }
  }
});
