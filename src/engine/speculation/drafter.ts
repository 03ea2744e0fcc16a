// Guessing what comes next, so that several tokens are evaluated in the time of one: a step reads all weights whether it has
// one token or eight. The model checks every guess, in one step; what it would not have chosen is dropped. So a guess can cost
// time, but never changes a text.

/** How many tokens were guessed, and how many of them the model chose, too; in how many steps after the prompt. */
export interface Speculation {
  readonly drafted: number;
  readonly accepted: number;
  readonly steps: number;
}

export interface Drafter {
  /**
   * Tokens that may follow `tokens`, `most` of them or fewer, each an id of the model that checks them.
   * @throws QuantsmithError and the signal's reason, as a step does
   */
  draft(tokens: readonly number[], most: number, signal: AbortSignal): Promise<readonly number[]>;
}
