// Whatever speaks as OpenAI's `/v1/completions`: vLLM, LM Studio, llama-server, text-generation-webui, hosted services. The suffix is
// a parameter that few of them take: some refuse it, and some (llama-server 0.7.0) drop it without a word, so that a completion
// would know nothing of what follows. So it is tried first, by the number of tokens that a prompt has; and with a family of prompts
// chosen, so is whether its tokens are tokens there.
import type { ErrorData } from '../../problem.js';
import { fimStops, fimText, mostEmptyTokens } from './fim-text.js';
import {
  counts,
  listAt,
  modelMissing,
  numberAt,
  objectAt,
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

export const openai: ServerProtocol = {
  kind: 'openai',
  label: 'OpenAI-compatible server',
  endpoint: '',
  format: 'sse',
  completion: ask => ({
    path: 'completions',
    body: { ...prompt(ask), max_tokens: ask.maxTokens, temperature: 0, stream: true },
  }),
  promptText: (ask: ServerAsk) => (ask.family ? fimText(ask.family, ask) : `${ask.prefix}│${ask.suffix}`),
  readEvent,
  probes,
  modelsPath: 'models',
  readModels,
};

function prompt({ model, family, prefix, suffix }: Pick<ServerAsk, 'model' | 'family' | 'prefix' | 'suffix'>) {
  return {
    ...(model === '' ? {} : { model }),
    ...(family ? { prompt: fimText(family, { prefix, suffix }), stop: fimStops(family) } : { prompt: prefix, suffix }),
  };
}

function readEvent(event: JsonObject): ServerEvent | undefined {
  const usage = objectAt(event, 'usage');
  const counted = counts({
    promptTokens: numberAt(usage, 'prompt_tokens'),
    reusedTokens: numberAt(objectAt(usage, 'prompt_tokens_details'), 'cached_tokens'),
    generatedTokens: numberAt(usage, 'completion_tokens'),
    promptMs: numberAt(objectAt(event, 'timings'), 'prompt_ms'),
  });
  const choices = listAt(event, 'choices');
  if (choices === undefined) return undefined;
  const [choice] = choices;
  const text = stringAt(choice, 'text') ?? stringAt(objectAt(choice, 'delta'), 'content') ?? '';
  const reason = stringAt(choice, 'finish_reason');
  return {
    text,
    counts: counted,
    ...(reason === undefined ? {} : { end: ENDS[reason] ?? 'The server ended it.' }),
  };
}

/** Words that no tokenizer makes fewer tokens of than this. */
const TEST_SUFFIX = '\nreturn alpha + beta * gamma - delta / epsilon\n'.repeat(4);
const TEST_TOKENS = 16;

function probes({ model, family }: ServerModel): readonly Probe[] {
  const text = family ? { prefix: '', suffix: '' } : { prefix: 'x', suffix: TEST_SUFFIX };
  return [
    { path: 'models', optional: true, judge: answer => modelMissing(model, readModels(answer)) },
    {
      path: 'completions',
      body: { ...prompt({ model, family, ...text }), max_tokens: 1, temperature: 0 },
      isSlow: true,
      judge: answer => {
        const tokens = numberAt(objectAt(answer, 'usage'), 'prompt_tokens');
        if (tokens === undefined) return undefined;
        if (family) return tokens > mostEmptyTokens(family) ? unknownTokens(family.name, tokens) : undefined;
        return tokens < TEST_TOKENS ? SUFFIX_DROPPED : undefined;
      },
    },
  ];
}

const SUFFIX_DROPPED: ErrorData = {
  code: 'server/suffix-dropped',
  message: 'The server takes the text behind the cursor (`suffix`) and drops it: its prompt does not grow with it.',
  hint: 'Choose the prompt by quantsmith.completions.fimFamily; for llama-server set quantsmith.completions.engine to llama-server.',
};

function unknownTokens(family: string, tokens: number): ErrorData {
  return {
    code: 'server/unknown-tokens',
    message: `The server's model does not know the tokens of ${family}: it reads them as ${tokens} tokens of ordinary text.`,
    hint: 'Set quantsmith.completions.fimFamily to the family that the model was trained with.',
  };
}

function readModels(answer: JsonObject): readonly string[] | undefined {
  return listAt(answer, 'data')?.flatMap(entry => stringAt(entry, 'id') ?? []);
}
