// A wrong call throws an error with a code and writes nothing, in both builds alike: nothing that comes from JavaScript may
// make the kernels read or write outside the arrays it names.
import { describe, expect, it } from 'vitest';
import type { KernelBackend } from '../../src/engine/kernel-backend.js';
import { builds } from './support.js';

const floats = (length: number): Float32Array => new Float32Array(length);
const bytes = (length: number): Uint8Array => new Uint8Array(length);
const any = (value: unknown): never => value as never;
const misaligned = (length: number): Uint8Array => new Uint8Array(length + 1).subarray(1);

/** What is wrong -> expected code and the call. 256 weights of Q4_K are 144 bytes, of Q8_0 272. */
const wrong: Record<string, [code: string, call: (backend: KernelBackend) => unknown]> = {
  'quantize: unknown type': ['kernel/unknown-type', b => b.quantizeRows(99, floats(256), bytes(144), 1, 256)],
  'quantize: a type without kernels': ['kernel/unknown-type', b => b.quantizeRows(9, floats(256), bytes(288), 1, 256)],
  'quantize: a removed type': ['kernel/unknown-type', b => b.quantizeRows(4, floats(256), bytes(144), 1, 256)],
  'quantize: unknown instruction set': [
    'kernel/unknown-isa',
    b => b.quantizeRows(12, floats(256), bytes(144), 1, 256, undefined, 'sse9'),
  ],
  'quantize: columns not a multiple of the block': [
    'kernel/bad-shape',
    b => b.quantizeRows(12, floats(128), bytes(72), 1, 128),
  ],
  'quantize: no columns': ['kernel/bad-shape', b => b.quantizeRows(12, floats(0), bytes(0), 1, 0)],
  'quantize: columns overflow': ['kernel/bad-shape', b => b.quantizeRows(8, floats(32), bytes(34), 2 ** 40, 2 ** 40)],
  'quantize: source too short': ['kernel/bad-length', b => b.quantizeRows(12, floats(255), bytes(144), 1, 256)],
  'quantize: source too long': ['kernel/bad-length', b => b.quantizeRows(12, floats(512), bytes(144), 1, 256)],
  'quantize: target too short': ['kernel/bad-length', b => b.quantizeRows(12, floats(256), bytes(143), 1, 256)],
  'quantize: target too long': ['kernel/bad-length', b => b.quantizeRows(12, floats(256), bytes(145), 1, 256)],
  'quantize: more rows than data': ['kernel/bad-length', b => b.quantizeRows(12, floats(256), bytes(144), 2, 256)],
  'quantize: importance of another length': [
    'kernel/bad-length',
    b => b.quantizeRows(12, floats(512), bytes(288), 2, 256, floats(512)),
  ],
  'quantize: importance of another kind': [
    'kernel/bad-argument',
    b => b.quantizeRows(12, floats(256), bytes(144), 1, 256, any(new Float64Array(256))),
  ],
  'quantize: importance is null': [
    'kernel/bad-argument',
    b => b.quantizeRows(12, floats(256), bytes(144), 1, 256, any(null)),
  ],
  'quantize: target misaligned': ['kernel/misaligned', b => b.quantizeRows(12, floats(256), misaligned(144), 1, 256)],
  'quantize: source is bytes': ['kernel/bad-argument', b => b.quantizeRows(12, any(bytes(1024)), bytes(144), 1, 256)],
  'quantize: source is a number': ['kernel/bad-argument', b => b.quantizeRows(12, any(7), bytes(144), 1, 256)],
  'quantize: target is a Uint16Array': [
    'kernel/bad-argument',
    b => b.quantizeRows(12, floats(256), any(new Uint16Array(72)), 1, 256),
  ],
  'quantize plainly: unknown type': ['kernel/unknown-type', b => b.quantizeRowsPlain(99, floats(32), bytes(18), 1, 32)],
  'quantize plainly: target too short': [
    'kernel/bad-length',
    b => b.quantizeRowsPlain(20, floats(32), bytes(17), 1, 32),
  ],
  'quantize plainly: source too long': [
    'kernel/bad-length',
    b => b.quantizeRowsPlain(20, floats(64), bytes(18), 1, 32),
  ],
  'quantize plainly: source is bytes': [
    'kernel/bad-argument',
    b => b.quantizeRowsPlain(20, any(bytes(128)), bytes(18), 1, 32),
  ],
  'quantize: rows is NaN': ['kernel/bad-argument', b => b.quantizeRows(12, floats(256), bytes(144), NaN, 256)],
  'quantize: rows is negative': ['kernel/bad-argument', b => b.quantizeRows(12, floats(256), bytes(144), -1, 256)],
  'quantize: columns is a fraction': [
    'kernel/bad-argument',
    b => b.quantizeRows(12, floats(256), bytes(144), 1, 256.5),
  ],
  'quantize: rows is beyond every integer': [
    'kernel/bad-argument',
    b => b.quantizeRows(12, floats(256), bytes(144), Infinity, 256),
  ],
  'quantize: rows is text': ['kernel/bad-argument', b => b.quantizeRows(12, floats(256), bytes(144), any('1'), 256)],
  'dequantize: unknown type': ['kernel/unknown-type', b => b.dequantizeRows(-1, bytes(144), floats(256), 1, 256)],
  'dequantize: source too short': ['kernel/bad-length', b => b.dequantizeRows(12, bytes(143), floats(256), 1, 256)],
  'dequantize: target too short': ['kernel/bad-length', b => b.dequantizeRows(12, bytes(144), floats(255), 1, 256)],
  'dequantize: source misaligned': ['kernel/misaligned', b => b.dequantizeRows(12, misaligned(144), floats(256), 1, 256)],
  'dequantize: target is bytes': [
    'kernel/bad-argument',
    b => b.dequantizeRows(12, bytes(144), any(bytes(1024)), 1, 256),
  ],
  'convert: unknown source type': ['kernel/unknown-type', b => b.convertRows(77, bytes(4), 1, bytes(2), 1, 1)],
  'convert: unknown target type': ['kernel/unknown-type', b => b.convertRows(1, bytes(2), 77, bytes(2), 1, 1)],
  'convert: columns fit the source only': ['kernel/bad-shape', b => b.convertRows(1, bytes(64), 12, bytes(144), 1, 32)],
  'convert: source too short': ['kernel/bad-length', b => b.convertRows(1, bytes(510), 12, bytes(144), 1, 256)],
  'convert: target too long': ['kernel/bad-length', b => b.convertRows(1, bytes(512), 12, bytes(146), 1, 256)],
  'convert: importance too short': [
    'kernel/bad-length',
    b => b.convertRows(1, bytes(512), 12, bytes(144), 1, 256, floats(255)),
  ],
  'convert: more columns than any source holds': [
    'kernel/bad-length',
    b => b.convertRows(1, bytes(512), 12, bytes(144), 1, 2 ** 40),
  ],
  'convert: F32 source at a multiple of two only': [
    'kernel/misaligned',
    b => b.convertRows(0, bytes(1026).subarray(2), 1, bytes(512), 1, 256),
  ],
  'convert: target misaligned': ['kernel/misaligned', b => b.convertRows(1, bytes(512), 12, misaligned(144), 1, 256)],
  'convert: source missing': ['kernel/bad-argument', b => b.convertRows(1, any(undefined), 12, bytes(144), 1, 256)],
};

