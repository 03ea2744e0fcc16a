// Remembers which tokens a short word became: of a text in any language most words come again, and looking one up costs a
// tenth of merging it anew. Memory is fixed: when the words or their tokens do not fit any more, all are forgotten.
import { hashBytes, type IntBuffer } from './byte-strings.js';

const SLOTS = 1 << 15;
/** Longer words hardly come twice, and hashing them costs what it saves. */
const MAX_WORD = 48;
const POOL_BYTES = 1 << 19;

export class WordCache {
  /** Per slot: start and length of the word in `words`, start and count of its tokens in `tokens`. Length 0: empty. */
  private readonly slots = new Int32Array(SLOTS * 4);
  private readonly words = new Uint8Array(POOL_BYTES);
  private wordsUsed = 0;
  private readonly tokens = new Int32Array(POOL_BYTES / 2);
  private tokensUsed = 0;
  /** Where `remember` puts the word that `recall` did not find. */
  private slot = -1;

  /** Appends the tokens of `bytes[start … end)` to `output`, if they are known. */
  recall(bytes: Uint8Array, start: number, end: number, output: IntBuffer): boolean {
    const length = end - start;
    this.slot = -1;
    if (length > MAX_WORD) return false;
    const { slots, words } = this;
    this.slot = (hashBytes(bytes, start, end) & (SLOTS - 1)) * 4;
    if (slots[this.slot + 1] !== length) return false;
    const from = slots[this.slot] as number;
    for (let i = 0; i < length; i++) if (words[from + i] !== bytes[start + i]) return false;
    const first = slots[this.slot + 2] as number;
    const last = first + (slots[this.slot + 3] as number);
    for (let i = first; i < last; i++) output.push(this.tokens[i] as number);
    return true;
  }

  /** Keeps the tokens from `first` on in `output` for the word that was just asked for. */
  remember(bytes: Uint8Array, start: number, end: number, output: IntBuffer, first: number): void {
    if (this.slot < 0) return;
    const count = output.length - first;
    if (this.wordsUsed + end - start > this.words.length || this.tokensUsed + count > this.tokens.length) this.forget();
    this.slots[this.slot] = this.wordsUsed;
    this.slots[this.slot + 1] = end - start;
    this.slots[this.slot + 2] = this.tokensUsed;
    this.slots[this.slot + 3] = count;
    for (let i = start; i < end; i++) this.words[this.wordsUsed++] = bytes[i] as number;
    for (let i = first; i < output.length; i++) this.tokens[this.tokensUsed++] = output.values[i] as number;
  }

  private forget(): void {
    this.slots.fill(0);
    this.wordsUsed = 0;
    this.tokensUsed = 0;
  }
}
