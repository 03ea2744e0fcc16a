// Can a model fill in a middle? Having the tokens proves nothing: many vocabularies have them and the weights never saw them. So
// the model is asked how likely it finds known middles, in three ways:
//   right   with the suffix that belongs to it        `PRE prefix SUF suffix MID`
//   wrong   with the suffix of another case
//   plain   after the prefix alone, without any of the tokens
// Whoever reads the suffix finds `right` likelier than `wrong`. That alone is not enough: a model copies names from whatever
// stands before. But one that does not know the tokens goes on behind the suffix, not behind the prefix, and so finds the middle
// less likely than after the prefix alone. Measured in nats per token, `wrong - right` and `plain - right`: the example model
// 1.2 and 1.2; random weights 0.0 and 0.0. With other control tokens in place of its own the example model still gains 1.0 by
// `wrong - right`; by `plain - right` 40 random triples of its tokens gain -0.3 in the median, a few of them more than 0.5.
import type { CursorText } from './fim-prompt.js';

/** A text with a known middle, written so that what follows says something about it that what precedes does not. */
export interface FimCase extends CursorText {
  readonly middle: string;
}

const textCase = (marked: string): FimCase => {
  const [prefix = '', middle = '', suffix = ''] = marked.split('│');
  return { prefix, middle, suffix };
};

/** Small, because all are read before the first completion, some 340 tokens; different, so that each is a wrong one for the next. */
export const FIM_CASES: readonly FimCase[] = [
  textCase('def area(width, height):\n    │result = width * height│\n    return result\n'),
  textCase('import │json│\n\n\ndef load(path):\n    with open(path) as file:\n        return json.load(file)\n'),
  textCase(
    'function sum(values) {\n  let │total = 0│;\n  for (const value of values) {\n    total += value;\n  }\n  return total;\n}\n',
  ),
  textCase('export class Point {\n  constructor(\n    │readonly x: number│,\n    readonly y: number,\n  ) {}\n}\n'),
  textCase('for │name, price│ in items:\n    print(name, price)\n'),
  textCase('if (│count > 0│) {\n  return total / count;\n}\n'),
];

/** Pieces of files, of which each says the middle of one of the cases below, and nothing else does. */
export const OTHER_FILES = {
  repository: 'shop',
  pieces: [
    {
      name: 'shop/prices.py',
      text: 'TAX_RATE = 0.19\n\n\ndef gross_price(net_price):\n    return net_price * (1 + TAX_RATE)\n',
    },
    {
      name: 'web/task-queue.ts',
      text: 'export class TaskQueue {\n  enqueueTask(task: Task): void {\n    this.tasks.push(task);\n  }\n}\n',
    },
  ],
};

export const FILES_CASES: readonly (FimCase & { readonly file: string })[] = [
  { file: 'shop/cart.py', ...textCase('from shop.prices import │gross_price│\n\n\ndef total(items):\n') },
  { file: 'web/main.ts', ...textCase('const queue = new TaskQueue();\nqueue.│enqueueTask(task)│;\n') },
];

/** Mean negative log-likelihood per token of a case's middle, in nats. */
export interface FimScore {
  readonly right: number;
  readonly wrong: number;
  readonly plain: number;
}

/** Nats per token that the right suffix is worth, against a wrong one and against none: means over the cases. */
export interface FimVerdict {
  readonly canFill: boolean;
  readonly overWrong: number;
  readonly overPlain: number;
}

/** See above; a model trained for it is far over this, because the cases' middles follow from their suffixes. */
export const LEAST_GAIN = 0.5;

export function judgeFim(scores: readonly FimScore[]): FimVerdict {
  const mean = (of: (score: FimScore) => number): number =>
    scores.reduce((sum, score) => sum + of(score), 0) / scores.length;
  const overWrong = mean(({ right, wrong }) => wrong - right);
  const overPlain = mean(({ right, plain }) => plain - right);
  // Written so that NaN, which damaged weights give, is a no.
  return { canFill: overWrong >= LEAST_GAIN && overPlain >= LEAST_GAIN, overWrong, overPlain };
}
