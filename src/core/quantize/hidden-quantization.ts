// A source that was quantized before although its tensors are floats: what its weights show (quantization-grid.ts), and what
// its metadata says. The first is proof, and an error unless it is allowed; the second is a trace, because llama-quantize
// leaves the keys of an importance matrix also where it only converted.
import { fileTypeById } from '../ggml/file-type.js';
import { ggmlType, ggmlTypeByName } from '../ggml/ggml-type.js';
import { metadataEntry, metadataNumber } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import { plural } from '../text/quantity.js';
import type { Decision } from './choose-types.js';
import type { PlanSource } from './model-facts.js';
import type { QuantizationGrid } from './quantization-grid.js';

const isFloat = (type: string): boolean => ggmlTypeByName(type)?.blockSize === 1;

export function hiddenQuantizationProblems(
  source: PlanSource,
  decisions: readonly Decision[],
  grid: QuantizationGrid | undefined,
  allowed: boolean,
): readonly Problem[] {
  const concerned = decisions.filter(({ fromType, toType }) => isFloat(fromType) && !isFloat(toType));
  const [first] = concerned;
  if (!first) return [];
  if (grid) {
    const [example = ''] = grid.tensors;
    const from = decisions.find(({ tensor }) => tensor.name === example)?.fromType ?? first.fromType;
    return [
      {
        code: 'plan/hidden-requantize',
        severity: allowed ? 'warning' : 'error',
        message:
          `This ${from} model was made from a quantized one: the weights of ${grid.tensors.length} of ` +
          `${plural(grid.sampled, 'tensor')} looked at, such as ${example}, are whole multiples of a step per 16 or 32 weights ` +
          `(about ${grid.distinct} different ones among 32). Quantizing again adds a second error to that of the first.`,
        ...(allowed ? {} : { hint: 'Start from the original F16, BF16 or F32 model, or allow requantization.' }),
        subject: example,
      },
    ];
  }
  const trace = traceOf(source);
  if (trace === undefined) return [];
  return [
    {
      code: 'plan/quantized-before',
      severity: 'warning',
      message: `${trace}, although its tensors are ${first.fromType}: it may have been quantized before. Its weights do not show it.`,
      hint: 'If you have the original model, start from that.',
    },
  ];
}

function traceOf({ metadata }: PlanSource): string | undefined {
  const imatrix =
    metadataEntry(metadata, 'quantize.imatrix.file') ?? metadataEntry(metadata, 'quantize.imatrix.entries_count');
  if (imatrix) return `The source has ${imatrix.key}, which quantizers leave`;
  const id = metadataNumber(metadata, 'general.file_type');
  const type = id === undefined ? undefined : fileTypeById(id);
  if (!type || ggmlType(type.defaultType).blockSize === 1) return undefined;
  return `The source calls itself ${type.name} (general.file_type)`;
}
