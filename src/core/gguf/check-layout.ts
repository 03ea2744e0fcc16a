// Checks where the tensors of one file lie. llama.cpp demands that they follow each other in the order of their infos,
// each padded to the alignment, without gaps:
//
//   offset[0] = 0, offset[i+1] = pad(offset[i] + byteLength[i])
//
// What can still be read safely is a warning, so that such a file can be repaired by writing it anew (llama-quantize 0.7.0
// itself writes unaligned offsets if the source has a general.alignment above 32); bytes that are missing or belong to two
// tensors are an error. The check is one pass and one sort: a file cannot make it slow.
import { quote } from '../text/printable.js';
import { digits, plural } from '../text/quantity.js';
import type { GgufFile, GgufTensorInfo } from './gguf.js';
import type { ProblemList } from './problem-list.js';
import { DAMAGED } from './remedies.js';

const refused = 'llama.cpp refuses the file; quantizing or copying the model with Quantsmith writes a correct layout.';

/** `exactOffsets` has the data offsets beyond 2^53 by `infoOffset`, so that messages show what the file says. */
export function checkLayout(file: GgufFile, exactOffsets: ReadonlyMap<number, bigint>, problems: ProblemList): void {
  const { tensors, alignment, dataOffset, fileSize } = file;
  const pad = (length: number): number => Math.ceil(length / alignment) * alignment;
  /** Where llama.cpp wants the next tensor; unknown after a tensor of unknown size. */
  let expected: number | undefined = 0;
  let cutCount = 0;
  let firstCut: GgufTensorInfo | undefined;
  let end = dataOffset;
  /** Where the tensors end that are only incomplete; what lies somewhere else altogether has its own problem. */
  let endOfCut = dataOffset;
  const overlaps = overlapsOf(tensors);
  // One message is enough for a tensor that lies on another.
  const overlapping = new Set(overlaps.flat());
  for (const tensor of tensors) {
    const { name, offset, byteLength } = tensor;
    const exactOffset = exactOffsets.get(tensor.infoOffset) ?? offset;
    const details = { offset: tensor.infoOffset, subject: name };
    const tensorEnd = tensor.fileOffset + (byteLength ?? 0);
    end = Math.max(end, tensorEnd);
    const consecutive = isExact(tensor) && (expected === undefined || offset === expected);
    const beyond = tensorEnd > fileSize;
    if (beyond && !consecutive) {
      const message = `Tensor ${quote(name)} lies at data offset ${digits(exactOffset)}, outside the ${Math.max(0, fileSize - dataOffset)} bytes of the data section${expected === undefined ? '' : `; ${expected} expected`}.`;
      problems.add('error', 'gguf/offset-out-of-range', message, { ...details, hint: DAMAGED });
    } else if (beyond) {
      firstCut ??= tensor;
      cutCount++;
      endOfCut = Math.max(endOfCut, tensorEnd);
    }
    if (offset % alignment !== 0) {
      const message = `Tensor ${quote(name)} lies at data offset ${digits(exactOffset)}, which is no multiple of the alignment ${alignment}.`;
      problems.add('warning', 'gguf/offset-unaligned', message, { ...details, hint: refused });
    } else if (!consecutive && !beyond && !overlapping.has(tensor)) {
      const message = `Tensor ${quote(name)} lies at data offset ${offset}; ${String(expected)} expected right after the tensor before it.`;
      problems.add('warning', 'gguf/offset-not-consecutive', message, { ...details, hint: refused });
    }
    // Beyond 2^53 the next place would be a guess; that this tensor lies outside has been reported.
    expected = byteLength === undefined || !isExact(tensor) ? undefined : pad(offset + byteLength);
  }
  if (firstCut) {
    const others = cutCount === 1 ? 'is' : `and ${plural(cutCount - 1, 'more tensor')} are`;
    const message = `The file has ${fileSize} bytes, but its tensors reach to byte ${digits(endOfCut)}: tensor ${quote(firstCut.name)} ${others} incomplete.`;
    const hint = 'The download or copy stopped early: fetch the file again.';
    problems.add('error', 'gguf/data-truncated', message, { offset: fileSize, hint, subject: firstCut.name });
  }
  for (const [before, tensor] of overlaps) {
    const endBefore = before.offset + (before.byteLength ?? 0);
    const message = `Tensors ${quote(before.name)} and ${quote(tensor.name)} overlap: the first reaches to data offset ${endBefore}, the second begins at ${tensor.offset}.`;
    problems.add('error', 'gguf/tensor-overlap', message, {
      offset: tensor.infoOffset,
      subject: tensor.name,
      hint: DAMAGED,
    });
  }
  const sizesKnown = tensors.every(tensor => tensor.byteLength !== undefined);
  const trailing = fileSize - dataOffset - pad(end - dataOffset);
  if (sizesKnown && trailing >= alignment) {
    problems.add('info', 'gguf/trailing-bytes', `${trailing} bytes follow the last tensor.`, {
      offset: fileSize - trailing,
    });
  }
}

function isExact({ offset }: GgufTensorInfo): boolean {
  return offset <= Number.MAX_SAFE_INTEGER;
}

/** Tensors that begin before another one ends, each with the one that reaches furthest of those before it. */
function overlapsOf(tensors: readonly GgufTensorInfo[]): (readonly [GgufTensorInfo, GgufTensorInfo])[] {
  const byOffset = tensors
    .filter(tensor => (tensor.byteLength ?? 0) > 0 && isExact(tensor))
    .sort((a, b) => a.offset - b.offset);
  const overlaps: [GgufTensorInfo, GgufTensorInfo][] = [];
  let before: GgufTensorInfo | undefined;
  for (const tensor of byOffset) {
    const endBefore = before ? before.offset + (before.byteLength ?? 0) : 0;
    if (before && tensor.offset < endBefore) overlaps.push([before, tensor]);
    if (!before || tensor.offset + (tensor.byteLength ?? 0) > endBefore) before = tensor;
  }
  return overlaps;
}
