// THE table of recipe keys. Parsing, unknown-key suggestions, completion, hovers, the reference in docs/recipes.md and the
// JSON Schema all derive from it; a key that is not a row here does not exist. A path names a key by its place:
// `rules[].type` is the key `type` in every item of the sequence under `rules`. A richer language is more rows and, where
// needed, more kinds; what a kind accepts is decided in parse-recipe.ts.

/** The recipe versions this code understands. */
export const RECIPE_VERSION = 1;

export type ValueKind =
  | 'version'
  | 'source-path'
  | 'output-path'
  | 'imatrix-path'
  | 'file-type'
  | 'ggml-type'
  | 'tensor-pattern'
  | 'fallback'
  | 'flag'
  | 'layers'
  | 'runtime'
  | 'metadata'
  | 'size'
  | 'texts'
  | 'sequence'
  | 'mapping';

export interface RecipeKey {
  /** Where the key may stand. `rules[]` is the row of a sequence's items and has no name of its own. */
  readonly path: string;
  readonly kind: ValueKind;
  readonly required: boolean;
  /** First recipe version that has the key. */
  readonly since: number;
  /** One sentence: completion detail, first line of the hover, description in the JSON Schema. */
  readonly summary: string;
  /** Markdown that follows the summary in hovers and in the reference; empty if the summary says it all. */
  readonly doc: string;
  readonly default?: string;
  /** Values as they would be written in a recipe. */
  readonly examples: readonly string[];
  /** What completion inserts after `key:`; `$0` marks the cursor. Default: a space. */
  readonly insert?: string;
}

