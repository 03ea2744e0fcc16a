// Every message between the extension host (or any other client) and the worker process, typed once. A request is answered
// exactly once: by its result, by an `ErrorData`, or, when the process is gone, by the client's own `worker/gone`. Progress
// is tied to the request it belongs to; cancelling a request makes it fail with `cancelled`. The transport is
// connection.ts; nothing here knows about processes. Everything sent must survive structured clone.
import type { ChatMessage } from '../core/chat/chat-prompt.js';
import type { GgufScalar, GgufTensorInfo } from '../core/gguf/gguf.js';
import type { OtherFiles } from '../core/completion/other-files.js';
import type { Problem } from '../core/problem.js';
import type { JobProgress, QuantizationReport, QuantizeOptions } from '../core/quantize/quantization-plan.js';

export type BackendChoice = 'auto' | 'native' | 'wasm';

/** A metadata entry as shown: scalars whole, arrays by their first elements. Strings are cut at `MAX_STRING` with the full length kept. */
export interface MetadataRow {
  readonly key: string;
  readonly type: string;
  readonly value?: GgufScalar;
  /** UTF-16 length of a string value that was cut. */
  readonly fullLength?: number;
  readonly array?: { readonly elementType: string; readonly length: number; readonly head: readonly GgufScalar[] };
}

/** What the inspector shows of a model: header facts only, all plain data. */
export interface ModelDescription {
  readonly path: string;
  readonly shards: readonly { readonly path: string; readonly byteLength: number; readonly dataOffset: number }[];
  readonly version: number;
  readonly littleEndian: boolean;
  readonly alignment: number;
  readonly architecture: string | undefined;
  readonly name: string | undefined;
  /** File type by `general.file_type`, or guessed from the tensors. */
  readonly fileType: string | undefined;
  readonly parameterCount: number;
  readonly byteLength: number;
  readonly bitsPerWeight: number;
  readonly typeCounts: readonly {
    readonly type: string;
    readonly tensors: number;
    readonly byteLength: number;
    readonly elementCount: number;
  }[];
  readonly metadata: readonly MetadataRow[];
  readonly tensors: readonly TensorRow[];
  readonly problems: readonly Problem[];
}

export interface TensorRow extends Pick<
  GgufTensorInfo,
  'name' | 'ne' | 'elementCount' | 'offset' | 'fileOffset' | 'shard'
> {
  readonly type: string;
  readonly byteLength: number | undefined;
}

/** One line of the type list a user picks from. */
export interface TypePreview {
  readonly fileType: string;
  readonly summary: string;
  /** Predicted for this model, fallbacks and mixtures included; header bytes included in `byteLength`. */
  readonly bitsPerWeight: number;
  readonly byteLength: number;
  /** Tensors whose type changes. */
  readonly converted: number;
  /**
   * Tensors whose rows do not fit the type asked for: their weights as a share of all, 0 to 1, and the types they get
   * instead, most weights first.
   */
  readonly fallback: { readonly share: number; readonly types: readonly string[] };
  readonly problems: readonly Problem[];
}

export interface QuantizeJob {
  readonly source: string;
  readonly output: string;
  readonly options: QuantizeOptions;
  readonly imatrix?: string;
  /** What the output's metadata calls the matrix file; the default is `imatrix` itself. A path of this machine tells others nothing. */
  readonly imatrixName?: string;
  readonly includeWeights?: readonly string[];
  readonly excludeWeights?: readonly string[];
  /** Worker threads; 0 = physical cores. */
  readonly threads: number;
  readonly backend: BackendChoice;
  readonly overwrite: boolean;
  /** Make the output's folder, and those above it, if it is missing. */
  readonly createFolder?: boolean;
  readonly dryRun: boolean;
  readonly resume: boolean;
  /** Take over tensors of earlier outputs that would come out the same, and record this one for later runs. Default true. */
  readonly reuse?: boolean;
  readonly keepSplit: boolean;
  /** Largest size of an output file in bytes; splits the output if given. */
  readonly maxShardBytes?: number;
}

export interface WorkerStatus {
  /** Busy while a job runs; describing a model is none. */
  readonly state: 'idle' | 'busy';
  /** `none`: no kernels load, see `notes`; models can be inspected and nothing else. */
  readonly backend: 'native' | 'wasm' | 'none';
  readonly isa: string;
  /** Why this backend: the loader's notes. */
  readonly notes: readonly string[];
}

/** A model to complete with, and how to run it. Another value loads another session. */
export interface CompletionModel {
  readonly path: string;
  /** 0 = one per physical core. */
  readonly threads: number;
  readonly backend: BackendChoice;
  /** Bytes that it may take, its weights included; default: what is free. */
  readonly memoryLimit?: number;
}

/** What can be said of a model for completions from its header alone. */
export interface CompletionSupport {
  readonly fileType: string | undefined;
  readonly parameterCount: number;
  readonly byteLength: number;
  /** Memory besides the weights for completing with it; undefined: it cannot be run, or its header does not say enough. */
  readonly workBytes?: number;
  /** Memory that is free now. */
  readonly freeBytes: number;
  /** Whose fill-in-the-middle prompt it has the tokens for. */
  readonly family?: string;
  /** Why it cannot complete. */
  readonly reason?: string;
}

