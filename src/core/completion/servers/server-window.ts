// How much of the text around a cursor a server gets. Its tokens cannot be counted here, so it is counted in characters: code
// has 3 to 4 of them in a token, and what is too much a server cuts itself.
import { affordableBudget, LARGEST_BUDGET, windowStart, type CursorText } from '../fim-prompt.js';

const CHARACTERS_PER_TOKEN = 4;

/**
 * The text near a cursor as JSON can carry it: half of a character, where a text was cut, llama-server refuses.
 * @param tokensPerSecond that the server reads prompts at; undefined as long as that is not known
 */
export function serverWindow({ prefix, suffix }: CursorText, tokensPerSecond: number | undefined): CursorText {
  const budget = tokensPerSecond === undefined ? LARGEST_BUDGET : affordableBudget('prefix-first', tokensPerSecond);
  return {
    // Not by the speed: another beginning would have everything evaluated anew.
    prefix: wellFormed(prefix.slice(windowStart(prefix.length, LARGEST_BUDGET.prefix * CHARACTERS_PER_TOKEN))),
    suffix: wellFormed(suffix.slice(0, budget.suffix * CHARACTERS_PER_TOKEN)),
  };
}

function wellFormed(text: string): string {
  return text.replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '').replaceAll(/\p{Cs}/gu, '\uFFFD');
}
