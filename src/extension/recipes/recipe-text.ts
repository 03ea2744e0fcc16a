// The text of a new recipe for a model: what must be there, and a commented example of a rule. Pure.
import * as path from 'node:path';
import { parseShardName, shardName } from '../../core/gguf/shards.js';
import { defaultOutput } from '../quantize/output-name.js';

/** The file that stands for a whole model: the first shard, whichever is given; any other file itself. */
export function firstFile(model: string): string {
  const shard = parseShardName(model);
  return shard === undefined ? model : shardName(shard.prefix, 1, shard.count);
}

/**
 * Beside the model, named after it without its shard number: `big-f16-00002-of-00003.gguf` gives `big-f16.quant.yaml`,
 * and with `number` 2 `big-f16-2.quant.yaml`.
 */
export function recipePathFor(model: string, number: number): string {
  const stem =
    parseShardName(model)?.prefix ?? path.join(path.dirname(model), path.basename(model, path.extname(model)));
  return `${stem}${number === 1 ? '' : `-${number}`}.quant.yaml`;
}

/** For `model`, or the model that it is a shard of. `folder` is where the recipe will lie; its paths are relative to that. */
export function newRecipeText(model: string, fileType: string, folder: string): string {
  const source = firstFile(model);
  const output = defaultOutput(source, fileType);
  return `# ${path.basename(source)} as ${fileType}. Run it with "Quantsmith: Run Recipe", as a task, or with \`quantsmith run\`.
recipe: 1
source: ${yamlText(relative(folder, source))}
output: ${yamlText(relative(folder, output))}
type: ${fileType}

# Exceptions to what ${fileType} chooses: the first rule that matches a tensor's name decides.
rules:
  # The embedding is read once per token; more bits there cost little speed.
  - tensors: token_embd.weight
    type: Q8_0
`;
}

function relative(folder: string, file: string): string {
  return path.relative(folder, file).replaceAll('\\', '/');
}

/** Plain where YAML reads it back as the same text, otherwise in single quotes. */
export function yamlText(text: string): string {
  const isPlain = /^[A-Za-z0-9_./][A-Za-z0-9_./ +@()-]*$/.test(text) && !/\s$/.test(text);
  const looksTyped = /^(?:[-+.\d_eExXoO]+|true|false|yes|no|on|off|null|~)$/i.test(text);
  return isPlain && !looksTyped ? text : `'${text.replaceAll("'", "''")}'`;
}
