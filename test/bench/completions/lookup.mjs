// Guessing from the text itself (prompt lookup) against generating token by token: the same completions in real code, in turn.
import { withEngine } from './engine.mjs';
import { cursors } from './texts.mjs';

/** As many as the worker guesses at once. */
const DRAFT = 6;
const COUNT = 48;
const BUDGET = { prefix: 512, suffix: 64 };

export function lookup({ sources, model, kernels, cases }) {
  return withEngine(sources, { ...model, kernels }, async complete => {
    const totals = { plain: { tokens: 0, seconds: 0 }, guessed: { tokens: 0, seconds: 0, steps: 0, accepted: 0 } };
    let different = 0;
    for (const cursor of cursors(cases, { before: 2500, behind: 500, seed: 3 })) {
      const plain = await complete(cursor, { count: COUNT, budget: BUDGET });
      const guessed = await complete(cursor, { count: COUNT, budget: BUDGET, draft: DRAFT });
      if (plain.ids.join() !== guessed.ids.join()) different++;
      for (const [name, { ids, generateSeconds, speculation }] of Object.entries({ plain, guessed })) {
        totals[name].tokens += ids.length;
        totals[name].seconds += generateSeconds;
        if (speculation) {
          totals[name].steps += speculation.steps;
          totals[name].accepted += speculation.accepted;
        }
      }
    }
    const speed = ({ tokens, seconds }) => tokens / seconds;
    const { plain, guessed } = totals;
    const { tokens, steps } = guessed;
    return {
      plain: speed(plain),
      guessed: speed(guessed),
      ratio: speed(guessed) / speed(plain),
      tokens,
      steps,
      different,
    };
  });
}
