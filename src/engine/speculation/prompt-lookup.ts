// Speculation by looking the last tokens up in the text itself (prompt lookup decoding, Saxena 2023): where they were seen last,
// what followed then is guessed to follow now. Costs microseconds; right where code repeats names and structure.
import type { Drafter } from './drafter.js';

/** The longest beginning that is looked for first; one token alone says too little: most of what follows it is wrong. */
const LONGEST = 5;
const SHORTEST = 2;

export class PromptLookup implements Drafter {
  draft(tokens: readonly number[], most: number): Promise<readonly number[]> {
    for (let length = LONGEST; length >= SHORTEST; length--) {
      const at = lastBefore(tokens, length);
      if (at >= 0) return Promise.resolve(tokens.slice(at, at + most));
    }
    return Promise.resolve([]);
  }
}

/** Where the text goes on after the last `length` tokens, at their latest earlier place; -1 if there is none. */
function lastBefore(tokens: readonly number[], length: number): number {
  const end = tokens.length - length;
  for (let at = end - 1; at >= 0; at--) {
    let same = 0;
    while (same < length && tokens[at + same] === tokens[end + same]) same++;
    if (same === length) return at + length;
  }
  return -1;
}
