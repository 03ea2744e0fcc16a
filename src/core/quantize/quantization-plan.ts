// The pure data that passes between recipe, planner, pre-flight and job: what the user asked for (`QuantizeOptions`), what
// will be done (`QuantizationPlan`), what happened (`QuantizationReport`). All of it survives structured clone and JSON.
import type { GgufElementType, GgufScalar } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import type { MetadataOverride } from './metadata-override.js';

/** `tensors` is a glob on the GGUF name (`blk.*.ffn_down.weight`) or a regular expression; the first match wins. */
export interface TensorRule {
  readonly kind: 'glob' | 'regex';
  readonly pattern: string;
  /** A ggml type name. */
  readonly type: string;
  /** How to name the rule in a report, for example `rule 2: blk.*.attn_v.weight` or `--tensor attn_v=Q6_K`. */
  readonly label: string;
}

/** What to do with a tensor whose row length is no multiple of the block size: stop, do as llama-quantize does, or a ggml type name. */
export type FallbackPolicy = 'error' | 'promote' | (string & {});

export interface QuantizeOptions {
  /** A file type name as llama-quantize takes it: `Q4_K_M`, `Q8_0`, `F16` … */
  readonly fileType: string;
  readonly rules: readonly TensorRule[];
  readonly outputTensorType?: string;
  readonly tokenEmbeddingType?: string;
  /** No mixture: every quantizable tensor gets the file type's default type. */
  readonly pure: boolean;
  readonly allowRequantize: boolean;
  readonly onFallback: FallbackPolicy;
  /** `output.weight` keeps its type, whatever else is asked for. */
  readonly leaveOutputTensor?: boolean;
  /** Numbers of layers to leave out; those that remain are numbered anew, and all names in options are the new ones. */
  readonly pruneLayers?: readonly number[];
  /** What shall read the result: `llama.cpp@b3887`. */
  readonly runtime?: string;
  /** Metadata to set in the output, in this order. Hyper-parameters set here are those the mixtures see. */
  readonly metadata?: readonly MetadataOverride[];
}

/** One tensor of the output, in output order. */
export interface PlannedTensor {
  readonly name: string;
  /** Its name in the source and in importance matrices: another one if layers before it were left out. */
  readonly sourceName: string;
  /** As written to the output: trailing ones dropped, as ggml does. */
  readonly ne: readonly number[];
  readonly elementCount: number;
  readonly fromType: string;
  readonly toType: string;
  /** Why this type: `mixture Q4_K_M: attn_v, more bits`, a rule's label, `1-D tensor`, `fallback from Q4_K` … */
  readonly rule: string;
  /** The type asked for, when shape made it fall back to another. */
  readonly requestedType?: string;
  /** Where the source bytes are. */
  readonly source: { readonly shard: number; readonly fileOffset: number; readonly byteLength: number };
  /** Which output file, and where in its data section. */
  readonly target: { readonly shard: number; readonly offset: number; readonly byteLength: number };
  /** Importance weights exist for this tensor and its target type uses them. */
  readonly importance: boolean;
}

/** A metadata entry to write: with the type it gets in the file. */
export interface MetadataChange {
  readonly key: string;
  readonly type: GgufElementType;
  readonly value: GgufScalar;
}

/** How the output is divided into files: one, the source's own division, or by size of the data. */
export type OutputSplit =
  { readonly kind: 'single' } | { readonly kind: 'keep' } | { readonly kind: 'size'; readonly maxShardBytes: number };

/** One output file. */
export interface OutputShard {
  readonly tensorCount: number;
  /** Bytes of its data section, padding included. */
  readonly dataLength: number;
  /**
   * `split.no` (u16), `split.count` (u16), `split.tensors.count` (i32), to be written after everything else; empty if the
   * output is one file. The first file carries all other metadata, later ones only this.
   */
  readonly splitMetadata: readonly MetadataChange[];
}

export interface QuantizationPlan {
  readonly fileType: string;
  readonly tensors: readonly PlannedTensor[];
  /**
   * Keys to set in the output beyond what is copied from the source, in order. As llama-quantize does: a key the source
   * has is not replaced in place but removed and appended.
   */
  readonly metadataChanges: readonly MetadataChange[];
  /** Keys of the source that must not be copied: its division into shards, an alignment that is not the output's. */
  readonly metadataRemoved: readonly string[];
  /** The output files; at least one. */
  readonly shards: readonly OutputShard[];
  /** Bytes of all tensors with padding, headers not included. */
  readonly dataLength: number;
  /** Tensor bytes times 8 over elements. */
  readonly bitsPerWeight: number;
  /** Fallbacks, unused rules, requantization … A plan with an error-level problem must not be run. */
  readonly problems: readonly Problem[];
}

export interface TensorReport {
  readonly name: string;
  readonly fromType: string;
  readonly toType: string;
  readonly rule: string;
  readonly byteLength: number;
  /** Lower-case hexadecimal digest of the tensor's bytes in the output. Empty in a dry run. */
  readonly sha256: string;
}

/** How many tensors came from where. */
export interface TensorOrigins {
  /** Quantized or converted in this run. */
  readonly computed: number;
  /** Taken from the source as they are. */
  readonly copied: number;
  /** Taken over from earlier outputs. */
  readonly reused: number;
  /** Finished by the run this one goes on with. */
  readonly resumed: number;
}

/** What a run takes of the machine, as predicted before it begins; bytes, null where the system does not say. */
export interface ResourceForecast {
  /**
   * On the file system of `path`, the output's folder or the closest one that exists. The temporary files lie there too and
   * become the output, so this is needed once; a file that is replaced keeps its space until then.
   */
  readonly disk: { readonly path: string; readonly needed: number; readonly free: number | null };
  /** For weights and results; the program itself takes some 60 MB more. */
  readonly memory: { readonly needed: number; readonly available: number | null };
}

export interface QuantizationReport {
  readonly output: string;
  /** All files written; one unless the output is split. */
  readonly files: readonly { readonly path: string; readonly byteLength: number }[];
  readonly tensors: readonly TensorReport[];
  /** All 0 in a dry run. */
  readonly origins: TensorOrigins;
  readonly bitsPerWeight: number;
  /** Bytes of all output files. */
  readonly byteLength: number;
  readonly seconds: number;
  readonly threads: number;
  readonly backend: 'native' | 'wasm';
  /** The instruction set the kernels ran with, for example `avx512`. */
  readonly kernels: string;
  readonly forecast: ResourceForecast;
  readonly problems: readonly Problem[];
  readonly dryRun: boolean;
}

/** Progress of a job. `done` and `total` are source bytes; `etaSeconds` is undefined until it can be estimated. */
export interface JobProgress {
  readonly phase: 'plan' | 'quantize' | 'write';
  readonly done: number;
  readonly total: number;
  readonly bytesPerSecond: number;
  readonly etaSeconds?: number;
  /** The tensor being worked on. */
  readonly subject?: string;
}
