// What a quantization needs to know, and the arguments with which a keybinding, a task or a test asks for one without being
// asked back. Arguments come from anywhere, so they are checked here; the explorer and the editor title pass others.
import * as path from 'node:path';
import { QuantsmithError } from '../../core/problem.js';
import { parseWishes, type Wishes } from './quantize-wishes.js';
import type { BackendChoice, QuantizeJob } from '../../protocol/worker-protocol.js';

export interface QuantizeRequest {
  /** Absolute paths. */
  readonly source: string;
  readonly output: string;
  /** A file type name: `Q4_K_M`. */
  readonly fileType: string;
  readonly imatrix?: string;
  readonly overwrite: boolean;
  /** Tensors that are quantized already may be quantized again. */
  readonly allowRequantize: boolean;
  /** Options by key, as in quantize-wishes.ts. */
  readonly wishes: Wishes;
  /** Go on where a run that was interrupted stopped; without one, start anew. */
  readonly resume: boolean;
}

/** Second argument of `quantsmith.quantize` when nothing shall be asked. */
export interface QuantizeArguments {
  readonly fileType: string;
  /** Relative to the source's folder, or absolute; by default beside the source. */
  readonly output?: string;
  readonly imatrix?: string;
  readonly overwrite: boolean;
  /** Tensors that are quantized already may be quantized again. */
  readonly allowRequantize: boolean;
  /** Go on where a run that was interrupted stopped; by default it starts anew. */
  readonly resume: boolean;
  readonly wishes: Wishes;
}

const CORRECT_ARGUMENTS = 'Correct the arguments in keybindings.json, or leave them out to be asked.';

/** Undefined when the argument is not ours (the explorer passes all selected files, the editor title its group). */
export function parseArguments(argument: unknown): QuantizeArguments | undefined {
  if (typeof argument !== 'object' || argument === null || !('fileType' in argument)) return undefined;
  const { fileType, output, imatrix, overwrite, allowRequantize, resume, options } = argument as Record<
    string,
    unknown
  >;
  if (
    typeof fileType !== 'string' ||
    !isText(output) ||
    !isText(imatrix) ||
    !isFlag(overwrite) ||
    !isFlag(allowRequantize) ||
    !isFlag(resume) ||
    !isTexts(options)
  ) {
    throw new QuantsmithError(
      'usage/arguments',
      'Expected {"fileType": "Q4_K_M", "output"?: path, "imatrix"?: path, "overwrite"?: true or false, "allowRequantize"?: true or false, "resume"?: true or false, "options"?: {name: text}} as arguments of quantsmith.quantize.',
      CORRECT_ARGUMENTS,
    );
  }
  const parsed = parseWishes(options ?? {});
  if (!parsed.ok) {
    throw new QuantsmithError(
      'usage/arguments',
      `"options" of quantsmith.quantize: ${parsed.message}`,
      CORRECT_ARGUMENTS,
    );
  }
  return {
    fileType,
    overwrite: overwrite ?? false,
    allowRequantize: allowRequantize ?? false,
    resume: resume ?? false,
    wishes: options ?? {},
    ...(output === undefined ? {} : { output }),
    ...(imatrix === undefined ? {} : { imatrix }),
  };
}

function isText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isFlag(value: unknown): value is boolean | undefined {
  return value === undefined || typeof value === 'boolean';
}

function isTexts(value: unknown): value is Record<string, string> | undefined {
  if (value === undefined) return true;
  return typeof value === 'object' && value !== null && Object.values(value).every(item => typeof item === 'string');
}

/** The job for the worker: a mixture as llama-quantize makes it, unless options say otherwise. */
export function quantizeJob(
  request: QuantizeRequest,
  compute: { readonly threads: number; readonly backend: BackendChoice },
): QuantizeJob {
  const parsed = parseWishes(request.wishes);
  const { options, ...part } = parsed.ok ? parsed.part : {};
  return {
    source: request.source,
    output: request.output,
    options: {
      fileType: request.fileType,
      rules: [],
      pure: false,
      allowRequantize: request.allowRequantize,
      onFallback: 'promote',
      ...options,
    },
    threads: compute.threads,
    backend: compute.backend,
    overwrite: request.overwrite,
    dryRun: false,
    resume: request.resume,
    keepSplit: false,
    createFolder: true,
    ...part,
    ...(request.imatrix === undefined ? {} : { imatrix: request.imatrix, imatrixName: path.basename(request.imatrix) }),
  };
}
