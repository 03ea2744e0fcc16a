// Ollama: `/api/generate` with a suffix, for models whose template knows one ("insert" among their capabilities); with a family of
// prompts chosen, the raw prompt. Answers come as a JSON object per line.
import { fimStops, fimText } from './fim-text.js';
import {
  counts,
  listAt,
  modelMissing,
  numberAt,
  stringAt,
  type JsonObject,
  type Probe,
  type ServerAsk,
  type ServerEvent,
  type ServerModel,
  type ServerProtocol,
} from './server-protocol.js';

const ENDS: Readonly<Record<string, string>> = {
  stop: 'The model ended it.',
  length: 'The most tokens were reached.',
};

export const ollama: ServerProtocol = {
  kind: 'ollama',
  label: 'Ollama',
  endpoint: 'http://127.0.0.1:11434',
  format: 'ndjson',
  completion: ask => {
    const { model, family, maxTokens } = ask;
    const options = { temperature: 0, num_predict: maxTokens };
    const body = family
      ? { prompt: fimText(family, ask), raw: true, options: { ...options, stop: fimStops(family) } }
      : { prompt: ask.prefix, suffix: ask.suffix, raw: false, options };
    return { path: 'api/generate', body: { model, ...body, stream: true } };
  },
  promptText: (ask: ServerAsk) => (ask.family ? fimText(ask.family, ask) : `${ask.prefix}│${ask.suffix}`),
  readEvent,
  probes,
  modelsPath: 'api/tags',
  readModels,
};

function readEvent(event: JsonObject): ServerEvent | undefined {
  const text = stringAt(event, 'response');
  if (text === undefined) return undefined;
  if (event['done'] !== true) return { text };
  const nanoseconds = numberAt(event, 'prompt_eval_duration');
  return {
    text,
    end: ENDS[stringAt(event, 'done_reason') ?? ''] ?? 'The server ended it.',
    counts: counts({
      promptTokens: numberAt(event, 'prompt_eval_count'),
      reusedTokens: undefined,
      generatedTokens: numberAt(event, 'eval_count'),
      promptMs: nanoseconds === undefined ? undefined : nanoseconds / 1e6,
    }),
  };
}

function probes({ model, family }: ServerModel): readonly Probe[] {
  const listed: Probe = {
    path: 'api/tags',
    judge: answer => {
      const models = readModels(answer);
      if (model !== '') return modelMissing(model, models);
      const list = (models ?? []).join(', ');
      return {
        code: 'server/no-model',
        message: 'Ollama must be told which model to use.',
        hint: `Set quantsmith.completions.serverModel${list === '' ? '; it has none yet (`ollama pull`).' : ` to one of ${list}.`}`,
      };
    },
  };
  if (model === '' || family) return [listed];
  const shown: Probe = {
    path: 'api/show',
    body: { model },
    optional: true,
    judge: answer => {
      const capabilities = listAt(answer, 'capabilities');
      if (capabilities === undefined || capabilities.includes('insert')) return undefined;
      return {
        code: 'server/cannot-fill',
        message: `Ollama's model "${model}" cannot fill in a middle: its template has no place for a suffix.`,
        hint: 'Use one that can, for example qwen2.5-coder in its base form, or choose the prompt by quantsmith.completions.fimFamily.',
      };
    },
  };
  return [listed, shown];
}

function readModels(answer: JsonObject): readonly string[] | undefined {
  return listAt(answer, 'models')?.flatMap(entry => stringAt(entry, 'name') ?? []);
}
