// Every text of the quantize command: the lines of the type list, progress, the result, failures. Pure functions of plain
// data, so that wording is tested without an editor.
import * as path from 'node:path';
import { restOf, type ErrorData, type Problem } from '../../core/problem.js';
import { originsText } from '../../core/quantize/origins-text.js';
import type { JobProgress, QuantizationReport } from '../../core/quantize/quantization-plan.js';
import { printable } from '../../core/text/printable.js';
import { formatBitsPerWeight, formatByteRate, formatBytes, formatSeconds, plural } from '../../core/text/quantity.js';
import type { TypePreview } from '../../protocol/worker-protocol.js';
import { sentence } from '../texts.js';

/** The planner's codes for weights that are quantized already; the only obstacles a user can decide to ignore. */
const REQUANTIZE = new Set(['plan/requantize', 'plan/hidden-requantize']);

/** One line of the type list. */
export interface TypeItem {
  readonly fileType: string;
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  readonly recommended: boolean;
  /** Why this type cannot be made from this model, or only by quantizing again what is quantized already. */
  readonly obstacle?: { readonly problem: Problem; readonly kind: 'requantize' | 'impossible' };
}

/**
 * The balanced choice that people start from, best first: the smallest type whose loss is hard to notice in use, then
 * its neighbours for models where it is not possible, then types with blocks of 32 for rows that K-quants do not fit.
 */
const RECOMMENDED = ['Q4_K_M', 'Q5_K_M', 'Q4_K_S', 'IQ4_NL', 'Q8_0'] as const;

/**
 * A type of which more falls back is another one than its name says: "Q4_K_M" of a model with rows of 896 weights is mostly
 * Q5_0 and Q8_0, 6.35 bits per weight instead of 5.83 (Qwen2.5-0.5B).
 */
const MAX_FALLBACK_SHARE = 0.1;

const isRecommendable = (preview: TypePreview) =>
  obstacleTo(preview) === undefined && preview.converted > 0 && preview.fallback.share <= MAX_FALLBACK_SHARE;

/** The type list: smallest first; after those that can be made at once, those that need a decision, then the impossible. */
export function typeItems(previews: readonly TypePreview[], sourceBytes: number | undefined): TypeItem[] {
  const candidates = previews.filter(isRecommendable);
  const recommended = RECOMMENDED.find(name => candidates.some(preview => preview.fileType === name));
  return [...previews]
    .sort((a, b) => groupOf(a) - groupOf(b) || a.byteLength - b.byteLength)
    .map(preview => typeItem(preview, preview.fileType === recommended, sourceBytes));
}

function groupOf(preview: TypePreview): number {
  const kind = obstacleTo(preview)?.kind;
  return kind === undefined ? 0 : kind === 'requantize' ? 1 : 2;
}

function typeItem(preview: TypePreview, recommended: boolean, sourceBytes: number | undefined): TypeItem {
  const obstacle = obstacleTo(preview);
  const size = `${formatBitsPerWeight(preview.bitsPerWeight)} bits per weight · ${formatBytes(preview.byteLength)}${shareText(preview.byteLength, sourceBytes)}`;
  return {
    fileType: preview.fileType,
    label: preview.fileType,
    description: recommended ? `${size} $(star-full) recommended` : size,
    // What makes a type impossible comes alone, because a long line is cut. That weights are quantized already is said by
    // the group's title, and before anything is done about it.
    detail:
      obstacle?.kind === 'impossible'
        ? sentence(obstacle.problem.message)
        : // What is special about this model comes first: the end of a long line is cut.
          [
            ...(preview.converted === 0 ? ['No tensor changes: the model has these types already.'] : []),
            ...fallbackNote(preview.fallback),
            ...noteTexts(preview.problems),
            sentence(preview.summary),
          ].join(' '),
    recommended,
    ...(obstacle ? { obstacle } : {}),
  };
}

function obstacleTo(preview: TypePreview): TypeItem['obstacle'] {
  const errors = preview.problems.filter(({ severity }) => severity === 'error');
  const worst = errors.find(({ code }) => !REQUANTIZE.has(code));
  const problem = worst ?? errors[0];
  return problem && { problem, kind: worst ? 'impossible' : 'requantize' };
}

function shareText(bytes: number, sourceBytes: number | undefined): string {
  if (sourceBytes === undefined || sourceBytes <= 0) return '';
  return ` · ${Math.round((100 * bytes) / sourceBytes)} % of the source`;
}

/** The plan's own words about it are too long for a line. */
function fallbackNote({ share, types }: TypePreview['fallback']): readonly string[] {
  if (types.length === 0) return [];
  const percent = share < 0.01 ? 'Under 1' : String(Math.round(100 * share));
  return [`${percent} % of the weights become ${types.join(', ')}: their rows do not fit.`];
}

/** Warnings word for word, repeated kinds as one count; what is only informative stays out of the list. */
function noteTexts(problems: readonly Problem[]): string[] {
  const byCode = new Map<string, Problem[]>();
  for (const problem of problems) {
    if (problem.severity !== 'warning' || problem.code === 'plan/shape-fallback') continue;
    byCode.set(problem.code, [...(byCode.get(problem.code) ?? []), problem]);
  }
  return [...byCode.values()].map(same => {
    const first = same[0];
    if (first === undefined) return '';
    return same.length === 1
      ? sentence(first.message)
      : `${sentence(first.message)} (and ${same.length - 1} more like it)`;
  });
}

