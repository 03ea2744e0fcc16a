// The C++ table of formats and the TypeScript one agree, and so do the lists of kernels and the sources they are made from.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { GGML_TYPES, ggmlTypeById } from '../../src/core/ggml/ggml-type.js';
import { builds, root } from './support.js';

for (const { kind, backend, reason } of builds) {
  describe(`${kind} tables`, () => {
    if (!backend) {
      it.skip(reason ?? 'missing');
      return;
    }

    it('have the block sizes of the type table', () => {
      for (const type of backend.types) {
        const row = ggmlTypeById(type.id);
        expect([row?.name, row?.blockSize, row?.typeSize]).toEqual([type.name, type.blockSize, type.blockBytes]);
      }
    });

    it('have kernels for exactly the types that say so', () => {
      const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name).sort();
      expect(names(backend.types)).toEqual(names(GGML_TYPES.filter(({ canQuantize }) => canQuantize)));
      expect(names(backend.types)).toEqual(names(GGML_TYPES.filter(({ canDequantize }) => canDequantize)));
    });

    it('have a reference for every operation of every type', () => {
      const kernels = backend.kernels();
      for (const { name } of backend.types) {
        for (const operation of ['quantize', 'dequantize', 'product'] as const) {
          expect(kernels).toContainEqual({ operation, type: name, isa: 'ref' });
        }
      }
    });

    it('follow kernels.inc', () => {
      const columns = ['sse2', 'avx2', 'avx512', 'avx512vnni', 'simd128', 'neon'];
      for (const operation of ['quantize', 'dequantize', 'product'] as const) {
        const text = readFileSync(path.join(root, 'kernels', operation, 'kernels.inc'), 'utf8');
        const lines = [...text.matchAll(/^KERNEL\(([^)]+)\)/gm)].map(([, cells]) => cells!.split(',').map(c => c.trim()));
        expect(lines.length).toBe(backend.types.length);
        for (const [name, ...served] of lines) {
          const type = backend.types.find(candidate => candidate.name.toLowerCase() === name!.toLowerCase());
          for (const isa of backend.isas.filter(candidate => candidate !== 'ref')) {
            expect(backend.kernelFor(operation, type!.id, isa)).toBe(served[columns.indexOf(isa)]);
          }
        }
      }
    });
  });
}
