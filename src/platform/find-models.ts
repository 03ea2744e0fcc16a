// GGUF files in folders that people keep models in. Bounded in depth, files and folders, because such a folder may be a home; a link
// is followed, and no folder is entered twice, so that loops end. A folder that cannot be read is passed over.
import { readdir, realpath, stat } from 'node:fs/promises';
import * as os from 'node:os';
import path from 'node:path';

export interface FindLimits {
  readonly levels: number;
  readonly folders: number;
  readonly models: number;
}

/** The caches of Hugging Face and LM Studio have models five folders deep. */
export const FIND_LIMITS: FindLimits = { levels: 7, folders: 5000, models: 500 };
/** What holds no models, and many folders. */
const SKIPPED = new Set(['node_modules', '.git', '.venv', '__pycache__']);
/** Further files of a model stored in several: the first stands for all. */
export const LATER_SHARD = /-(?!00001)\d{5}-of-\d{5}\.gguf$/i;

/** A folder as in the settings; undefined if it is none: empty, or relative to nothing. */
export function expandFolder(text: string, home = os.homedir()): string | undefined {
  const folder = /^~($|[\\/])/.test(text.trim()) ? path.join(home, text.trim().slice(1)) : text.trim();
  return path.isAbsolute(folder) ? path.normalize(folder) : undefined;
}

/** Paths in order; what is nearest to the top of a folder is found first. */
export async function findModels(
  folders: readonly string[],
  signal: AbortSignal,
  limits: FindLimits = FIND_LIMITS,
): Promise<string[]> {
  const seen = new Set<string>();
  const found = new Set<string>();
  let level = folders.map(folder => path.resolve(folder));
  for (let depth = 0; depth <= limits.levels && level.length > 0; depth++) {
    const below: string[] = [];
    for (const folder of level) {
      signal.throwIfAborted();
      const real = await realpath(folder).catch(() => undefined);
      if (real === undefined || seen.has(real) || seen.size >= limits.folders) continue;
      seen.add(real);
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        const file = path.join(folder, entry.name);
        const isModel = /\.gguf$/i.test(entry.name);
        let [isFile, isFolder] = [entry.isFile(), entry.isDirectory()];
        if (entry.isSymbolicLink()) {
          const facts = await stat(file).catch(() => undefined);
          [isFile, isFolder] = [facts?.isFile() ?? false, facts?.isDirectory() ?? false];
        }
        if (isFolder && !SKIPPED.has(entry.name)) below.push(file);
        else if (isFile && isModel && !LATER_SHARD.test(entry.name) && found.size < limits.models) found.add(file);
      }
    }
    level = below;
  }
  return [...found].sort((a, b) => a.localeCompare(b));
}
