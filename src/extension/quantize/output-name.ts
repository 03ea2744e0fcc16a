// What the output of a quantization is called and whether a name the user typed can be used. Pure functions of names and
// facts; the file system is asked in output-check.ts.
import * as path from 'node:path';

/** Type names as they end model file names: `-f16`, `.Q8_0`, `_iq2_xxs`, `-Q4_K_M`, `-MXFP4_MOE`. */
const TYPE_SUFFIX = /[-._ ](?:f16|f32|fp16|fp32|bf16|i?q\d(?:_[a-z0-9]+)+|tq\d_\d|mxfp4(?:_moe)?|nvfp4)$/i;
const SHARD_SUFFIX = /-\d{5}-of-\d{5}$/;

/** One of several files of a model, by its name: `qwen-00001-of-00003.gguf`. */
export function isShard(file: string): boolean {
  return SHARD_SUFFIX.test(file.replace(/\.gguf$/i, ''));
}

/** The model's name without folder, extension, shard number and type: `qwen-00001-of-00003.gguf` and `qwen-F16.gguf` give `qwen`. */
export function modelStem(source: string): string {
  const stem = path
    .basename(source)
    .replace(/\.gguf$/i, '')
    .replace(SHARD_SUFFIX, '')
    .replace(TYPE_SUFFIX, '');
  return stem === '' ? 'model' : stem;
}

/** The output's name beside the source, `<name without type>-<TYPE>.gguf`; never the source's own name. */
export function defaultOutput(source: string, fileType: string): string {
  const folder = path.dirname(source);
  const candidate = path.join(folder, `${modelStem(source)}-${fileType}.gguf`);
  if (!samePath(candidate, source)) return candidate;
  return path.join(folder, `${modelStem(source)}-${fileType}-requantized.gguf`);
}

/**
 * The absolute path for what was typed: `~` is the home folder, a relative path is relative to the source's folder, and a
 * name without extension gets `.gguf`. Undefined for an empty text.
 */
export function resolveOutput(typed: string, source: string, home: string): string | undefined {
  const text = typed.trim();
  if (text === '') return undefined;
  const expanded = text === '~' || /^~[\\/]/.test(text) ? path.join(home, text.slice(1)) : text;
  const endsAsFolder = /[\\/]$/.test(expanded);
  const absolute = path.resolve(path.dirname(source), expanded);
  return endsAsFolder || path.extname(absolute).toLowerCase() === '.gguf' ? absolute : `${absolute}.gguf`;
}

/**
 * Same file by name. Ignores case: on the file systems where it matters (macOS, Windows) writing `Model.gguf` over
 * `model.gguf` destroys the source, and where it does not, refusing costs only another name.
 */
export function samePath(a: string, b: string): boolean {
  return path.resolve(a).toLowerCase() === path.resolve(b).toLowerCase();
}

/** What the file system says about an output path. */
export interface OutputFacts {
  readonly exists: 'no' | 'file' | 'folder';
  readonly folder: 'writable' | 'read-only' | 'missing' | 'not-a-folder';
}

export interface OutputVerdict {
  readonly kind: 'ok' | 'overwrite' | 'refused';
  readonly message?: string;
}

/** Decides whether `output` can be written for a model stored in `sourceFiles` (all shards). */
export function judgeOutput(
  output: string | undefined,
  sourceFiles: readonly string[],
  facts: OutputFacts,
): OutputVerdict {
  if (output === undefined) return refused('Type the path of the file to write.');
  const name = path.basename(output);
  const folder = path.dirname(output);
  if (sourceFiles.some(file => samePath(file, output))) {
    return refused(`"${name}" is the source itself; the result needs another name or folder.`);
  }
  if (facts.exists === 'folder') return refused(`"${output}" is a folder; add a file name that ends in .gguf.`);
  switch (facts.folder) {
    case 'missing':
      return { kind: 'ok', message: `The folder "${folder}" does not exist yet; it is made with the file.` };
    case 'not-a-folder':
      return refused(`"${folder}" is a file, not a folder; choose a folder.`);
    case 'read-only':
      return refused(`Nothing can be written to the folder "${folder}"; choose another or change its permissions.`);
    case 'writable':
      return facts.exists === 'file'
        ? { kind: 'overwrite', message: `"${name}" exists. Press Enter to be asked before it is replaced.` }
        : { kind: 'ok' };
  }
}

function refused(message: string): OutputVerdict {
  return { kind: 'refused', message };
}
