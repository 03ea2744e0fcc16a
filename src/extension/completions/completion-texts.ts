// What the status bar item of completions and "Explain Last Completion" say. Pure.
import { printable } from '../../core/text/printable.js';
import { formatInteger, formatNumber, plural } from '../../core/text/quantity.js';
import type { StatusText } from '../status/status-texts.js';
import { sentence } from '../texts.js';
import type { Outcome } from './completer.js';
import type { EngineFacts, ServerPlace } from './completion-engine.js';
import type { LastCompletion, ModelState } from './completion-service.js';

export interface CompletionStatus {
  readonly model: ModelState;
  /** The model's file name, or what server it is. */
  readonly name: string;
  /** Where text goes, if a server completes. */
  readonly server?: ServerPlace;
  readonly isGenerating: boolean;
  /** Why there are none in the editor that has the focus, whatever the model is. */
  readonly off?: string;
  readonly last?: LastCompletion;
}

export function completionStatus({ model, name, server, isGenerating, off, last }: CompletionStatus): StatusText {
  const text = (icon: string, tooltip: readonly string[], isWarning = false): StatusText => ({
    text: `$(${icon}) Completions`,
    tooltip: [...tooltip, 'Click for what can be done.'],
    label: `Quantsmith completions: ${tooltip.join(' ')}`,
    isWarning,
  });
  if (model.kind === 'none') return text('circle-slash', ['Off: no model is chosen.']);
  if (off !== undefined) return text('circle-slash', [`Off: ${off}`]);
  switch (model.kind) {
    case 'failed':
      return text(
        'warning',
        [
          `${name} cannot be used.`,
          sentence(model.error.message),
          ...(model.error.hint === undefined ? [] : [model.error.hint]),
        ],
        true,
      );
    case 'loading':
      return text('loading~spin', [
        `${server ? 'Asking' : 'Loading'} ${name}, and checking that it can fill in a middle.`,
        ...clearLines(server),
      ]);
    case 'unloaded':
      return text('sparkle', [
        `Ready: ${name} is ${server ? 'asked' : 'loaded'} when it is needed.`,
        ...clearLines(server),
        ...lastLines(last),
      ]);
    case 'ready':
      return text(isGenerating ? 'loading~spin' : 'sparkle', [
        isGenerating ? `${name} is writing.` : `Ready: ${name}${inBrackets(model.facts)}.`,
        ...clearLines(server),
        ...lastLines(last),
      ]);
  }
}

function inBrackets(facts: EngineFacts): string {
  if (!('server' in facts)) return ` (${facts.family})`;
  return facts.model === '' ? '' : ` (${printable(facts.model, { limit: 100 })})`;
}

function clearLines(server: ServerPlace | undefined): string[] {
  return server?.isClear === true
    ? [`Warning: code is sent to ${server.host} without encryption (http); everybody on the way can read it.`]
    : [];
}

function lastLines(last: LastCompletion | undefined): string[] {
  return last ? [`Last, ${last.where}: ${outcomeText(last.outcome)}`] : [];
}

function outcomeText({ offer, nothing, failed }: Outcome): string {
  if (failed) return `failed. ${sentence(failed.message)}`;
  if (offer) return 'a completion was shown.';
  return `nothing was shown. ${nothing ?? ''}`;
}

const SOURCES = {
  model: 'the model, just now',
  joined: 'the model, which was writing already when the last key was pressed',
  cache: 'an earlier answer of the model, which goes on here',
} as const;

/** Everything about the last request, as plain text: code in it needs no escaping. */
export function explanation(last: LastCompletion | undefined, model: ModelState, server?: ServerPlace): string {
  if (!last) return 'No completion was asked for yet in this window.\n';
  const { outcome, where, at } = last;
  const { offer, source, typed, answer, notes, waitedMs, totalMs } = outcome;
  const lines = [`Completion at ${where}, ${at.toLocaleTimeString()}`, '', `Result: ${outcomeText(outcome)}`];
  if (outcome.failed?.hint !== undefined) lines.push(outcome.failed.hint);
  if (model.kind !== 'none') lines.push(`${server ? 'Server' : 'Model'}: ${printable(model.path)}`);
  if (model.kind === 'ready') lines.push(...factsLines(model.facts));
  if (offer) {
    lines.push('', '--- Shown', offer.text);
    if (offer.replace > 0) lines.push(`(in place of the next ${plural(offer.replace, 'character')})`);
  }
  if (notes.length > 0) lines.push('', '--- What was done to the text of the model', ...notes);
  if (source) {
    lines.push('', `Source: ${SOURCES[source]}.`);
    if (typed !== undefined && typed !== '') lines.push(`Typed since, in agreement: ${JSON.stringify(typed)}`);
  }
  const first = outcome.firstMs === undefined ? '' : ` First text: ${milliseconds(outcome.firstMs)}.`;
  lines.push(`Waited for a pause in typing: ${milliseconds(waitedMs)}.${first} Total: ${milliseconds(totalMs)}.`);
  if (answer) lines.push(...answerLines(answer));
  return `${lines.join('\n')}\n`;
}

function factsLines(facts: EngineFacts): string[] {
  if ('server' in facts) {
    const { server, base, family } = facts;
    return [
      `Text around the cursor is sent to the ${server} at ${base}; the prompt is made ` +
        (family === undefined ? 'there.' : `of the tokens of ${family} (quantsmith.completions.fimFamily).`),
    ];
  }
  const { family, overWrong, overPlain, context, backend, isa, filesTokens, filesWhy } = facts;
  return [
    `Prompt of the family ${family}; context of ${plural(context, 'token')}; ${backend} kernels (${isa}).`,
    `Check at loading: the right text behind the cursor is worth ${nats(overWrong)} against a wrong one, ${nats(overPlain)} against none.`,
    filesTokens > 0
      ? `Room for ${plural(filesTokens, 'token')} of other files.`
      : `Other files are not read: ${filesWhy ?? 'there is no room for them'}.`,
  ];
}

function answerLines(answer: NonNullable<Outcome['answer']>): string[] {
  const { promptTokens, generatedTokens, waitMs, promptMs, generateMs } = answer;
  return [
    '',
    '--- The model',
    promptTokens === undefined
      ? 'Prompt: the server does not count its tokens.'
      : promptLine({ ...answer, promptTokens }),
    (generatedTokens === undefined ? 'Generated' : `Generated: ${plural(generatedTokens, 'token')}`) +
      `. It stopped because: ${answer.stop}`,
    `Waiting for the model: ${milliseconds(waitMs)}. Prompt: ${milliseconds(promptMs)}. Generation: ${milliseconds(generateMs)}.`,
    '',
    '--- Text of the model',
    answer.text,
    '',
    '--- Prompt',
    answer.prompt,
  ];
}

/** A server need not say what it knew, and does not say what it cut. */
function promptLine(counts: { promptTokens: number; reusedTokens?: number; cutTokens?: number }): string {
  const { promptTokens, reusedTokens, cutTokens } = counts;
  const known = reusedTokens === undefined ? '' : `, ${formatInteger(reusedTokens)} of them evaluated before`;
  const cut = cutTokens === undefined ? '' : `; ${plural(cutTokens, 'token')} of the text had no room`;
  return `Prompt: ${plural(promptTokens, 'token')}${known}${cut}.`;
}

const milliseconds = (value: number): string => `${formatInteger(Math.round(value))} ms`;
const nats = (value: number): string => `${formatNumber(Number(value.toFixed(2)))} nats per token`;
