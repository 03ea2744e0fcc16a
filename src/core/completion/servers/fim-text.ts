// A fill-in-the-middle prompt as text, for servers that take nothing else. The family is a choice of the user: of a server's model
// only the name is known, and a name says nothing. Tokens in the text around the cursor, as in this project's own sources, would be
// taken for the prompt's own: a server cannot tell them apart, so they are left out.
import { FIM_FAMILIES, type FimFamily } from '../fim-families.js';
import type { CursorText } from '../fim-prompt.js';

export function fimFamilyByName(name: string): FimFamily | undefined {
  return FIM_FAMILIES.find(family => family.name === name);
}

/** SentencePiece writes a space before a token as this. */
const SPACE = '▁';

export function fimText(family: FimFamily, { prefix, suffix }: CursorText): string {
  const [before, after] = [prefix, suffix].map(text => without(text, tokensOf(family))) as [string, string];
  const { middle = '' } = family;
  if (family.prefix.startsWith(SPACE)) {
    // Code Llama: `<PRE> prefix <SUF>suffix <MID>`.
    const [pre, suf, mid] = [family.prefix, family.suffix, middle].map(text => text.replace(SPACE, ''));
    return `${pre ?? ''} ${before} ${suf ?? ''}${after} ${mid ?? ''}`;
  }
  return family.order === 'prefix-first'
    ? family.prefix + before + family.suffix + after + middle
    : family.suffix + after + family.prefix + before + middle;
}

/** How many tokens {@link fimText} has of no text at all, if the server knows them: BOS and EOS may be added. */
export function mostEmptyTokens({ middle }: FimFamily): number {
  return (middle === undefined ? 2 : 3) + 2;
}

/** What a middle ends before; servers take few of them. */
export function fimStops(family: FimFamily): readonly string[] {
  const most = 4;
  return [...family.ends, ...tokensOf(family)].map(text => text.replace(SPACE, '')).slice(0, most);
}

function tokensOf({ prefix, suffix, middle }: FimFamily): readonly string[] {
  return [prefix, suffix, ...(middle === undefined ? [] : [middle])].map(text => text.replace(/^▁/, ''));
}

function without(text: string, tokens: readonly string[]): string {
  let rest = text;
  // Once more, as long as leaving one out has made another.
  for (let before = ''; before !== rest;) {
    before = rest;
    for (const token of tokens) rest = rest.replaceAll(token, '');
  }
  return rest;
}
