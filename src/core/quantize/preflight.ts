// What can be known to go wrong outside the plan before a byte is written: where the output goes, and whether disk and
// memory suffice. Pure: the job looks at the machine and brings the facts. One report says everything at once, so that
// nobody fixes three problems in three runs.
import type { Problem } from '../problem.js';
import { formatBytes, formatBytesExactly, plural } from '../text/quantity.js';
import type { QuantizationPlan, ResourceForecast } from './quantization-plan.js';

/** What the job found at the place of one output file. */
export interface OutputFacts {
  readonly path: string;
  readonly exists: boolean;
  /** The path leads to one of the files the job reads, directly, by a link or by another name. */
  readonly isSource: boolean;
  readonly isDirectory: boolean;
  /** The path leads to a device, pipe or socket. */
  readonly isSpecial: boolean;
  /** A file there, even temporary, belongs to a run in progress. */
  readonly isInUse: boolean;
}

export interface FolderFacts {
  readonly path: string;
  /** There is a folder of that name. */
  readonly exists: boolean;
  /** There is something of that name which is no folder. */
  readonly isOther: boolean;
  readonly writable: boolean;
}

export interface PreflightFacts {
  readonly outputs: readonly OutputFacts[];
  readonly overwrite: boolean;
  /** The folder of the output. */
  readonly folder: FolderFacts;
  /** Bytes free on the output's disk; undefined if the system does not say. */
  readonly diskFree: number | undefined;
  /** Bytes of the temporary files of an interrupted run that this one goes on with. */
  readonly resumedBytes: number;
  /** Bytes of memory the job will take at most, and bytes available; undefined if the system does not say. */
  readonly memoryNeeded: number;
  readonly memoryAvailable: number | undefined;
  /** Bytes wished for one output file at most. */
  readonly maxShardBytes?: number;
}

/** Free space left after the run below which a warning is due: an editor and its caches go on writing. */
const DISK_RESERVE = 2 ** 28;

/** 256 threads with pieces of the usual size need less. */
const MEMORY_PASSING = 2 ** 32;

/** Bytes all output files will have. */
export function outputByteLength(plan: QuantizationPlan, headerByteLengths: readonly number[]): number {
  return headerByteLengths.reduce((sum, length) => sum + length, plan.dataLength);
}

/**
 * The plan's own problems and those of the place it is carried out in; errors first. The run must not start if there is an
 * error. `headerByteLengths` has the header of each output file in bytes.
 */
