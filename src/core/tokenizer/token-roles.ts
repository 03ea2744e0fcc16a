// Which tokens mean something to a program: begin and end of a text, turns, fill-in-the-middle, and what ends a generation.
// Their ids come from metadata or, where a converter left them out, from the texts that model families use. Rules and names
// are llama.cpp's. One difference: where several texts of one role are in a vocabulary, the first of the list here counts;
// llama.cpp takes whichever its hash table shows first.

/** A role, the metadata keys that give its token's id (later ones win), and the texts it is recognized by otherwise. */
interface Role {
  readonly name: string;
  readonly keys: readonly string[];
  readonly texts: readonly string[];
}

const id = (key: string): string => `tokenizer.ggml.${key}_token_id`;

export const ROLES = [
  { name: 'bos', keys: [id('bos')], texts: [] },
  { name: 'eos', keys: [id('eos')], texts: [] },
  {
    name: 'eot',
    keys: [id('eot')],
    texts: [
      '<|eot_id|>',
      '<|im_end|>',
      '<|end|>',
      '<end_of_turn>',
      '<|endoftext|>',
      '<|end_of_text|>',
      '<EOT>',
      '_<EOT>',
      '[EOT]',
      '<｜end▁of▁sentence｜>',
      '<end_of_utterance>',
    ],
  },
  { name: 'eom', keys: [id('eom')], texts: ['<|eom_id|>'] },
  { name: 'unk', keys: [id('unknown')], texts: [] },
  { name: 'sep', keys: [id('seperator')], texts: [] },
  { name: 'pad', keys: [id('padding')], texts: [] },
  { name: 'mask', keys: [id('mask')], texts: [] },
  {
    name: 'fimPrefix',
    keys: [id('fim_pre'), id('prefix')],
    texts: [
      '<|fim_prefix|>',
      '<fim-prefix>',
      '<fim_prefix>',
      '<｜fim▁begin｜>',
      '<PRE>',
      '▁<PRE>',
      '<|code_prefix|>',
      '<|prefix|>',
      '<|plamo:fim_prefix|>',
    ],
  },
  {
    name: 'fimSuffix',
    keys: [id('fim_suf'), id('suffix')],
    texts: [
      '<|fim_suffix|>',
      '<fim-suffix>',
      '<fim_suffix>',
      '<｜fim▁hole｜>',
      '<SUF>',
      '▁<SUF>',
      '<|code_suffix|>',
      '<|suffix|>',
      '<|plamo:fim_suffix|>',
    ],
  },
  {
    name: 'fimMiddle',
    keys: [id('fim_mid'), id('middle')],
    texts: [
      '<|fim_middle|>',
      '<fim-middle>',
      '<fim_middle>',
      '<｜fim▁end｜>',
      '<MID>',
      '▁<MID>',
      '<|code_middle|>',
      '<|middle|>',
      '<|plamo:fim_middle|>',
    ],
  },
  { name: 'fimPad', keys: [id('fim_pad')], texts: ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'] },
  {
    name: 'fimRepo',
    keys: [id('fim_rep')],
    texts: ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'],
  },
  { name: 'fimSeparator', keys: [id('fim_sep')], texts: ['<|file_sep|>', '<|plamo:file_separator|>'] },
] as const satisfies readonly Role[];

export type RoleName = (typeof ROLES)[number]['name'];

/** Tokens by role; a role that a vocabulary has no token for is -1. */
export type TokenRoles = Readonly<Record<RoleName, number>>;

/** Texts of tokens that end a generation, in any vocabulary that has them. */
export const END_OF_GENERATION: readonly string[] = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '<｜end▁of▁sentence｜>',
  '[e~[',
  '<|ifm|im_end|>',
];

/** Parts of the output of gpt-oss that are text to be seen, whatever their type says. */
export const ALWAYS_SHOWN: readonly string[] = ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>'];

/** Default ids by tokenizer model, where metadata gives none. */
export const DEFAULT_ROLES: Readonly<Record<string, Partial<TokenRoles>>> = {
  llama: { bos: 1, eos: 2, unk: 0 },
  bert: { bos: 101, unk: 100, sep: 102, pad: 0, mask: 103 },
  gpt2: { bos: 11, eos: 11 },
  gemma4: {},
  whitespace: { bos: 11, eos: 11 },
};
