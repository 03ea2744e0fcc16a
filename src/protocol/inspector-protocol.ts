// Every message between the inspector webview and the extension host. The webview never touches the model file: it asks,
// the host asks the worker. A request carries an id and is answered once, with a result or an error. Messages to a webview
// travel as JSON, so scalars that JSON cannot carry (64-bit integers beyond 2^53, NaN, infinities) arrive as text.
import type { ErrorData } from '../core/problem.js';
import type { GgufScalar } from '../core/gguf/gguf.js';
import type { ModelDescription } from './worker-protocol.js';

export type InspectorRequest =
  | { readonly kind: 'array'; readonly key: string; readonly start: number; readonly count: number }
  | { readonly kind: 'string'; readonly key: string };

export type InspectorResponse =
  | { readonly kind: 'array'; readonly values: readonly GgufScalar[]; readonly length: number }
  | { readonly kind: 'string'; readonly value: string };

/** Host -> webview. */
export type ToInspector =
  | { readonly type: 'loading'; readonly path: string }
  | { readonly type: 'model'; readonly model: ModelDescription }
  | { readonly type: 'failed'; readonly error: ErrorData }
  | { readonly type: 'response'; readonly id: number; readonly result: InspectorResponse }
  | { readonly type: 'response'; readonly id: number; readonly error: ErrorData };

/** Webview -> host. */
export type FromInspector =
  | { readonly type: 'ready' }
  /** The last `model` or `failed` message is on the screen. */
  | { readonly type: 'shown'; readonly view: 'model' | 'failed' }
  | { readonly type: 'request'; readonly id: number; readonly request: InspectorRequest }
  | { readonly type: 'command'; readonly command: 'quantize' | 'reload' | 'openAsText' | 'showLog' }
  | { readonly type: 'copy'; readonly text: string };
