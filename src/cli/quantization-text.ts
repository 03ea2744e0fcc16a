// What a quantization did, or would do, as text: tensors by type, what fell back, totals, and the whole plan in a dry run.
import { bitsPerWeight, ggmlTypeByName } from '../core/ggml/ggml-type.js';
import { originsText } from '../core/quantize/origins-text.js';
import type { QuantizationReport, TensorReport } from '../core/quantize/quantization-plan.js';
import { printable } from '../core/text/printable.js';
import {
  formatBitsPerWeight,
  formatBytes,
  formatBytesExactly,
  formatInteger,
  formatSeconds,
  plural,
} from '../core/text/quantity.js';
import { problemsText } from './problem-text.js';
import type { Style } from './style.js';
import { table } from './table.js';

export interface TypeRow {
  readonly type: string;
  readonly tensors: number;
  readonly byteLength: number;
  /** Undefined for a type that is not in the table: it was copied, and its block layout is unknown. */
  readonly bitsPerWeight: number | undefined;
}

/** Tensors of a report by type, the type with most bytes first. */
export function tensorsByType(tensors: readonly TensorReport[]): readonly TypeRow[] {
  const rows = new Map<string, { tensors: number; byteLength: number }>();
  for (const { toType, byteLength } of tensors) {
    const row = rows.get(toType) ?? { tensors: 0, byteLength: 0 };
    rows.set(toType, { tensors: row.tensors + 1, byteLength: row.byteLength + byteLength });
  }
  return [...rows]
    .map(([type, row]) => {
      const known = ggmlTypeByName(type);
      return { type, ...row, bitsPerWeight: known && bitsPerWeight(known) };
    })
    .sort((a, b) => b.byteLength - a.byteLength);
}

export function quantizationText(report: QuantizationReport, style: Style): string {
  const sections = [
    report.dryRun ? planTable(report) : '',
    summaryTable(report),
    report.dryRun ? '' : fallbackTable(report),
    problemsText(report.problems, style),
    closing(report, style),
  ];
  return sections.filter(section => section !== '').join('\n');
}

function summaryTable(report: QuantizationReport): string {
  const rows = tensorsByType(report.tensors).map(row => [
    row.type,
    formatInteger(row.tensors),
    formatBytes(row.byteLength),
    row.bitsPerWeight === undefined ? '?' : formatBitsPerWeight(row.bitsPerWeight),
  ]);
  const bytes = report.tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  rows.push([
    'total',
    formatInteger(report.tensors.length),
    formatBytes(bytes),
    formatBitsPerWeight(report.bitsPerWeight),
  ]);
  return table(
    [
      { title: 'type' },
      { title: 'tensors', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'bits/weight', align: 'right' },
    ],
    rows,
  );
}

/** Longer lists of fallbacks are cut; the whole list is the plan's, and JSON's. */
const SHOWN_FALLBACKS = 16;

/** Tensors that did not get the type asked for because of their shape; the planner says so at the end of the rule. */
function fallbackTable({ tensors }: QuantizationReport): string {
  const fallen = tensors.filter(({ rule }) => rule.includes('; fallback from '));
  if (fallen.length === 0) return '';
  const rows = fallen.slice(0, SHOWN_FALLBACKS).map(({ name, toType, rule }) => {
    const [why = '', wanted = ''] = rule.split('; fallback from ');
    return [printable(name), wanted, toType, printable(why)];
  });
  const more = fallen.length - rows.length;
  return (
    table([{ title: 'fallback' }, { title: 'wanted' }, { title: 'got' }, { title: 'rule' }], rows) +
    (more > 0 ? `and ${plural(more, 'more tensor')}; --dry-run and --json list them all\n` : '')
  );
}

function planTable(report: QuantizationReport): string {
  return table(
    [{ title: 'tensor' }, { title: 'from' }, { title: 'to' }, { title: 'size', align: 'right' }, { title: 'rule' }],
    report.tensors.map(tensor => [
      printable(tensor.name),
      tensor.fromType,
      tensor.toType,
      formatBytes(tensor.byteLength),
      printable(tensor.rule),
    ]),
  );
}

function forecastText({ forecast: { disk, memory } }: QuantizationReport): string {
  const free = disk.free === null ? '' : `, where ${formatBytes(disk.free)} are free`;
  const available = memory.available === null ? '' : ` of ${formatBytes(memory.available)} available`;
  // A plan with errors has no tasks whose memory could be counted.
  const needed = memory.needed === 0 ? '' : `, and up to ${formatBytes(memory.needed)} of memory${available}`;
  return `It would take ${formatBytes(disk.needed)} in ${printable(disk.path)}${free}${needed}.\n`;
}

function closing(report: QuantizationReport, style: Style): string {
  const how = `${report.backend} backend, ${report.kernels} kernels, ${plural(report.threads, 'thread')}`;
  if (report.dryRun) {
    const files = report.files.length > 1 ? ` in ${report.files.length} files` : '';
    return `Dry run: nothing was written. ${printable(report.output)} would have ${formatBytesExactly(report.byteLength)}${files} (${how}).\n${forecastText(report)}`;
  }
  const lines =
    report.files.length > 1
      ? report.files
          .map(file => `${style.bold(printable(file.path))}  ${formatBytesExactly(file.byteLength)}\n`)
          .join('')
      : `${style.bold(printable(report.output))}  ${formatBytesExactly(report.byteLength)}\n`;
  const saved = originsText(report.origins);
  return `${lines}${saved === '' ? '' : `${saved}\n`}${formatSeconds(report.seconds)}, ${how}\n`;
}
