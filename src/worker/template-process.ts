// Renders chat templates, which are programs out of model files: in a process of its own with little memory, forked by platform/
// template-renderer.ts. A template sees the values it is given and nothing else. A thread would not do: where one allocation is
// larger than what a thread may have, Node ends the whole process (SIGABRT). V8's own watchdog ends a loop, also when nobody
// is left to do so from outside.
import { runInThisContext } from 'node:vm';
import { Template } from '@huggingface/jinja';
import type { TemplateAnswer, TemplateRequest } from '../protocol/template-protocol.js';

/** Longer than any context in use, in characters. */
const MOST_TEXT = 16 << 20;
const RENDER = '__quantsmithRender';

function render({ id, template, values, limitMs }: TemplateRequest): TemplateAnswer {
  const run = (): unknown => new Template(template).render({ ...values });
  try {
    Object.assign(globalThis, { [RENDER]: run });
    const text: unknown = runInThisContext(`${RENDER}()`, { timeout: limitMs });
    if (typeof text !== 'string') return { id, error: 'it makes no text' };
    return text.length > MOST_TEXT
      ? { id, error: `it makes more than ${MOST_TEXT >> 20} million characters` }
      : { id, text };
  } catch (error) {
    const isEndless = error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    if (isEndless) return { id, isEndless };
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (request: TemplateRequest) => {
  // The worker may have gone while it was rendered.
  process.send?.(render(request), undefined, undefined, () => undefined);
});
process.on('disconnect', () => process.exit(0));