export interface CompletionLoaded {
  readonly family: string;
  /** What the right suffix was worth in the check, in nats per token: against a wrong one, and against none. */
  readonly overWrong: number;
  readonly overPlain: number;
  /** Tokens of prompt and completion together. */
  readonly context: number;
  /** Tokens of pieces of other files that it has room and time for; 0 says why not in `filesWhy`. */
  readonly filesTokens: number;
  readonly filesWhy?: string;
  readonly backend: 'native' | 'wasm';
  readonly isa: string;
  readonly seconds: number;
}

/** A cursor: the text before and behind it, as much as is near. */
export interface CompletionRequest {
  readonly model: CompletionModel;
  readonly prefix: string;
  readonly suffix: string;
  readonly multiline: boolean;
  readonly maxTokens: number;
  /** What exists when they are over is the answer. */
  readonly budgetMs: number;
  /**
   * Since when they count. `request`: somebody waits; if nothing exists when they are over, nobody does any more, and they count
   * from the first token. Default: from the first token.
   */
  readonly budgetSince?: 'request' | 'first-token';
  /** For models that were taught that there are other files; others leave it out. */
  readonly files?: OtherFiles;
  /** Only read the prompt: the next request finds it read. */
  readonly onlyRead?: boolean;
}

export interface CompletionAnswer {
  /** As the model wrote it. */
  readonly text: string;
  /** Why it ends, as a sentence. */
  readonly stop: string;
  /** The prompt with its special tokens as text. */
  readonly prompt: string;
  readonly promptTokens: number;
  /** Tokens of the prompt that were evaluated before. */
  readonly reusedTokens: number;
  /** Tokens of the given text that the prompt had no room for. */
  readonly cutTokens: number;
  readonly generatedTokens: number;
  /** Waiting for the model: another request, or loading. */
  readonly waitMs: number;
  readonly promptMs: number;
  readonly generateMs: number;
}

/** What can be said of a model for chatting from its header alone. */
export interface ChatSupport {
  readonly name: string | undefined;
  readonly architecture: string;
  readonly fileType: string | undefined;
  readonly parameterCount: number;
  readonly byteLength: number;
  /** Tokens of a conversation together with its answer. */
  readonly context: number;
  /** Why it cannot chat. */
  readonly reason?: string;
}

export interface ChatRequest {
  readonly model: CompletionModel;
  readonly messages: readonly ChatMessage[];
  readonly maxTokens: number;
  readonly sampling: {
    /** 0: the most likely token, always. */
    readonly temperature: number;
    readonly topK: number;
    readonly topP: number;
    readonly minP: number;
    readonly seed: number;
  };
}

export interface ChatAnswer {
  readonly text: string;
  /** Why it ended. */
  readonly reason: 'end' | 'count' | 'context';
  readonly promptTokens: number;
  /** Of the prompt, evaluated before. */
  readonly reusedTokens: number;
  readonly generatedTokens: number;
  readonly promptMs: number;
  readonly generateMs: number;
}

/** Request name -> parameters, result and progress. */
export interface WorkerRequests {
  'worker/status': { params: Record<string, never>; result: WorkerStatus; progress: never };
  'model/inspect': { params: { path: string }; result: ModelDescription; progress: never };
  'model/array': {
    params: { path: string; key: string; start: number; count: number };
    result: { values: readonly GgufScalar[]; length: number };
    progress: never;
  };
  /** The whole text of a string value, at most 16 MiB of it. */
  'model/string': { params: { path: string; key: string }; result: { value: string }; progress: never };
  'quantize/preview': {
    /** `options` are those every type is planned with; its own file type does not count. */
    params: { path: string; imatrix?: string; options?: Partial<QuantizeOptions> };
    result: { types: readonly TypePreview[] };
    progress: never;
  };
  'quantize/run': { params: QuantizeJob; result: QuantizationReport; progress: JobProgress };
  'completion/support': { params: { path: string }; result: CompletionSupport; progress: never };
  /** Loads a model in place of the one before, and checks that it can fill in a middle. */
  'completion/load': { params: CompletionModel; result: CompletionLoaded; progress: never };
  'chat/support': { params: { path: string }; result: ChatSupport; progress: never };
  /** Tokens of a text, or of messages as a model's template writes them. */
  'chat/count': {
    params: { path: string; text: string } | { path: string; messages: readonly ChatMessage[] };
    result: { tokens: number };
    progress: never;
  };
  /** One at a time; loads the model if need be. The progress is the text so far. */
  'chat/run': { params: ChatRequest; result: ChatAnswer; progress: string };
  /** Gives the memory of the loaded model back. */
  'completion/unload': { params: Record<string, never>; result: Record<string, never>; progress: never };
  /** One at a time; loads the model if need be. The progress is the text so far. */
  'completion/run': { params: CompletionRequest; result: CompletionAnswer; progress: string };
}

/** Worker -> client, unsolicited. */
export interface WorkerNotifications {
  'worker/ready': WorkerStatus;
  'worker/status': WorkerStatus;
  'log/message': { level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; message: string };
}
