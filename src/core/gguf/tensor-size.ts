// How many elements and bytes a tensor's info announces, and whether its shape and type go together. An unknown type is
// shown and not an error: only its byte length stays unknown.
import { byteLengthOf, ggmlTypeById, REMOVED_GGML_TYPES } from '../ggml/ggml-type.js';
import { quote } from '../text/printable.js';
import { digits } from '../text/quantity.js';
import type { ProblemList } from './problem-list.js';
import { DAMAGED, REFUSED } from './remedies.js';

export function tensorSize(
  name: string,
  exactShape: readonly (number | bigint)[],
  typeId: number,
  offset: number,
  problems: ProblemList,
): { readonly elementCount: number; readonly byteLength: number | undefined } {
  const details = { offset, subject: name };
  const tensor = `Tensor ${quote(name)}`;
  const shape = `[${exactShape.map(digits).join(', ')}]`;
  const ne = exactShape.map(Number);
  // A product of up to four numbers below 2^64 is at worst 2^256: no overflow to infinity, and exact while it matters.
  const elementCount = ne.reduce((product, n) => product * n, 1);
  if (ne.some(n => n >= 2 ** 63)) {
    problems.add('error', 'gguf/shape', `${tensor} has a negative dimension in its shape ${shape}.`, {
      ...details,
      hint: DAMAGED,
    });
    return { elementCount, byteLength: undefined };
  }
  if (elementCount > Number.MAX_SAFE_INTEGER || ne.some(n => n > Number.MAX_SAFE_INTEGER)) {
    problems.add('error', 'gguf/shape', `${tensor} has the shape ${shape}: more than 2^53 elements.`, {
      ...details,
      hint: DAMAGED,
    });
    return { elementCount, byteLength: undefined };
  }
  if (elementCount === 0) {
    problems.add('warning', 'gguf/empty-tensor', `${tensor} has the shape ${shape}: no elements.`, details);
  }
  const type = ggmlTypeById(typeId);
  if (!type) {
    const removed = REMOVED_GGML_TYPES.get(typeId);
    if (removed !== undefined) {
      problems.add(
        'error',
        'gguf/removed-type',
        `${tensor} has type ${removed} (id ${typeId}), which ggml has removed.`,
        {
          ...details,
          hint: 'Quantize the original model again; the bytes of this type can no longer be read.',
        },
      );
    } else {
      problems.add('info', 'gguf/unknown-type', `${tensor} has ggml type ${typeId}, which is not known here.`, {
        ...details,
        hint: 'The file comes from newer or modified tools. The tensor is listed, but its data cannot be read.',
      });
    }
    return { elementCount, byteLength: undefined };
  }
  const columns = ne[0] ?? 1;
  if (columns % type.blockSize !== 0) {
    const message = `${tensor} has rows of ${columns} elements; ${type.name} needs a multiple of ${type.blockSize}.`;
    problems.add('error', 'gguf/row-length', message, { ...details, hint: REFUSED });
    return { elementCount, byteLength: undefined };
  }
  return { elementCount, byteLength: byteLengthOf(type, elementCount) };
}