export function preflight(
  plan: QuantizationPlan,
  headerByteLengths: readonly number[],
  facts: PreflightFacts,
): readonly Problem[] {
  const problems = [
    ...plan.problems,
    ...facts.outputs.flatMap(output => outputProblems(output, facts.overwrite)),
    ...folderProblems(facts),
    ...shardProblems(plan, headerByteLengths, facts),
    ...diskProblems(outputByteLength(plan, headerByteLengths), facts),
    ...memoryProblems(facts),
  ];
  const rank = { error: 0, warning: 1, info: 2 };
  return problems.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

/** What the run will take, from the same numbers its warnings come from. */
export function resourceForecast(byteLength: number, facts: PreflightFacts): ResourceForecast {
  return {
    disk: {
      path: facts.folder.path,
      needed: Math.max(0, byteLength - facts.resumedBytes),
      free: facts.diskFree ?? null,
    },
    memory: { needed: facts.memoryNeeded, available: facts.memoryAvailable ?? null },
  };
}

function outputProblems(output: OutputFacts, overwrite: boolean): readonly Problem[] {
  const { path } = output;
  const problem = (code: string, message: string, hint: string): readonly Problem[] => [
    { code, severity: 'error', message, hint, subject: path },
  ];
  if (output.isSource) {
    return problem(
      'output/is-source',
      `${path} is the model to be read; it would be destroyed.`,
      'Choose another output.',
    );
  }
  if (output.isDirectory) {
    return problem('output/is-folder', `Expected ${path} to be a file, found a folder.`, 'Name a file in it.');
  }
  if (output.isSpecial) {
    return problem(
      'output/not-a-file',
      `Expected ${path} to be a file or free, found a device, pipe or socket.`,
      'Choose another output; only files are replaced.',
    );
  }
  if (output.isInUse) {
    return problem(
      'output/in-use',
      `Another run is writing ${path}.`,
      'Wait for it, cancel it, or choose another output.',
    );
  }
  if (output.exists && !overwrite) {
    return problem('output/exists', `${path} exists already.`, 'Choose another output, or allow overwriting.');
  }
  return [];
}

function folderProblems({ folder }: PreflightFacts): readonly Problem[] {
  if (folder.isOther) {
    return [
      {
        code: 'output/no-folder',
        severity: 'error',
        message: `Expected ${folder.path} to be a folder, found a file.`,
        hint: 'Choose another output.',
        subject: folder.path,
      },
    ];
  }
  if (!folder.exists) {
    return [
      {
        code: 'output/no-folder',
        severity: 'error',
        message: `The folder ${folder.path} does not exist.`,
        hint: 'Create it, or choose another output.',
        subject: folder.path,
      },
    ];
  }
  if (folder.writable) return [];
  return [
    {
      code: 'output/not-writable',
      severity: 'error',
      message: `Nothing can be written to the folder ${folder.path}.`,
      hint: 'Change its permissions, or choose another output.',
      subject: folder.path,
    },
  ];
}

/**
 * Files above the size wished for: as in gguf-split, that is the size of the tensors in a file, which its header adds to, and
 * a tensor is not divided.
 */
function shardProblems(
  plan: QuantizationPlan,
  headerByteLengths: readonly number[],
  { maxShardBytes, outputs }: PreflightFacts,
): readonly Problem[] {
  if (maxShardBytes === undefined) return [];
  const sizes = plan.shards.map((shard, i) => shard.dataLength + (headerByteLengths[i] ?? 0));
  const largest = Math.max(0, ...sizes);
  if (largest <= maxShardBytes) return [];
  const path = outputs[sizes.indexOf(largest)]?.path;
  const count = sizes.filter(size => size > maxShardBytes).length;
  return [
    {
      code: 'output/shard-too-large',
      severity: 'warning',
      message:
        `${count} of ${plural(sizes.length, 'file')} will be larger than ${formatBytesExactly(maxShardBytes)}, ` +
        `the largest with ${formatBytesExactly(largest)}: the limit is for the tensors of a file, to which its header comes, and a tensor is not divided.`,
      hint: 'Choose a smaller size for the files; one that a single tensor exceeds cannot be kept.',
      ...(path === undefined ? {} : { subject: path }),
    },
  ];
}

/** An output that is replaced keeps its space until the new one is complete, so its size does not count as free. */
function diskProblems(byteLength: number, facts: PreflightFacts): readonly Problem[] {
  if (facts.diskFree === undefined) return [];
  const needed = Math.max(0, byteLength - facts.resumedBytes);
  const left = facts.diskFree - needed;
  if (left < 0) {
    return [
      {
        code: 'disk/too-small',
        severity: 'error',
        message: `${formatBytes(needed)} are needed in ${facts.folder.path}, ${formatBytes(facts.diskFree)} are free.`,
        hint: `Free ${formatBytes(-left)}, choose a smaller type, or write to another disk.`,
        subject: facts.folder.path,
      },
    ];
  }
  if (left >= DISK_RESERVE) return [];
  return [
    {
      code: 'disk/nearly-full',
      severity: 'warning',
      message: `Only ${formatBytes(left)} will be free in ${facts.folder.path} after writing ${formatBytes(needed)}.`,
      subject: facts.folder.path,
    },
  ];
}

/**
 * What a run takes is usually some MB per thread, so that short memory is passing: a warning. Where the run takes a large
 * part of the machine by itself it is an error, because the system would end the process in the middle.
 */
function memoryProblems({ memoryNeeded, memoryAvailable }: PreflightFacts): readonly Problem[] {
  if (memoryAvailable === undefined || memoryNeeded <= memoryAvailable) return [];
  const large = memoryNeeded > MEMORY_PASSING;
  return [
    {
      code: large ? 'memory/too-small' : 'memory/low',
      severity: large ? 'error' : 'warning',
      message: `The run takes up to ${formatBytes(memoryNeeded)} of memory, ${formatBytes(memoryAvailable)} are available.`,
      hint: large
        ? 'Use fewer threads, close other programs, or choose a K type or go without importance weights: very long rows can then be cut.'
        : 'Use fewer threads, or close other programs.',
    },
  ];
}
