// `quantsmith bench`: how fast a model runs on this machine, and which share of what memory allows that is.
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { formatByteRate, formatBytes, formatInteger, formatSeconds, plural } from '../../core/text/quantity.js';
import { bench, madeUpTokens, median } from '../../engine/jobs/bench.js';
import { readBandwidth } from '../../platform/memory-bandwidth.js';
import { openSession, PROMPT_BATCH } from '../../platform/open-session.js';
import { physicalCores } from '../../platform/physical-cores.js';
import { residentBytesBeside } from '../../platform/resident-memory.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { BenchInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { resolveFrom } from '../paths.js';
import { styleFor, type Style } from '../style.js';

interface BenchResult {
  readonly promptTokensPerSecond: number | null;
  readonly generateTokensPerSecond: number | null;
  /** From opening the file to a session that can compute. */
  readonly loadSeconds: number;
  /** From opening the file to the logits of the first token. */
  readonly firstTokenSeconds: number;
  /** Weights read while generating, in 10^9 bytes. */
  readonly gigabytesPerSecond: number | null;
  /** What memory gives, measured between the repetitions where there is generation, and the share that it reaches. */
  readonly readGigabytesPerSecond: number | null;
  readonly readShare: number | null;
  /** Largest resident memory seen, without the pages of the mapped model; null where the system does not tell. */
  readonly residentBytes: number | null;
  readonly weightBytesPerToken: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly repetitions: number;
  readonly backend: 'native' | 'wasm';
  /** Instruction set. */
  readonly kernels: string;
  readonly threads: number;
}

export async function benchmark(invocation: BenchInvocation, io: CliIo): Promise<ExitCode> {
  const result = await measure(invocation, io);
  await io.stdout.write(invocation.json ? jsonDocument(result) : resultText(result, styleFor(io.stdout, io.env)));
  return EXIT.success;
}

async function measure(invocation: BenchInvocation, io: CliIo): Promise<BenchResult> {
  const { prompt, generate, repetitions, backend, cacheType } = invocation;
  const kernels = path.join(io.dist, 'kernels');
  const threads = invocation.threads || physicalCores();
  const context = Math.max(prompt, generate);
  const batch = Math.min(PROMPT_BATCH, context);
  const now = (): number => io.now() / 1000;
  const start = now();
  const opened = await openSession(resolveFrom(io.cwd, invocation.model), {
    ...{ threads, backend, kernels, context, batch, cacheType, signal: io.signal },
  });
  try {
    const loaded = now();
    await opened.session.step({ tokens: madeUpTokens(1, opened.vocabulary) }, io.signal);
    const first = now();
    const files = await Promise.all(opened.paths.map(file => realpath(file)));
    const bandwidths: number[] = [];
    let resident: number | undefined;
    const pause = (): void => {
      resident = Math.max(resident ?? 0, residentBytesBeside(files) ?? NaN);
      const bandwidth = generate > 0 ? readBandwidth(kernels, threads) : undefined;
      if (bandwidth !== undefined) bandwidths.push(bandwidth);
    };
    const services = { model: opened, batch, signal: io.signal, now, pause };
    const times = await bench({ prompt, generate, repetitions }, services);
    const tokensPerSecond = (count: number, seconds: readonly number[]): number | null =>
      seconds.length === 0 ? null : count / median(seconds);
    const generateTokensPerSecond = tokensPerSecond(generate, times.generate);
    const { weightBytesPerToken } = opened;
    const bytesPerSecond = generateTokensPerSecond === null ? null : generateTokensPerSecond * weightBytesPerToken;
    const readable = bandwidths.length === 0 ? null : median(bandwidths);
    return {
      promptTokensPerSecond: tokensPerSecond(prompt, times.prompt),
      generateTokensPerSecond,
      loadSeconds: loaded - start,
      firstTokenSeconds: first - start,
      gigabytesPerSecond: bytesPerSecond === null ? null : bytesPerSecond / 1e9,
      readGigabytesPerSecond: readable === null ? null : readable / 1e9,
      readShare: readable === null || bytesPerSecond === null ? null : bytesPerSecond / readable,
      residentBytes: resident === undefined || Number.isNaN(resident) ? null : resident,
      weightBytesPerToken,
      promptTokens: prompt,
      generatedTokens: generate,
      repetitions,
      backend: opened.backend,
      kernels: opened.isa,
      threads,
    };
  } finally {
    await opened.close();
  }
}

function resultText(result: BenchResult, style: Style): string {
  const { promptTokensPerSecond: prompt, generateTokensPerSecond: generation, residentBytes } = result;
  const speed = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} tokens/s`;
  const facts: [string, string][] = [];
  if (prompt !== null) facts.push(['prompt', `${speed(prompt)} (${formatInteger(result.promptTokens)} tokens)`]);
  if (generation !== null) {
    const bytes = `${formatByteRate((result.gigabytesPerSecond ?? 0) * 1e9)} of weights`;
    facts.push(['generation', `${speed(generation)} (${formatInteger(result.generatedTokens)} tokens), ${bytes}`]);
  }
  if (result.readGigabytesPerSecond !== null) {
    const share = result.readShare === null ? '' : `; generation reaches ${(100 * result.readShare).toFixed(0)} %`;
    facts.push(['memory bandwidth', `${formatByteRate(result.readGigabytesPerSecond * 1e9)} read${share}`]);
  }
  facts.push([
    'load',
    `${formatSeconds(result.loadSeconds)}, first token after ${result.firstTokenSeconds.toFixed(2)} s`,
  ]);
  if (residentBytes !== null) facts.push(['memory', `${formatBytes(residentBytes)} besides the model's file`]);
  facts.push(['computed by', `${result.backend} (${result.kernels}), ${plural(result.threads, 'thread')}`]);
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${style.bold(name.padEnd(width))}  ${value}\n`).join('');
}
