// The options of "Quantize Model…" beyond type and output: THE table of what can be set there. Each value is a text, as a
// person types it and as a keybinding passes it; the empty text is the default. Pure: questions are asked in
// ask-options.ts, and what a value means beyond its form is the plan's to say.
import { GGML_TYPES, ggmlTypeByName } from '../../core/ggml/ggml-type.js';
import { parseOverride } from '../../core/quantize/metadata-override.js';
import { parseLayers } from '../../core/quantize/prune-layers.js';
import type { QuantizeOptions } from '../../core/quantize/quantization-plan.js';
import { parseRuntime } from '../../core/quantize/runtime-support.js';
import { parseTensorRule } from '../../core/quantize/tensor-rule.js';
import { parseByteSize } from '../../core/text/byte-size.js';
import type { QuantizeJob } from '../../protocol/worker-protocol.js';

/** What an option adds to a job. */
export interface JobPart extends Pick<
  Partial<QuantizeJob>,
  'includeWeights' | 'excludeWeights' | 'maxShardBytes' | 'reuse'
> {
  readonly options?: Partial<QuantizeOptions>;
  readonly keepSplit?: boolean;
}

export type ParsedWish =
  { readonly ok: true; readonly part: JobPart } | { readonly ok: false; readonly message: string };

export interface WishOption {
  readonly key: string;
  readonly label: string;
  /** What it does, in the list. */
  readonly detail: string;
  /** What the default is called. */
  readonly none: string;
  /** Values to choose from; without them a text is asked for. */
  readonly choices?: readonly { readonly value: string; readonly detail: string }[];
  /** What to type, as the prompt of the input box. */
  readonly prompt: string;
  parse(text: string): ParsedWish;
}

const accept = (part: JobPart): ParsedWish => ({ ok: true, part });
const refuse = (message: string): ParsedWish => ({ ok: false, message });
const inOptions = (options: Partial<QuantizeOptions>): ParsedWish => accept({ options });

const TYPE_CHOICES = GGML_TYPES.filter(type => type.canQuantize).map(({ name, summary }) => {
  return { value: name, detail: summary };
});

/** `a; b` -> [a, b]. */
function items(text: string): readonly string[] {
  return text
    .split(';')
    .map(part => part.trim())
    .filter(part => part !== '');
}

function typeOption(key: string, text: string, into: (type: string) => ParsedWish): ParsedWish {
  const type = ggmlTypeByName(text);
  return type?.canQuantize ? into(type.name) : refuse(`${key}: expected a tensor type such as Q6_K, found "${text}".`);
}

