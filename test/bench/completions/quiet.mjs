// How long the worker goes on computing after a completion was cancelled: its processor time, looked at every 2 ms.
import { setTimeout as sleep } from 'node:timers/promises';
import { processorSeconds } from './processor-time.mjs';
import { cursors } from './texts.mjs';

/** Looked at for so long. */
const WATCHED_MS = 300;
/** Less than this in a look is no computing: messages, timers, this look itself. */
const NOTHING_MS = 0.3;

/** Milliseconds from each of `runs` cancellations, one in a prompt and one in a generation in turn, to the last computing. */
export async function quietAfterCancel({ worker, model, runs }) {
  const quiet = [];
  for (const [i, { prefix, suffix }] of cursors(runs, { before: 2000, behind: 500, seed: 7 }).entries()) {
    const controller = new AbortController();
    const inGeneration = i % 2 === 1;
    let start = () => undefined;
    const generating = new Promise(resolve => (start = resolve));
    const request = { model, prefix: prefix.slice(-2000), suffix: suffix.slice(0, 500), multiline: true };
    const answer = worker
      .request(
        'completion/run',
        { ...request, maxTokens: 256, budgetMs: 60_000 },
        { signal: controller.signal, onProgress: start },
      )
      .then(start, () => undefined);
    await (inGeneration ? generating : sleep(150));
    const cancelled = performance.now();
    controller.abort(new Error('cancelled'));
    let last = 0;
    let before = processorSeconds(worker.pid);
    while (performance.now() - cancelled < WATCHED_MS) {
      await sleep(2);
      const now = processorSeconds(worker.pid);
      if ((now - before) * 1000 > NOTHING_MS) last = performance.now() - cancelled;
      before = now;
    }
    quiet.push(last);
    await answer;
  }
  return quiet;
}
