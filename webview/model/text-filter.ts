// What a person types into a search field: plain words (all must occur, in any case), or /regex/ or /regex/i. A pattern
// that is not finished yet is reported, not thrown; the caller goes on showing what it showed.

export interface TextFilter {
  /** Whether a row with these texts is shown. */
  matches(...texts: readonly string[]): boolean;
  /** Why the pattern cannot be used; everything matches then. */
  readonly error?: string;
  readonly active: boolean;
}

/** A pattern typed here runs against names from the file: longer names are matched by their beginning only. */
const MAX_REGEX_INPUT = 1024;

export function parseTextFilter(query: string): TextFilter {
  const trimmed = query.trim();
  const pattern = /^\/(.*)\/([a-z]*)$/su.exec(trimmed);
  if (pattern) return regexFilter(pattern[1] ?? '', pattern[2] ?? '');
  const words = trimmed.toLowerCase().split(/\s+/u).filter(Boolean);
  return {
    active: words.length > 0,
    matches: (...texts) => {
      const lower = texts.map(text => text.toLowerCase());
      return words.every(word => lower.some(text => text.includes(word)));
    },
  };
}

function regexFilter(source: string, flags: string): TextFilter {
  try {
    // g and y would make test() depend on the call before.
    const regex = new RegExp(source, flags.replace(/[gy]/gu, ''));
    return { active: true, matches: (...texts) => texts.some(text => regex.test(text.slice(0, MAX_REGEX_INPUT))) };
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /u, '') : String(error);
    return { active: false, matches: () => true, error: `Not a regular expression: ${reason}` };
  }
}
