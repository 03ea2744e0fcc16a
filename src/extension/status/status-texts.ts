// What the status bar item says in every state of the worker. Pure.
import type { WorkerState } from '../services/worker.js';
import { sentence } from '../texts.js';

export interface StatusText {
  readonly text: string;
  /** Plain lines, top to bottom. */
  readonly tooltip: readonly string[];
  /** For screen readers: the text without icons. */
  readonly label: string;
  readonly isWarning: boolean;
}

export function statusText(
  state: WorkerState,
  job: { title: string; percent: number | undefined } | undefined,
): StatusText {
  if (job) {
    const percent = job.percent === undefined ? '' : ` ${job.percent} %`;
    return {
      text: `$(sync~spin) Quantsmith${percent}`,
      tooltip: [
        `${job.title}${percent === '' ? '' : `:${percent}`}`,
        ...backendLines(state),
        'Click to cancel or to see the log.',
      ],
      label: `Quantsmith: ${job.title}${percent}`,
      isWarning: false,
    };
  }
  switch (state.kind) {
    case 'stopped':
      return ready(['Ready. The worker starts when it is needed.']);
    case 'starting':
      return {
        text: '$(loading~spin) Quantsmith',
        tooltip: ['The worker is starting.'],
        label: 'Quantsmith: the worker is starting',
        isWarning: false,
      };
    case 'idle':
      return ready(['Ready.', ...backendLines(state)]);
    case 'busy':
      return ready(['Reading.', ...backendLines(state)]);
    case 'crashed':
      return {
        text: '$(warning) Quantsmith',
        tooltip: [
          'The worker stopped:',
          state.reason.message,
          ...(state.reason.hint === undefined ? [] : [state.reason.hint]),
          'It starts again when it is needed. Click to see the log or to restart it now.',
        ],
        label: `Quantsmith: the worker stopped. ${state.reason.message}`,
        isWarning: true,
      };
  }
}

/** One short line above the menu of the item: the tooltip is too long for it and would be cut. */
export function menuHint(state: WorkerState, job: { title: string; percent: number | undefined } | undefined): string {
  const [first = ''] = statusText(state, job).tooltip;
  return state.kind === 'crashed' && !job ? sentence(state.reason.message) : first;
}

function ready(tooltip: readonly string[]): StatusText {
  return { text: '$(circuit-board) Quantsmith', tooltip, label: `Quantsmith: ${tooltip.join(' ')}`, isWarning: false };
}

function backendLines(state: WorkerState): string[] {
  if (state.kind !== 'idle' && state.kind !== 'busy') return [];
  const { backend, isa, notes } = state.status;
  // The notes say what is used and why; they are short lines of a log.
  if (notes.length > 0) return notes.map(note => sentence(note.charAt(0).toUpperCase() + note.slice(1)));
  return [`Using ${backend === 'native' ? 'native' : 'WebAssembly'} kernels${isa === '' ? '' : ` (${isa})`}.`];
}
