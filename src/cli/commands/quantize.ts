// `quantsmith quantize`: the quantize job with the wishes of the command line. What can be found wrong without opening a
// file (unknown types, bad patterns) is found first and exits with 2.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { planQuantization } from '../../core/quantize/plan.js';
import type { QuantizationReport, QuantizeOptions } from '../../core/quantize/quantization-plan.js';
import { QuantsmithError } from '../../core/problem.js';
import type { QuantizeJob } from '../../protocol/worker-protocol.js';
import { EXIT, type ExitCode } from '../exit.js';
import { UsageError } from '../failure.js';
import type { ComputeOptions, QuantizeInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { resolveFrom } from '../paths.js';
import { readTensorTypes } from '../tensor-type-file.js';
import { quantizationText } from '../quantization-text.js';
import { runJob } from '../quantize-job.js';
import { styleFor } from '../style.js';

export async function quantize(invocation: QuantizeInvocation, io: CliIo): Promise<ExitCode> {
  const options = await quantizeOptions(invocation, io);
  refuseWrongOptions(options);
  const source = resolveFrom(io.cwd, invocation.source);
  await refuseCheckpoint(source);
  const { includeWeights, excludeWeights } = invocation;
  const report = await runJob(
    {
      source,
      output: resolveFrom(io.cwd, invocation.output),
      options,
      // The name as typed: llama-quantize writes the path it was given into the output's metadata, and so do we.
      ...(invocation.imatrix === undefined
        ? {}
        : { imatrix: resolveFrom(io.cwd, invocation.imatrix), imatrixName: invocation.imatrix }),
      ...(includeWeights.length > 0 ? { includeWeights } : {}),
      ...(excludeWeights.length > 0 ? { excludeWeights } : {}),
      ...jobOptions(invocation),
      keepSplit: invocation.keepSplit,
      ...(invocation.maxShardBytes === undefined ? {} : { maxShardBytes: invocation.maxShardBytes }),
    },
    invocation,
    io,
  );
  await io.stdout.write(invocation.json ? jsonDocument(report) : quantizationText(report, styleFor(io.stdout, io.env)));
  return exitOf(report);
}

/** A dry run that found what would make the run fail says so to scripts, too; a run that came back succeeded. */
export function exitOf({ problems }: QuantizationReport): ExitCode {
  return problems.some(({ severity }) => severity === 'error') ? EXIT.failure : EXIT.success;
}

/** What every computing command passes on to the job. */
export function jobOptions(
  options: ComputeOptions,
): Pick<QuantizeJob, 'threads' | 'backend' | 'overwrite' | 'dryRun' | 'resume' | 'reuse'> {
  const { threads, backend, overwrite, dryRun, resume, reuse } = options;
  return { threads, backend, overwrite, dryRun, resume, reuse };
}

async function quantizeOptions(invocation: QuantizeInvocation, io: CliIo): Promise<QuantizeOptions> {
  const { type, rules, outputTensorType, tokenEmbeddingType, pure, allowRequantize, onFallback } = invocation;
  const { tensorTypeFile, leaveOutputTensor, pruneLayers, metadata, runtime } = invocation;
  return {
    fileType: type,
    rules: tensorTypeFile === undefined ? rules : [...rules, ...(await readTensorTypes(tensorTypeFile, io))],
    ...(outputTensorType === undefined ? {} : { outputTensorType }),
    ...(tokenEmbeddingType === undefined ? {} : { tokenEmbeddingType }),
    pure,
    allowRequantize,
    onFallback,
    ...(runtime === undefined ? {} : { runtime }),
    ...(leaveOutputTensor && { leaveOutputTensor }),
    ...(pruneLayers.length > 0 && { pruneLayers }),
    ...(metadata.length > 0 && { metadata }),
  };
}

/** Plans for a model without tensors: what is wrong then, but for their absence, is wrong with the options themselves. */
function refuseWrongOptions(options: QuantizeOptions): void {
  const { problems } = planQuantization({ metadata: [], tensors: [] }, options);
  const first = problems.find(({ severity }) => severity === 'error');
  if (first) throw new UsageError(first.code, first.message, first.hint);
}

async function refuseCheckpoint(source: string): Promise<void> {
  const folder = await stat(source).then(
    found => found.isDirectory(),
    () => false,
  );
  if (!folder && path.extname(source).toLowerCase() !== '.safetensors') return;
  throw new QuantsmithError(
    'source/unsupported',
    `${source} is ${folder ? 'a folder' : 'a safetensors file'}; quantize reads GGUF models.`,
    'Convert the checkpoint to GGUF (F16 or BF16) first and give that file, or the first shard of a split model.',
  );
}
