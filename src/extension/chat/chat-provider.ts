// Local models for the editor's chat. The worker renders, generates and counts; here is only the way from and to the editor.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { errorData } from '../../core/problem.js';
import { formatCount } from '../../core/text/quantity.js';
import type { ChatSupport } from '../../protocol/worker-protocol.js';
import { errorLine } from '../services/log.js';
import { computeSettings } from '../services/settings.js';
import type { WorkerService } from '../services/worker.js';
import { sentence } from '../texts.js';
import { chatOptions, conversation, tokenShares } from './chat-messages.js';
import type { ChatModels } from './chat-models.js';

export class ChatProvider implements vscode.LanguageModelChatProvider {
  readonly onDidChangeLanguageModelChatInformation: vscode.Event<void>;
  readonly #models: ChatModels;
  readonly #worker: WorkerService;
  readonly #log: vscode.LogOutputChannel;

  constructor(models: ChatModels, worker: WorkerService, log: vscode.LogOutputChannel) {
    this.onDidChangeLanguageModelChatInformation = models.onDidChange;
    this.#models = models;
    this.#worker = worker;
    this.#log = log;
  }

  provideLanguageModelChatInformation(
    _options: vscode.PrepareLanguageModelChatModelOptions,
    token: vscode.CancellationToken,
  ): Promise<vscode.LanguageModelChatInformation[]> {
    return this.#cancellable(token, async signal => {
      const models = await this.#models.list(signal);
      return models.map(({ path: file, support }) => information(file, support));
    });
  }

  async provideLanguageModelChatResponse(
    { id, maxOutputTokens }: vscode.LanguageModelChatInformation,
    messages: readonly vscode.LanguageModelChatRequestMessage[],
    { modelOptions = {} }: vscode.ProvideLanguageModelChatResponseOptions,
    progress: vscode.Progress<vscode.LanguageModelResponsePart>,
    token: vscode.CancellationToken,
  ): Promise<void> {
    let reported = 0;
    const report = (text: string): void => {
      if (text.length <= reported || token.isCancellationRequested) return;
      progress.report(new vscode.LanguageModelTextPart(text.slice(reported)));
      reported = text.length;
    };
    await this.#cancellable(token, async signal => {
      const seed = Math.floor(Math.random() * 2 ** 32);
      const request = {
        model: { path: id, ...computeSettings() },
        messages: conversation(messages),
        ...chatOptions(modelOptions, maxOutputTokens, seed),
      };
      const answer = await this.#worker.request('chat/run', request, { signal, onProgress: report });
      report(answer.text);
      const { promptTokens, reusedTokens, generatedTokens, promptMs, generateMs } = answer;
      this.#log.info(
        `chat with ${path.basename(id)}: ${promptTokens} tokens read (${reusedTokens} known) in ${Math.round(promptMs)} ms, ` +
          `${generatedTokens} written in ${Math.round(generateMs)} ms`,
      );
    });
  }

  provideTokenCount(
    { id }: vscode.LanguageModelChatInformation,
    text: string | vscode.LanguageModelChatRequestMessage,
    token: vscode.CancellationToken,
  ): Promise<number> {
    return this.#cancellable(token, async signal => {
      const of = typeof text === 'string' ? { text } : { messages: conversation([text]) };
      return (await this.#worker.request('chat/count', { path: id, ...of }, { signal })).tokens;
    });
  }

  /** Rejects as the editor's chat shows it: with what happened and what to do. */
  async #cancellable<T>(token: vscode.CancellationToken, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const cancelling = token.onCancellationRequested(() => {
      controller.abort(new vscode.CancellationError());
    });
    if (token.isCancellationRequested) controller.abort(new vscode.CancellationError());
    try {
      return await work(controller.signal);
    } catch (error) {
      if (token.isCancellationRequested) throw new vscode.CancellationError();
      const data = errorData(error);
      this.#log.error(errorLine(data));
      throw new Error(`${sentence(data.message)} ${data.hint ?? ''}`.trim(), { cause: error });
    } finally {
      cancelling.dispose();
    }
  }
}

function information(file: string, support: ChatSupport): vscode.LanguageModelChatInformation {
  const { name, architecture, fileType, parameterCount, context } = support;
  const { input, output } = tokenShares(context);
  return {
    id: file,
    name: path.basename(file, '.gguf'),
    family: architecture,
    version: fileType ?? 'unknown',
    tooltip: [name ?? '', `${formatCount(parameterCount)} parameters`, file].filter(text => text !== '').join(' · '),
    detail: fileType ?? '',
    ...{ maxInputTokens: input, maxOutputTokens: output },
    capabilities: { imageInput: false, toolCalling: false },
  };
}
