// The time to the first text, our worker's and llama-server's, for the same cursors in turn: in a file that was not seen before, at
// the same place again, and after one more typed character.
import { median } from '../measure.mjs';
import { startServer } from './peer-server.mjs';
import { cursors } from './texts.mjs';

/** More than either prompt takes. */
const BEFORE = 5000;
const BEHIND = 1500;
const COUNT = 16;
/** Peer / ours at least, of the time to the first text. */
const GOALS = { cold: 2.5, again: undefined, typed: 4 };

export async function againstServer({ worker, model, peer, threads, runs, environment }) {
  const server = await startServer(peer, model.path, threads, environment);
  const asks = {
    ours: question => askWorker(worker, model, question),
    peer: question => server.ask(question),
  };
  const results = { ours: { cold: [], again: [], typed: [] }, peer: { cold: [], again: [], typed: [] } };
  try {
    // Both have read a prompt before they are timed.
    const [warm, ...cursorsOf] = cursors(runs + 1, { before: BEFORE, behind: BEHIND });
    for (const ask of Object.values(asks)) await ask({ ...warm, count: COUNT });
    for (const cursor of cursorsOf) {
      const question = { prefix: cursor.prefix.slice(-BEFORE), suffix: cursor.suffix.slice(0, BEHIND), count: COUNT };
      const later = { ...question, prefix: question.prefix + cursor.next, suffix: question.suffix.slice(1) };
      for (const [who, ask] of Object.entries(asks)) {
        results[who].cold.push(await ask(question));
        results[who].again.push(await ask(question));
        results[who].typed.push(await ask(later));
      }
    }
  } finally {
    server.stop();
  }
  const of = (who, what, key) => median(results[who][what].map(one => one[key]));
  const rows = Object.entries(GOALS).map(([what, goal]) => {
    const ratio = of('peer', what, 'firstMs') / of('ours', what, 'firstMs');
    return {
      what,
      'ours ms': of('ours', what, 'firstMs').toFixed(0),
      'llama-server ms': of('peer', what, 'firstMs').toFixed(0),
      'peer / ours': ratio.toFixed(1),
      goal: goal ?? '',
      met: goal === undefined ? '' : ratio >= goal ? 'yes' : 'no',
      'ours: prompt, evaluated': `${of('ours', what, 'promptTokens')}, ${of('ours', what, 'evaluated')}`,
      'peer: prompt, evaluated': `${of('peer', what, 'promptTokens')}, ${of('peer', what, 'evaluated')}`,
    };
  });
  const all = who => Object.values(results[who]).flatMap(list => list.map(({ tokenMs }) => tokenMs));
  const perToken = Object.fromEntries(['ours', 'peer'].map(who => [who, median(all(who).filter(Number.isFinite))]));
  return { rows, perToken };
}

async function askWorker(worker, model, { prefix, suffix, count }) {
  const start = performance.now();
  let firstMs;
  const answer = await worker.request(
    'completion/run',
    { model, prefix, suffix, multiline: true, maxTokens: count, budgetMs: 60_000 },
    { onProgress: () => (firstMs ??= performance.now() - start) },
  );
  const totalMs = performance.now() - start;
  return {
    ...{ text: answer.text, firstMs: firstMs ?? totalMs, totalMs, promptTokens: answer.promptTokens },
    evaluated: answer.promptTokens - answer.reusedTokens,
    tokens: answer.generatedTokens,
    tokenMs: answer.generateMs / answer.generatedTokens,
  };
}