/** `42 % of 2.00 GB · 310 MB/s · 12 s left · blk.3.ffn_down.weight` */
export function progressText(progress: JobProgress): string {
  if (progress.phase === 'plan') return 'reading the model and planning';
  const all = progress.total > 0 ? ` of ${formatBytes(progress.total)}` : '';
  const parts = [`${percentDone(progress)} %${all}`];
  if (progress.bytesPerSecond > 0) parts.push(formatByteRate(progress.bytesPerSecond));
  if (progress.etaSeconds !== undefined) parts.push(`${formatSeconds(progress.etaSeconds)} left`);
  if (progress.phase === 'write') parts.push('finishing the file');
  else if (progress.subject !== undefined) parts.push(printable(progress.subject));
  return parts.join(' · ');
}

/** Whole percent, 0 to 100; an empty job counts as done. */
export function percentDone(progress: Pick<JobProgress, 'done' | 'total'>): number {
  if (progress.total <= 0) return 100;
  return Math.max(0, Math.min(100, Math.floor((100 * progress.done) / progress.total)));
}

/** `tiny-Q4_K_M.gguf: 4.90 bits per weight, 6.10 MB, 1.3 s (native avx512).` and what should be known about it. */
export function resultText(report: QuantizationReport): string {
  const files = report.files.length > 1 ? ` in ${report.files.length} files` : '';
  const kernels = report.kernels === '' ? report.backend : `${report.backend} ${report.kernels}`;
  const facts = `${path.basename(report.output)}: ${formatBitsPerWeight(report.bitsPerWeight)} bits per weight, ${formatBytes(report.byteLength)}${files}, ${formatSeconds(report.seconds)} (${kernels}).`;
  const fallbacks = fallbackText(report);
  const warnings = report.problems.filter(
    ({ severity, code }) => severity === 'warning' && !(code === 'plan/shape-fallback' && fallbacks !== ''),
  ).length;
  const more = fallbacks === '' ? 'warning' : 'more warning';
  const log = warnings === 0 ? '' : `${plural(warnings, more)} in the log.`;
  return [facts, originsText(report.origins), fallbacks, log].filter(text => text !== '').join(' ');
}

/** `144 tensors fell back to other types, which fit their rows: 132 from Q4_K to Q5_0, 12 from Q6_K to Q8_0.` */
function fallbackText({ tensors }: QuantizationReport): string {
  const pairs = new Map<string, number>();
  for (const { rule, toType } of tensors) {
    const from = /fallback from (\S+)/.exec(rule)?.[1];
    if (from === undefined) continue;
    const pair = `from ${from} to ${toType}`;
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  const count = [...pairs.values()].reduce((sum, tensorsOfPair) => sum + tensorsOfPair, 0);
  if (count === 0) return '';
  const list = [...pairs].sort((a, b) => b[1] - a[1]).map(([pair, tensorsOfPair]) => `${tensorsOfPair} ${pair}`);
  return `${plural(count, 'tensor')} fell back to other types, which fit their rows: ${list.join(', ')}.`;
}

/** A line of the log with its level, so that warnings stay when only warnings are shown. */
export interface ReportLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
}

/** The report for the log: types by count, then every warning. */
export function reportLines(report: QuantizationReport): ReportLine[] {
  const counts = new Map<string, { tensors: number; bytes: number }>();
  for (const tensor of report.tensors) {
    const row = counts.get(tensor.toType) ?? { tensors: 0, bytes: 0 };
    counts.set(tensor.toType, { tensors: row.tensors + 1, bytes: row.bytes + tensor.byteLength });
  }
  const rows = [...counts].sort((a, b) => b[1].bytes - a[1].bytes);
  const texts = rows.map(
    ([type, row]) =>
      `  ${type.padEnd(8)} ${plural(row.tensors, 'tensor').padStart(12)} ${formatBytes(row.bytes).padStart(10)}`,
  );
  return [
    ...[resultText(report), ...texts].map((text): ReportLine => ({ level: 'info', text })),
    ...report.problems.map(problemLine),
  ];
}

export function problemLine({ severity, message, code, hint }: Problem): ReportLine {
  const level = severity === 'warning' ? 'warn' : severity;
  return { level, text: `${message} [${code}]${hint === undefined ? '' : ` ${hint}`}` };
}

export interface FailureText {
  readonly message: string;
  /** Trying the same again can help: the worker stopped, or the system refused for now. */
  readonly canRetry: boolean;
}

/** The worker went, the system refused, or the place for the output can be put right in the meantime. */
const RETRY = /^(?:worker\/|io\/|output\/(?:in-use|lost|no-folder|not-writable)$)/;

/** One message with what happened, what to do, and the code to search for. */
export function failureText(error: ErrorData, source: string): FailureText {
  const hint = error.hint === undefined ? '' : ` ${sentence(error.hint)}`;
  const rest = restOf(error).filter(({ severity }) => severity !== 'info').length;
  const more = rest === 0 ? '' : ` ${plural(rest, 'more problem')} in the log.`;
  // What is wrong with a file begins with its path; this one is named already.
  const reason = error.message.startsWith(`${source}: `) ? error.message.slice(source.length + 2) : error.message;
  return {
    message: `Could not quantize ${path.basename(source)}: ${sentence(reason)}${hint} (${error.code})${more}`,
    canRetry: RETRY.test(error.code),
  };
}

/** Where a killed run's bytes are, and what can be done with them. */
export function interruptedText(files: readonly string[]): string {
  const names = files.map(file => path.basename(file)).join(', ');
  return `What it wrote is kept in ${names} in ${path.dirname(files[0] ?? '')}: Try Again goes on there, Discard deletes it.`;
}
