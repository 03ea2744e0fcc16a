// What a run did not have to compute, in a sentence for people; the editor and the command line say the same.
import { formatInteger, plural } from '../text/quantity.js';
import type { TensorOrigins } from './quantization-plan.js';

/** Empty if everything was computed or copied from the source: that is what everybody expects. */
export function originsText({ computed, reused, resumed }: TensorOrigins): string {
  if (reused + resumed === 0) return '';
  const parts = [
    ...(reused > 0 ? [`${plural(reused, 'tensor')} taken over from earlier outputs`] : []),
    ...(resumed > 0 ? [`${plural(resumed, 'tensor')} from the interrupted run`] : []),
    `${formatInteger(computed)} computed`,
  ];
  return `${parts.join(', ')}.`;
}
