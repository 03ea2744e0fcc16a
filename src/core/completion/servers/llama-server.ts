// llama-server (llama.cpp): `/infill` makes the prompt from the ids in the model's file, shortens it to what fits, and reuses what
// it has evaluated. Measured with 0.7.0: it says 503 while it loads, 501 to a model without the tokens, takes any `model` where it
// has only one, and sends the whole prompt with the last event.
import {
  counts,
  listAt,
  modelMissing,
  numberAt,
  objectAt,
  stringAt,
  type ServerEvent,
  type ServerProtocol,
} from './server-protocol.js';

const ENDS: Readonly<Record<string, string>> = {
  eos: 'The model ended it.',
  word: 'A stop text was reached.',
  limit: 'The most tokens were reached, or the time was up.',
};

export const llamaServer: ServerProtocol = {
  kind: 'llama-server',
  label: 'llama-server',
  endpoint: 'http://127.0.0.1:8080',
  format: 'sse',
  completion: ({ prefix, suffix, model, maxTokens, budgetMs, extra }) => ({
    path: 'infill',
    body: {
      ...(model === '' ? {} : { model }),
      ...{ input_prefix: prefix, input_suffix: suffix },
      input_extra: extra.map(({ name, text }) => ({ filename: name, text })),
      n_predict: maxTokens,
      // It counts from the first token and looks at the clock only behind a line; the client's own clock ends the rest.
      t_max_predict_ms: budgetMs,
      // The likeliest token always, as the local model.
      ...{ temperature: 0, cache_prompt: true, stream: true, timings_per_token: true },
    },
  }),
  promptText: ({ prefix, suffix }) => `${prefix}│${suffix}`,
  readEvent,
  probes: ({ model }) => [
    { path: 'health', optional: true },
    { path: 'v1/models', optional: true, judge: answer => modelMissing(model, readModels(answer)) },
  ],
  modelsPath: 'v1/models',
  readModels,
};

function readEvent(event: Record<string, unknown>): ServerEvent | undefined {
  const text = stringAt(event, 'content');
  if (text === undefined) return undefined;
  const timings = objectAt(event, 'timings');
  const [reused, evaluated] = [numberAt(timings, 'cache_n'), numberAt(timings, 'prompt_n')];
  const prompt = stringAt(event, 'prompt');
  return {
    text,
    ...(event['stop'] === true ? { end: ENDS[stringAt(event, 'stop_type') ?? ''] ?? 'The server ended it.' } : {}),
    ...(prompt === undefined ? {} : { prompt }),
    counts: counts({
      promptTokens: evaluated === undefined ? undefined : evaluated + (reused ?? 0),
      reusedTokens: reused,
      generatedTokens: numberAt(timings, 'predicted_n'),
      promptMs: numberAt(timings, 'prompt_ms'),
    }),
  };
}

function readModels(answer: Record<string, unknown>): readonly string[] | undefined {
  return listAt(answer, 'data')?.flatMap(entry => {
    const aliases = (listAt(entry, 'aliases') ?? []).filter(alias => typeof alias === 'string');
    const id = stringAt(entry, 'id');
    return id === undefined ? [] : [...new Set([id, ...aliases])];
  });
}
