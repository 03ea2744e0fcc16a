// The time to the first text, our worker's and llama-server's, for the same cursors in turn: in a file that was not seen before, at
// the same place again, and after one more typed character. The server is asked twice: with the text around the cursor, of
// which it takes as much as it takes for itself, and with as much as our prompt has, so that both read the same tokens; the second
// time by another process, because the first would find the shorter prompt in the longer one.
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
  const results = new Map(['ours', 'peer', 'same'].map(who => [who, { cold: [], again: [], typed: [] }]));
  const [warm, ...cursorsOf] = cursors(runs + 1, { before: BEFORE, behind: BEHIND });
  for (const who of ['peer', 'same']) {
    const server = await startServer(peer, model.path, threads, environment);
    const ask = async (whose, what, question) => {
      const answer = whose === 'ours' ? await askWorker(worker, model, question) : await server.ask(question);
      results.get(whose)[what].push(answer);
      return answer;
    };
    try {
      // Both have read a prompt before they are timed.
      await askWorker(worker, model, { ...warm, count: COUNT });
      await server.ask({ ...warm, count: COUNT });
      for (const cursor of cursorsOf) {
        const question = { prefix: cursor.prefix.slice(-BEFORE), suffix: cursor.suffix.slice(0, BEHIND), count: COUNT };
        const later = { ...question, prefix: question.prefix + cursor.next, suffix: question.suffix.slice(1) };
        const ours = await ask('ours', 'cold', question);
        await ask('ours', 'again', question);
        const oursLater = await ask('ours', 'typed', later);
        const asked = (theirs, answer) => (who === 'peer' ? theirs : { ...textsOf(answer.prompt), count: COUNT });
        await ask(who, 'cold', asked(question, ours));
        await ask(who, 'again', asked(question, ours));
        await ask(who, 'typed', asked(later, oursLater));
      }
    } finally {
      server.stop();
    }
  }
  const of = (who, what, key) => median(results.get(who)[what].map(one => one[key]));
  const rows = Object.entries(GOALS).map(([what, goal]) => {
    const row = { what, 'ours ms': of('ours', what, 'firstMs').toFixed(0) };
    for (const [who, name] of [
      ['peer', 'llama-server'],
      ['same', 'same prompt'],
    ]) {
      const ratio = of(who, what, 'firstMs') / of('ours', what, 'firstMs');
      row[`${name} ms`] = of(who, what, 'firstMs').toFixed(0);
      row[`${name} / ours`] = ratio.toFixed(1);
      if (goal !== undefined) row[`${name}: met`] = ratio >= goal ? 'yes' : 'no';
    }
    const tokens = who => `${of(who, what, 'promptTokens')}, ${of(who, what, 'evaluated')}`;
    return {
      ...row,
      goal: goal ?? '',
      'tokens, evaluated': tokens('ours'),
      'llama-server': tokens('peer'),
      same: tokens('same'),
    };
  });
  const all = who => Object.values(results.get(who)).flatMap(list => list.map(({ tokenMs }) => tokenMs));
  const perToken = Object.fromEntries(['ours', 'peer'].map(who => [who, median(all(who).filter(Number.isFinite))]));
  return { rows, perToken };
}

/** What is around the cursor in a prompt of Qwen Coder's form, which the example model has. */
function textsOf(prompt) {
  const [, prefix, suffix] = /^<\|fim_prefix\|>([^]*)<\|fim_suffix\|>([^]*)<\|fim_middle\|>$/.exec(prompt) ?? [];
  if (prefix === undefined) throw new Error(`expected <|fim_prefix|>…<|fim_suffix|>…<|fim_middle|>, found ${prompt}`);
  return { prefix, suffix };
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
    ...{ prompt: answer.prompt, firstMs: firstMs ?? totalMs, promptTokens: answer.promptTokens },
    evaluated: answer.promptTokens - answer.reusedTokens,
    tokenMs: answer.generateMs / answer.generatedTokens,
  };
}