for (const { kind, backend, reason } of builds) {
  describe(`${kind} arguments`, () => {
    if (!backend) {
      it.skip(reason ?? 'missing');
      return;
    }
    for (const [what, [code, call]] of Object.entries(wrong)) {
      it(`${what} -> ${code}`, () => {
        let error: unknown;
        try {
          call(backend);
        } catch (thrown) {
          error = thrown;
        }
        expect(error).toBeInstanceOf(Error);
        expect((error as { code?: string }).code).toBe(code);
      });
    }

    it('refuses a detached array', () => {
      const source = floats(256);
      structuredClone(source.buffer, { transfer: [source.buffer] });
      expect(() => backend.quantizeRows(12, source, bytes(144), 1, 256)).toThrow();
    });

    it('leaves what surrounds the target alone', () => {
      for (const isa of backend.isas) {
        const room = new Uint8Array(144 * 3 + 8).fill(0xa5);
        const target = room.subarray(4, 4 + 144 * 3);
        backend.quantizeRows(12, new Float32Array(768).fill(1), target, 1, 768, undefined, isa);
        expect([...room.subarray(0, 4), ...room.subarray(-4)]).toEqual(new Array(8).fill(0xa5));
        const floatRoom = new Float32Array(768 + 2).fill(7);
        backend.dequantizeRows(12, target, floatRoom.subarray(1, 769), 1, 768, isa);
        expect([floatRoom[0], floatRoom[769]]).toEqual([7, 7]);
      }
    });

    it('still works after all that', () => {
      const decoded = floats(256);
      backend.dequantizeRows(12, bytes(144), decoded, 1, 256);
      expect(decoded.every(value => value === 0)).toBe(true);
    });
  });
}
