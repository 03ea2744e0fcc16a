// Other extensions with ghost text: said once for each language in which both are at work, with a choice of who owns it. The choice is
// the setting `quantsmith.completions.enabled` of the language, which everything else obeys already; another extension is turned off
// only where it has a setting for that, and only when the user says so. Else we are silent, or both go on.
import * as vscode from 'vscode';
import { otherProviders, withoutLanguage, type OtherProvider } from '../../core/completion/other-providers.js';
import { Disposables } from '../disposables.js';
import type { CompletionService } from './completion-service.js';
import { COMPLETIONS, completionSettings } from './completion-settings.js';

/** Languages that were asked about, in the global state. */
const KEY = 'quantsmith.completions.owned';

export class Coexistence implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #service: CompletionService;
  readonly #state: vscode.Memento;
  #isAsking = false;

  constructor(service: CompletionService, state: vscode.Memento) {
    this.#service = service;
    this.#state = state;
    this.#owned.add(service.onDidChange(() => void this.#look()));
  }

  dispose(): void {
    this.#owned.dispose();
  }

  /** After a text was shown: before that nobody is in the other's way. */
  async #look(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (this.#isAsking || !document || !this.#service.last?.outcome.offer) return;
    const { languageId } = document;
    const kept = this.#state.get<unknown>(KEY);
    const asked = Array.isArray(kept) ? kept.filter(entry => typeof entry === 'string') : [];
    if (asked.includes(languageId) || !completionSettings(document).enabled) return;
    const others = rivals(languageId);
    if (others.length === 0) return;
    this.#isAsking = true;
    try {
      // Once, whatever the answer is: a message that is closed is an answer, too.
      await this.#state.update(KEY, [...asked, languageId]);
      await ask(languageId, others);
    } finally {
      this.#isAsking = false;
    }
  }
}

/** Those that are installed and not known to be turned off for a language. */
export function rivals(language: string): readonly OtherProvider[] {
  return otherProviders(vscode.extensions.all.map(({ id }) => id)).filter(({ languageSetting }) => {
    if (languageSetting === undefined) return true;
    const setting = vscode.workspace.getConfiguration().get<unknown>(languageSetting);
    if (typeof setting !== 'object' || setting === null) return true;
    const of = setting as Record<string, unknown>;
    return (of[language] ?? of['*'] ?? true) !== false;
  });
}

async function ask(language: string, others: readonly OtherProvider[]): Promise<void> {
  const names = others.map(({ name }) => name).join(', ');
  const ours = `Quantsmith for ${language}`;
  const theirs = others.length === 1 ? `${names} for ${language}` : `The Others for ${language}`;
  const stubborn = others.filter(({ languageSetting }) => languageSetting === undefined).map(({ name }) => name);
  const pressed = await vscode.window.showInformationMessage(
    `${names} may show ghost text in ${language}, too, and Tab accepts only what is in front. Who shall complete ${language}?` +
      (stubborn.length > 0 ? ` ${stubborn.join(', ')} must be turned off by hand.` : ''),
    ours,
    theirs,
    'Both',
  );
  if (pressed === theirs) {
    await vscode.workspace
      .getConfiguration(COMPLETIONS, { languageId: language })
      .update('enabled', false, vscode.ConfigurationTarget.Global, true);
  }
  if (pressed !== ours) return;
  const settings = vscode.workspace.getConfiguration();
  for (const { languageSetting } of others) {
    if (languageSetting === undefined) continue;
    const before = settings.inspect(languageSetting)?.globalValue;
    await settings.update(languageSetting, withoutLanguage(before, language), vscode.ConfigurationTarget.Global);
  }
}
