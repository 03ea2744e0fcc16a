// `quantsmith generate`: continues a text on stdout, token by token.
import path from 'node:path';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import { printable } from '../../core/text/printable.js';
import { CachedSequence } from '../../engine/cached-sequence.js';
import { generate, type Generated } from '../../engine/jobs/generate.js';
import { Sampler } from '../../engine/sampler.js';
import { checkSameVocabulary, DraftModel } from '../../engine/speculation/draft-model.js';
import type { Drafter } from '../../engine/speculation/drafter.js';
import { PromptLookup } from '../../engine/speculation/prompt-lookup.js';
import type { OpenedModel } from '../../platform/open-model.js';
import { openSession, PROMPT_BATCH, type OpenedSession } from '../../platform/open-session.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { GenerateInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { openWithTokenizer } from '../open-tokenizer.js';

export async function generateText(invocation: GenerateInvocation, io: CliIo): Promise<ExitCode> {
  const { model, prompt, count, stop, special, sampling, json } = invocation;
  const { opened: header, tokenizer } = await openWithTokenizer(model, io);
  const tokens = tokenizer.encode(prompt, { addSpecial: true, parseSpecial: special });
  const sessions: OpenedSession[] = [];
  const open = async (of: OpenedModel): Promise<OpenedSession> => {
    const { threads, backend, cacheType, context } = invocation;
    const session = await openSession(of, {
      ...(threads === 0 ? {} : { threads }),
      ...(context === undefined ? {} : { context }),
      ...{ backend, kernels: path.join(io.dist, 'kernels') },
      ...{ needed: Math.max(1, tokens.length + count), batch: PROMPT_BATCH, cacheType, signal: io.signal },
    });
    sessions.push(session);
    return session;
  };
  try {
    const opened = await open(header);
    const drafter = await drafterOf(invocation, tokenizer, opened, open, io);
    const show = async (text: string): Promise<void> => {
      await io.stdout.write(io.stdout.isTTY ? printable(text, { lines: true }) : text);
    };
    const result = await generate(
      { prompt: tokens, count, stop, draft: invocation.lookup ?? invocation.draftMax },
      {
        ...{ model: opened, cache: new CachedSequence(opened), tokenizer, sampler: new Sampler(sampling) },
        ...(drafter ? { drafter } : {}),
        signal: io.signal,
        now: () => performance.now() / 1000,
        turn: () => new Promise(resolve => setImmediate(resolve)),
        ...(json ? {} : { onText: show }),
      },
    );
    await io.stdout.write(json ? document(result, tokens.length, opened) : '\n');
    return result.reason === 'interrupted' ? EXIT.interrupted : EXIT.success;
  } catch (error) {
    for (const session of sessions) {
      const blamed = await session.blame(error);
      if (blamed !== error) throw blamed;
    }
    throw error;
  } finally {
    for (const session of sessions) await session.close();
  }
}

async function drafterOf(
  { lookup, draft }: GenerateInvocation,
  tokenizer: Tokenizer,
  { vocabulary }: OpenedSession,
  open: (of: OpenedModel) => Promise<OpenedSession>,
  io: CliIo,
): Promise<Drafter | undefined> {
  if (draft === undefined) return lookup === undefined ? undefined : new PromptLookup();
  const drafting = await openWithTokenizer(draft, io);
  try {
    checkSameVocabulary(tokenizer, drafting.tokenizer);
  } catch (error) {
    await drafting.opened.close();
    throw error;
  }
  return new DraftModel(await open(drafting.opened), vocabulary);
}

function document(result: Generated, promptTokens: number, { backend }: OpenedSession): string {
  const { text, ids, reason, promptSeconds, generateSeconds, speculation } = result;
  return jsonDocument({
    ...{ text, ids, reason, promptTokens, promptSeconds },
    ...{ generatedTokens: ids.length, generateSeconds, backend },
    ...(speculation ? { speculation } : {}),
  });
}
