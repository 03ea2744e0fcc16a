// How the bytes of a model are spread over tensor types: parts of a bar, largest first, with the colour each gets.
import { ggmlTypeByName, bitsPerWeight } from '../../src/core/ggml/ggml-type.js';
import { formatBitsPerWeight, formatBytes, formatInteger } from '../../src/core/text/quantity.js';
import type { ModelDescription } from '../../src/protocol/worker-protocol.js';
import { formatShare } from './format.js';

export interface TypePart {
  readonly type: string;
  readonly tensors: string;
  readonly byteLength: number;
  readonly bytes: string;
  readonly share: string;
  readonly bitsPerWeight: string;
  /** Colour class `series-N`; colours repeat after SERIES, the legend always names the type too. */
  readonly series: number;
  /** Position and width in the bar, 0..1000. */
  readonly x: number;
  readonly width: number;
}

/** Colours of the chart: those that every VS Code theme defines and that stand out from its background. */
export const SERIES = 6;
const BAR = 1000;
/** What is there must be seen: 0.6 % of the bar, some 3 px in a narrow editor. */
const MIN_WIDTH = 6;

export function typeBreakdown(model: ModelDescription): TypePart[] {
  const types = [...model.typeCounts].sort((a, b) => b.byteLength - a.byteLength);
  const total = types.reduce((sum, type) => sum + type.byteLength, 0);
  const wanted = types.map(({ byteLength }) => (byteLength > 0 ? Math.max(MIN_WIDTH, (byteLength / total) * BAR) : 0));
  const scale =
    BAR /
    Math.max(
      1,
      wanted.reduce((sum, width) => sum + width, 0),
    );
  let x = 0;
  return types.map((count, index) => {
    const width = (wanted[index] ?? 0) * scale;
    const known = ggmlTypeByName(count.type);
    const bits = known ? bitsPerWeight(known) : (count.byteLength * 8) / count.elementCount;
    const part: TypePart = {
      type: count.type,
      tensors: formatInteger(count.tensors),
      byteLength: count.byteLength,
      bytes: known || count.byteLength > 0 ? formatBytes(count.byteLength) : 'unknown',
      share: count.byteLength > 0 ? formatShare(count.byteLength, total) : '',
      bitsPerWeight: bits > 0 && Number.isFinite(bits) ? formatBitsPerWeight(bits) : '',
      series: index % SERIES,
      x,
      width,
    };
    x += width;
    return part;
  });
}

/** The chart in words, for those who do not see it. */
export function describeBreakdown(parts: readonly TypePart[]): string {
  if (parts.length === 0) return 'No tensors';
  const list = parts.map(
    part =>
      `${part.type} ${part.share || part.bytes} in ${part.tensors === '1' ? '1 tensor' : `${part.tensors} tensors`}`,
  );
  return `Bytes by tensor type: ${list.join(', ')}`;
}
