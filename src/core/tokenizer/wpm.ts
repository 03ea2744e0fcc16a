// WordPiece (BERT): text is normalized and cut at white space, punctuation and Han characters; each word, with a ▁ before it,
// becomes the longest tokens from left to right, or the unknown token if that does not work out.
import { ByteBuffer, type IntBuffer } from './byte-strings.js';
import {
  baseCharacter,
  codePointClasses,
  CONTROL,
  decodeLenient,
  encodeCodePoint,
  lowerCase,
  MARK,
  PUNCTUATION,
  REPLACEMENT,
  SYMBOL,
  WHITESPACE,
} from './unicode.js';
import type { Vocabulary } from './vocabulary.js';
import { WordCache } from './word-cache.js';

/** Longer tokens are not found, so that looking ahead is bounded; BERT's longest has 57 bytes. */
const MAX_PIECE_BYTES = 512;

export class WordPieceEncoder {
  private readonly cache = new WordCache();

  constructor(private readonly vocabulary: Vocabulary) {}

  /** Appends the tokens of a text without special tokens. */
  encode(bytes: Uint8Array, output: IntBuffer): void {
    const { lowercase, stripAccents } = this.vocabulary;
    const classes = codePointClasses();
    const word = new ByteBuffer();
    const character = new Uint8Array(4);
    const finish = (): void => {
      const first = output.length;
      if (word.length > 0 && !this.cache.recall(word.bytes, 0, word.length, output)) {
        this.encodeWord(word.view(), output);
        this.cache.remember(word.bytes, 0, word.length, output, first);
      }
      word.length = 0;
    };
    for (const found of decodeLenient(bytes).codePoints) {
      const cp = stripAccents ? baseCharacter(found) : found;
      const bits = classes[cp] as number;
      if (bits & WHITESPACE) {
        finish();
        continue;
      }
      if (cp === 0 || cp === REPLACEMENT || bits & CONTROL || (stripAccents && bits & MARK)) continue;
      const alone = bits & PUNCTUATION || (cp < 0x7f && bits & SYMBOL) || isHan(cp);
      if (alone) finish();
      word.append(character, 0, encodeCodePoint(lowercase ? lowerCase(cp) : cp, character, 0));
      if (alone) finish();
    }
    finish();
  }

  private encodeWord(word: Uint8Array, output: IntBuffer): void {
    const { byText, roles } = this.vocabulary;
    const longest = Math.min(this.vocabulary.longest, MAX_PIECE_BYTES);
    const text = new Uint8Array(word.length + 3);
    text.set([0xe2, 0x96, 0x81]);
    text.set(word, 3);
    const first = output.length;
    for (let at = 0; at < text.length;) {
      let best = -1;
      let bestEnd = at;
      byText.prefixes(text, at, Math.min(text.length, at + longest), (token, end) => {
        best = token;
        bestEnd = end;
      });
      if (best < 0) {
        output.length = first;
        break;
      }
      output.push(best);
      at = bestEnd;
    }
    if (output.length === first && roles.unk >= 0) output.push(roles.unk);
  }
}

/** The ideographs that BERT cuts at; 2B820 … 2B91F are missing in the original, too. */
function isHan(cp: number): boolean {
  return (
    (cp >= 0x4e00 && cp <= 0x9fff) ||
    (cp >= 0x3400 && cp <= 0x4dbf) ||
    (cp >= 0x20000 && cp <= 0x2a6df) ||
    (cp >= 0x2a700 && cp <= 0x2b81f) ||
    (cp >= 0x2b920 && cp <= 0x2ceaf) ||
    (cp >= 0xf900 && cp <= 0xfaff) ||
    (cp >= 0x2f800 && cp <= 0x2fa1f)
  );
}
