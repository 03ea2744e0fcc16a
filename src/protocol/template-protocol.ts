// Between the worker and the process that renders chat templates. One request at a time; the answer carries its number. A process
// that ends, or does not answer in time, has answered that the template cannot be used.
import type { TemplateValues } from '../core/chat/chat-prompt.js';

export interface TemplateRequest {
  readonly id: number;
  readonly template: string;
  readonly values: TemplateValues;
  /** After so many milliseconds rendering is ended. */
  readonly limitMs: number;
}

export type TemplateAnswer =
  | { readonly id: number; readonly text: string }
  /** What the template itself raised, or what is wrong with it. */
  | { readonly id: number; readonly error: string }
  | { readonly id: number; readonly isEndless: true };
