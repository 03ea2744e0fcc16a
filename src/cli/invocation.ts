// What the user asked for, after the arguments were understood and before anything was touched: plain data, one shape per
// command.
import type { MetadataOverride } from '../core/quantize/metadata-override.js';
import type { TensorRule } from '../core/quantize/quantization-plan.js';
import type { CacheType } from '../engine/graph/program-builder.js';
import type { SamplingOptions } from '../engine/sampler.js';
import type { BackendChoice } from '../protocol/worker-protocol.js';

export interface InspectInvocation {
  readonly command: 'inspect';
  readonly file: string;
  readonly tensors: boolean;
  /** Print only this key, whole. */
  readonly metadata?: string;
  /** Arrays with more elements are summarized in `--json`. */
  readonly arrayLimit: number;
  readonly json: boolean;
}

/** Where and how the work is done; shared by every computing command. */
export interface ComputeOptions {
  /** 0 = one per physical core. */
  readonly threads: number;
  readonly backend: BackendChoice;
  readonly overwrite: boolean;
  readonly resume: boolean;
  readonly reuse: boolean;
  readonly dryRun: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
}

export interface QuantizeInvocation extends ComputeOptions {
  readonly command: 'quantize';
  readonly source: string;
  readonly output: string;
  readonly type: string;
  readonly rules: readonly TensorRule[];
  /** A file with more rules, which come after `rules`. */
  readonly tensorTypeFile?: string;
  readonly runtime?: string;
  readonly outputTensorType?: string;
  readonly tokenEmbeddingType?: string;
  readonly imatrix?: string;
  readonly includeWeights: readonly string[];
  readonly excludeWeights: readonly string[];
  readonly pure: boolean;
  readonly leaveOutputTensor: boolean;
  readonly pruneLayers: readonly number[];
  readonly metadata: readonly MetadataOverride[];
  readonly allowRequantize: boolean;
  readonly onFallback: string;
  readonly keepSplit: boolean;
  readonly maxShardBytes?: number;
}

export interface RunInvocation extends ComputeOptions {
  readonly command: 'run';
  readonly recipe: string;
  readonly only?: string;
}

export interface CheckInvocation {
  readonly command: 'check';
  readonly recipe: string;
  readonly json: boolean;
}

export interface DoctorInvocation {
  readonly command: 'doctor';
  readonly json: boolean;
}

/** How a model is run; shared by the commands that run one. */
export interface EngineOptions {
  /** 0 = one per physical core. */
  readonly threads: number;
  readonly backend: BackendChoice;
  /** What keys and values of earlier tokens are kept in. */
  readonly cacheType: CacheType;
  readonly json: boolean;
}

export interface LogitsInvocation extends EngineOptions {
  readonly command: 'logits';
  readonly model: string;
  readonly ids: readonly number[];
  readonly output: string;
  readonly overwrite: boolean;
}

export interface PerplexityInvocation extends EngineOptions {
  readonly command: 'perplexity';
  readonly model: string;
  readonly file: string;
  /** Tokens of a window. */
  readonly context: number;
  readonly quiet: boolean;
}

export interface BenchInvocation extends EngineOptions {
  readonly command: 'bench';
  readonly model: string;
  /** Tokens; 0: not measured. */
  readonly prompt: number;
  readonly generate: number;
  readonly repetitions: number;
}

export interface TokenizeInvocation {
  readonly command: 'tokenize';
  readonly model: string;
  /** The text, or the file that holds it: one of the two. */
  readonly text?: string;
  readonly file?: string;
  /** Recognize control tokens in the text. */
  readonly special: boolean;
  /** Add what the model puts around a text. */
  readonly bos: boolean;
  readonly json: boolean;
}

export interface DetokenizeInvocation {
  readonly command: 'detokenize';
  readonly model: string;
  readonly ids: readonly number[];
  readonly json: boolean;
}

export interface GenerateInvocation extends EngineOptions {
  readonly command: 'generate';
  readonly model: string;
  readonly prompt: string;
  /** Most tokens to add. */
  readonly count: number;
  readonly context?: number;
  readonly special: boolean;
  readonly stop: readonly string[];
  readonly sampling: SamplingOptions;
  /** Tokens guessed at once from the text itself. */
  readonly lookup?: number;
  /** A model that guesses, and how many tokens at once. */
  readonly draft?: string;
  readonly draftMax: number;
}

export type Invocation =
  | GenerateInvocation
  | InspectInvocation
  | QuantizeInvocation
  | RunInvocation
  | CheckInvocation
  | TokenizeInvocation
  | DetokenizeInvocation
  | LogitsInvocation
  | PerplexityInvocation
  | BenchInvocation
  | DoctorInvocation;
