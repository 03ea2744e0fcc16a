// What a prompt says of other files, for families that were taught that there are some: the repository's name, pieces of files with
// their names, and the name of the file with the cursor.
//
//   lines   REP repository\n  SEP name\n piece  SEP name\n piece  SEP file\n PRE prefix …
//   star    REP repository    SEP name\n piece  SEP name\n piece  SEP PRE file\n prefix …
//
// llama-server writes the first, with "myproject" and "filename" for the two names it is not told, and with BOS behind the
// pieces, where no model has seen it; here BOS stands first. Without pieces a prompt says nothing of files.
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Fim } from './fim-families.js';
import { NO_FILES, type CursorText, type FilesTokens } from './fim-prompt.js';

/** A piece of another file. */
export interface FilePiece {
  /** Its path in the repository, with `/`. */
  readonly name: string;
  readonly text: string;
}

export interface OtherFiles {
  readonly repository: string;
  /** The file with the cursor, as the names of the pieces are. */
  readonly file: string;
  /** In the order of the prompt: what changes seldom first, so that it is not read again. */
  readonly pieces: readonly FilePiece[];
}

/** A cursor, and what is known of other files. */
export interface CursorPlace extends CursorText {
  readonly files?: OtherFiles;
}

/** Pieces are encoded once, not with every key: 16 of 64 lines take some 20 ms. */
const MOST_KEPT = 64;

export class OtherFilesPrompt {
  readonly #tokenizer: Tokenizer;
  readonly #fim: Fim;
  /** By text; the last used last. */
  readonly #encoded = new Map<string, Int32Array>();

  constructor(tokenizer: Tokenizer, fim: Fim) {
    this.#tokenizer = tokenizer;
    this.#fim = fim;
  }

  /** Whole pieces, the first being left out if there are too many; nothing if none fits. */
  tokens({ repository, file, pieces }: OtherFiles, budget: number): FilesTokens {
    const { files } = this.#fim;
    if (!files) return NO_FILES;
    const isStar = files.layout === 'star';
    const header =
      files.repository < 0 ? [] : [files.repository, ...this.#encode(isStar ? repository : `${repository}\n`)];
    const name = Array.from(this.#encode(`${file}\n`));
    let room = budget - header.length - name.length - 1;
    const kept: number[][] = [];
    for (const piece of pieces.toReversed()) {
      const tokens = [files.separator, ...this.#encode(`${piece.name}\n`), ...this.#encode(piece.text)];
      room -= tokens.length;
      if (room < 0) break;
      kept.unshift(tokens);
    }
    if (kept.length === 0) return NO_FILES;
    const before = [...header, ...kept.flat(), files.separator];
    return isStar ? { before, name } : { before: [...before, ...name], name: [] };
  }

  #encode(text: string): Int32Array {
    const known = this.#encoded.get(text);
    const tokens = known ?? this.#tokenizer.encode(text);
    this.#encoded.delete(text);
    this.#encoded.set(text, tokens);
    for (const oldest of this.#encoded.keys()) {
      if (this.#encoded.size <= MOST_KEPT) break;
      this.#encoded.delete(oldest);
    }
    return tokens;
  }
}
