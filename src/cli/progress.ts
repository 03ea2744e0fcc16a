// Progress on stderr: a bar that redraws in place on a terminal, a line a second elsewhere, nothing with --quiet. It only
// ever writes to stderr, so that stdout stays the result's, and it forgets nothing on the screen: `end` removes the bar.
import type { JobProgress } from '../core/quantize/quantization-plan.js';
import { printable } from '../core/text/printable.js';
import { formatByteRate, formatBytes, formatSeconds } from '../core/text/quantity.js';
import type { CliIo } from './io.js';

/** A terminal is redrawn ten times a second: faster is not seen, and slow terminals (ssh) are not flooded. */
const REDRAW_MILLISECONDS = 100;
const LINE_MILLISECONDS = 1000;
const BAR_CELLS = 24;

export interface ProgressDisplay {
  update(progress: JobProgress): void;
  /** Takes the bar off the screen; later updates are ignored. */
  end(): void;
}

export function progressDisplay(io: CliIo, options: { readonly quiet: boolean }): ProgressDisplay {
  if (options.quiet) return { update: () => undefined, end: () => undefined };
  const { stderr } = io;
  const bar = stderr.isTTY && io.env['TERM'] !== 'dumb';
  const pause = bar ? REDRAW_MILLISECONDS : LINE_MILLISECONDS;
  // The first line comes after a pause too: a job of half a second says nothing but its result.
  let next = io.now() + pause;
  let drawn = false;
  let ended = false;
  return {
    update(progress) {
      const now = io.now();
      if (ended || now < next) return;
      next = now + pause;
      drawn = true;
      void stderr.write(bar ? `\r${barText(progress, stderr.columns)}\u001b[K` : `${lineText(progress)}\n`);
    },
    end() {
      if (!ended && drawn && bar) void stderr.write('\r\u001b[K');
      ended = true;
    },
  };
}

/** `quantize  42.0 %  1.20 GB of 2.86 GB  310 MB/s  5.3 s left  blk.7.ffn_up.weight`. */
export function lineText(progress: JobProgress): string {
  const parts: string[] = [progress.phase];
  if (progress.total > 0)
    parts.push(
      `${((100 * progress.done) / progress.total).toFixed(1)} %`,
      `${formatBytes(progress.done)} of ${formatBytes(progress.total)}`,
    );
  if (progress.bytesPerSecond > 0) parts.push(formatByteRate(progress.bytesPerSecond));
  if (progress.etaSeconds !== undefined) parts.push(`${formatSeconds(progress.etaSeconds)} left`);
  if (progress.subject !== undefined) parts.push(printable(progress.subject, { limit: 80 }));
  return parts.join('  ');
}

/** The same with a bar in front, cut to the width of the terminal so that it never wraps. */
export function barText(progress: JobProgress, columns: number): string {
  const share = progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0;
  const full = Math.floor(share * BAR_CELLS);
  const text = `[${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)}] ${lineText(progress)}`;
  return Array.from(text)
    .slice(0, Math.max(10, columns - 1))
    .join('');
}