export const RECIPE_KEYS: readonly RecipeKey[] = [
  {
    path: 'recipe',
    kind: 'version',
    required: true,
    since: 1,
    summary: 'Version of the recipe language.',
    doc: 'Write `1`. A recipe of a newer version is refused rather than half understood.',
    examples: ['1'],
    insert: ' 1',
  },
  {
    path: 'source',
    kind: 'source-path',
    required: true,
    since: 1,
    summary: 'The model to quantize: a GGUF file, or the first shard of a split one.',
    doc:
      'A relative path starts at the folder of the recipe. The editor reads the header of this file to show which tensors ' +
      'each rule matches.',
    examples: ['./model-f16.gguf', '../models/model-f16-00001-of-00003.gguf'],
  },
  {
    path: 'output',
    kind: 'output-path',
    required: true,
    since: 1,
    summary: 'The GGUF file to write.',
    doc:
      'A relative path starts at the folder of the recipe. The file appears under this name only when it is complete. An ' +
      'existing file is replaced only when you ask for it (`--overwrite`).',
    examples: ['./model-Q4_K_M.gguf'],
  },
  {
    path: 'type',
    kind: 'file-type',
    required: true,
    since: 1,
    summary: 'File type: the mixture that decides the type of every tensor no rule matches.',
    doc: 'The names llama-quantize takes, in any case. `Q4_K_M` mixes `Q4_K` and `Q6_K` tensors; see the completion list for sizes.',
    examples: ['Q4_K_M', 'Q8_0', 'F16'],
  },
  {
    path: 'rules',
    kind: 'sequence',
    required: false,
    since: 1,
    summary: 'Tensor types that differ from the mixture; the first rule that matches a tensor wins.',
    doc:
      'A list of `tensors` and `type`. Tensors that are never quantized (one-dimensional tensors, norms, a few others that ' +
      'llama-quantize copies too) keep their type whatever a rule says.',
    default: 'no rules',
    examples: ['[{tensors: token_embd.weight, type: Q8_0}]'],
    insert: '\n  - tensors: $0',
  },
  {
    path: 'rules[]',
    kind: 'mapping',
    required: false,
    since: 1,
    summary: 'One rule: which tensors, and the type they get.',
    doc: '',
    examples: ['{tensors: blk.*.ffn_down.weight, type: Q6_K}'],
  },
  {
    path: 'rules[].tensors',
    kind: 'tensor-pattern',
    required: true,
    since: 1,
    summary: 'Which tensors the rule is for: a glob over the whole name, or a regular expression between slashes.',
    doc:
      'In a glob `*` stands for any run of characters, `?` for one, `[0-3]` for one of a set, `{0..7}` for a range of numbers ' +
      'and `{attn_k,attn_v}` for one of several words. A regular expression matches anywhere in the name unless it is anchored ' +
      'with `^` and `$`; one that could take forever is refused. Quote a pattern that starts with `*`, `[` or `{`, and ' +
      'inside `{…}` one that contains brackets, braces or a comma.',
    examples: ['token_embd.weight', 'blk.*.attn_v.weight', "'*.ffn_down.weight'", '/attn_(k|v)\\.weight$/'],
  },
  {
    path: 'rules[].type',
    kind: 'ggml-type',
    required: true,
    since: 1,
    summary: 'The tensor type the matched tensors get.',
    doc: 'A ggml tensor type such as `Q6_K`, in any case; not a file type such as `Q4_K_M`, which is a mixture.',
    examples: ['Q6_K', 'Q8_0', 'F16'],
  },
  {
    path: 'imatrix',
    kind: 'imatrix-path',
    required: false,
    since: 1,
    summary: 'Importance matrix: which weights matter, measured on text.',
    doc:
      'A `.gguf` or legacy `.dat` file as llama-imatrix writes it. A relative path starts at the folder of the recipe. ' +
      'With it, weights that see large activations are rounded more carefully.',
    default: 'none',
    examples: ['./model.imatrix.gguf'],
  },
  {
    path: 'fallback',
    kind: 'fallback',
    required: false,
    since: 1,
    summary: 'What to do with a tensor whose row length is no multiple of the block size of its type.',
    doc:
      '- `promote`: take the next larger type that fits, exactly as llama-quantize does (`Q4_K` becomes `Q5_0`, `Q6_K` becomes `Q8_0`)\n' +
      '- `error`: stop before anything is written\n' +
      '- a tensor type such as `Q8_0`: use it for these tensors',
    default: 'promote',
    examples: ['promote', 'error', 'Q8_0'],
  },
  {
    path: 'include_weights',
    kind: 'texts',
    required: false,
    since: 1,
    summary: 'Use importance weights only for tensors whose name contains one of these texts.',
    doc: 'One text or a list. The same as `--include-weights`.',
    default: 'all tensors',
    examples: ['ffn_down', '[attn_v, ffn_down]'],
  },
  {
    path: 'exclude_weights',
    kind: 'texts',
    required: false,
    since: 1,
    summary: 'Use no importance weights for tensors whose name contains one of these texts.',
    doc: 'One text or a list. The same as `--exclude-weights`.',
    default: 'none',
    examples: ['attn_k', '[attn_k, blk.0.]'],
  },
  {
    path: 'pure',
    kind: 'flag',
    required: false,
    since: 1,
    summary: 'No mixture: every tensor that no rule takes gets the default type of the file type.',
    doc: '',
    default: 'false',
    examples: ['true'],
  },
  {
    path: 'output_tensor_type',
    kind: 'ggml-type',
    required: false,
    since: 1,
    summary: 'The type of `output.weight`, whatever the rules say.',
    doc: '',
    default: 'what rules and mixture give',
    examples: ['Q8_0'],
  },
  {
    path: 'token_embedding_type',
    kind: 'ggml-type',
    required: false,
    since: 1,
    summary: 'The type of `token_embd.weight`, whatever the rules say.',
    doc: '',
    default: 'what rules and mixture give',
    examples: ['Q8_0'],
  },
  {
    path: 'leave_output_tensor',
    kind: 'flag',
    required: false,
    since: 1,
    summary: 'Keep `output.weight` in the type it has.',
    doc: '',
    default: 'false',
    examples: ['true'],
  },
  {
    path: 'allow_requantize',
    kind: 'flag',
    required: false,
    since: 1,
    summary: 'Accept a source that is quantized already, or was before it was written as floats again.',
    doc: 'Quantizing again adds a second error to that of the first; a model made from the original is better.',
    default: 'false',
    examples: ['true'],
  },
  {
    path: 'prune_layers',
    kind: 'layers',
    required: false,
    since: 1,
    summary: 'Layers to leave out, as the source numbers them from 0; the others are numbered anew.',
    doc: 'One number, a range such as `3..5`, or a list of them. Rules see the new numbers.',
    default: 'none',
    examples: ['11', '[3, 7..9]'],
  },
  {
    path: 'metadata',
    kind: 'metadata',
    required: false,
    since: 1,
    summary: 'Metadata to set in the output: key to `TYPE:VALUE`.',
    doc:
      'Types are `str`, `bool`, `int` (a u32), `float` (an f32), as in llama-quantize, or the exact types of GGUF: `u8` … `i64`, ' +
      '`f32`, `f64`. Hyper-parameters set here are those the mixture sees.',
    default: 'none',
    examples: ['{general.name: str:My model, llama.context_length: int:8192}'],
    insert: '\n  general.name: str:$0',
  },
  {
    path: 'runtime',
    kind: 'runtime',
    required: false,
    since: 1,
    summary: 'What shall read the result: a build of llama.cpp. Types it cannot read are an error.',
    doc: '`llama-cli --version` names the build; node-llama-cpp and others say in their release notes which they ship.',
    default: 'the newest',
    examples: ['llama.cpp@b3887'],
  },
  {
    path: 'keep_split',
    kind: 'flag',
    required: false,
    since: 1,
    summary: 'Write as many files as the source has.',
    doc: '',
    default: 'false, one file',
    examples: ['true'],
  },
  {
    path: 'max_shard_size',
    kind: 'size',
    required: false,
    since: 1,
    summary: 'Divide the output into files of at most this size.',
    doc: '`M` and `G` are powers of 1000, `MiB` and `GiB` of 1024.',
    default: 'one file',
    examples: ['4G', '500M'],
  },
];

/** The fixed words of `fallback`; a tensor type is allowed beside them. */
export const FALLBACK_WORDS: readonly { readonly word: string; readonly summary: string }[] = [
  { word: 'promote', summary: 'take the next larger type that fits, as llama-quantize does' },
  { word: 'error', summary: 'stop before anything is written' },
];

const byPath = new Map(RECIPE_KEYS.map(key => [key.path, key]));

/** The row of a key or sequence item by its path; undefined for a place the language does not have. */
export function recipeKey(path: string): RecipeKey | undefined {
  return byPath.get(path);
}

/** The path of `name` inside the mapping at `parent`; the recipe itself is `''`. */
export function childPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}.${name}`;
}

/** Last part of a key's path: what the user writes. */
export function keyName(key: RecipeKey): string {
  return key.path.slice(key.path.lastIndexOf('.') + 1);
}

/** The keys of the mapping at a path, in table order. */
export function childKeys(parent: string): readonly RecipeKey[] {
  const prefix = parent === '' ? '' : `${parent}.`;
  return RECIPE_KEYS.filter(key => {
    const rest = key.path.slice(prefix.length);
    return key.path.startsWith(prefix) && rest !== '' && !rest.includes('.') && !rest.endsWith('[]');
  });
}