export const WISH_OPTIONS: readonly WishOption[] = [
  {
    key: 'rules',
    label: 'Rules for tensors',
    detail: 'Types by name, before the mixture; the first match wins',
    none: 'none',
    prompt: 'PATTERN=TYPE; … with globs or /regular expressions/, for example blk.{0..3}.*=Q8_0; /attn_v/=Q6_K',
    parse(text) {
      const rules = items(text).map(part => parseTensorRule(part, part));
      const wrong = rules.find(rule => !rule.ok);
      if (wrong) return refuse(wrong.message);
      return inOptions({ rules: rules.flatMap(parsed => (parsed.ok ? [parsed.rule] : [])) });
    },
  },
  {
    key: 'outputTensor',
    label: 'Type of the output matrix',
    detail: 'output.weight',
    none: 'as the mixture has it',
    choices: [{ value: 'keep', detail: 'leave it in the type it has' }, ...TYPE_CHOICES],
    prompt: '',
    parse(text) {
      if (text === 'keep') return inOptions({ leaveOutputTensor: true });
      return typeOption('outputTensor', text, type => inOptions({ outputTensorType: type }));
    },
  },
  {
    key: 'tokenEmbedding',
    label: 'Type of the token embedding',
    detail: 'token_embd.weight',
    none: 'as the mixture has it',
    choices: TYPE_CHOICES,
    prompt: '',
    parse: text => typeOption('tokenEmbedding', text, type => inOptions({ tokenEmbeddingType: type })),
  },
  {
    key: 'pure',
    label: 'Pure',
    detail: 'No mixture: the same type for every tensor that can have it',
    none: 'no',
    choices: [{ value: 'yes', detail: 'no mixture' }],
    prompt: '',
    parse: text => (text === 'yes' ? inOptions({ pure: true }) : refuse('pure: expected yes.')),
  },
  {
    key: 'fallback',
    label: 'Rows that do not fit a type',
    detail: 'What tensors get whose rows are no multiple of the block size',
    none: 'the next larger type, as llama-quantize does',
    choices: [{ value: 'error', detail: 'stop before anything is written' }, ...TYPE_CHOICES],
    prompt: '',
    parse(text) {
      if (text === 'error') return inOptions({ onFallback: 'error' });
      return typeOption('fallback', text, type => inOptions({ onFallback: type }));
    },
  },
  {
    key: 'pruneLayers',
    label: 'Layers to leave out',
    detail: 'The others are numbered anew',
    none: 'none',
    prompt: 'Numbers of layers from 0, for example 3, 7..9',
    parse(text) {
      const layers = parseLayers(text);
      return layers ? inOptions({ pruneLayers: layers }) : refuse('Expected numbers of layers such as 3, 7..9.');
    },
  },
  {
    key: 'metadata',
    label: 'Metadata',
    detail: 'Keys to set in the new file',
    none: 'as in the source',
    prompt: 'KEY=TYPE:VALUE; … for example general.name=str:My model; llama.context_length=int:8192',
    parse(text) {
      const parsed = items(text).map(parseOverride);
      const wrong = parsed.find(override => !override.ok);
      if (wrong) return refuse(`${wrong.message}.`);
      return inOptions({ metadata: parsed.flatMap(override => (override.ok ? [override.override] : [])) });
    },
  },
  {
    key: 'includeWeights',
    label: 'Importance weights only for',
    detail: 'Tensors whose names contain one of these texts',
    none: 'all tensors',
    prompt: 'Parts of names, for example ffn_down; attn_v',
    parse: text => accept({ includeWeights: items(text) }),
  },
  {
    key: 'excludeWeights',
    label: 'No importance weights for',
    detail: 'Tensors whose names contain one of these texts',
    none: 'none',
    prompt: 'Parts of names, for example attn_k; blk.0.',
    parse: text => accept({ excludeWeights: items(text) }),
  },
  {
    key: 'runtime',
    label: 'What shall read it',
    detail: 'Types that this build of llama.cpp cannot read are refused',
    none: 'the newest llama.cpp',
    prompt: 'A build such as llama.cpp@b3887',
    parse: text =>
      parseRuntime(text) === undefined
        ? refuse('Expected a build such as llama.cpp@b3887.')
        : inOptions({ runtime: text }),
  },
  {
    key: 'split',
    label: 'Files',
    detail: 'Into how many files the new model is divided',
    none: 'one file',
    prompt: '"keep" for as many as the source has, or the largest size of one: 4G, 500M, 2GiB',
    parse(text) {
      if (text === 'keep') return accept({ keepSplit: true });
      const bytes = parseByteSize(text);
      return bytes === undefined ? refuse('Expected keep, or a size such as 4G.') : accept({ maxShardBytes: bytes });
    },
  },
  {
    key: 'earlier',
    label: 'Earlier outputs',
    detail: 'Tensors that would come out the same need not be computed again',
    none: 'tensors are taken over from them',
    choices: [{ value: 'ignore', detail: 'compute every tensor, and keep no record of this output' }],
    prompt: '',
    parse: text => (text === 'ignore' ? accept({ reuse: false }) : refuse('earlier: expected ignore.')),
  },
];

/** Texts by key of {@link WISH_OPTIONS}; a key that is absent has its default. */
export type Wishes = Readonly<Record<string, string>>;

/** All of them together; the message of the first that cannot be understood otherwise. */
export function parseWishes(wishes: Wishes): ParsedWish {
  let part: JobPart = {};
  for (const [key, text] of Object.entries(wishes)) {
    if (text.trim() === '') continue;
    const option = WISH_OPTIONS.find(candidate => candidate.key === key);
    if (!option) return refuse(`${key} is not an option; there are ${WISH_OPTIONS.map(row => row.key).join(', ')}.`);
    const parsed = option.parse(text.trim());
    if (!parsed.ok) return parsed;
    part = { ...part, ...parsed.part, options: { ...part.options, ...parsed.part.options } };
  }
  return accept(part);
}

/** Which are set, by their labels; empty for none. */
export function wishesText(wishes: Wishes): string {
  const set = WISH_OPTIONS.filter(({ key }) => (wishes[key] ?? '').trim() !== '').map(({ label }) => label);
  return set.join(', ');
}
