// Which files a change of can change an opened model. Pure functions of paths.
import { parseShardName } from '../../core/gguf/shards.js';

/**
 * Whether `file` is one of the files of the model opened as `opened`: one that was read (`known`), or one that by its name
 * is another shard. A missing shard is known by name alone, and its coming completes the model.
 */
export function belongsToModel(file: string, opened: string, known: readonly string[]): boolean {
  if (file === opened || known.includes(file)) return true;
  const own = parseShardName(opened);
  const other = parseShardName(file);
  return (
    own !== undefined &&
    other?.prefix === own.prefix &&
    other.count === own.count &&
    other.number >= 1 &&
    other.number <= own.count
  );
}
