// Other extensions that show ghost text, by their ids in the marketplaces. Where two are at work, their texts take turns at flickering and
// Tab accepts the wrong one; so one owns a language. One table.

export interface OtherProvider {
  readonly id: string;
  readonly name: string;
  /** A setting of its that turns its ghost text off by language, as an object of language ids to booleans. */
  readonly languageSetting?: string;
}

export const OTHER_PROVIDERS: readonly OtherProvider[] = [
  { id: 'github.copilot', name: 'GitHub Copilot', languageSetting: 'github.copilot.enable' },
  { id: 'continue.continue', name: 'Continue' },
  { id: 'tabbyml.vscode-tabby', name: 'Tabby' },
  { id: 'codeium.codeium', name: 'Windsurf (Codeium)', languageSetting: 'codeium.enableConfig' },
  { id: 'supermaven.supermaven', name: 'Supermaven' },
  { id: 'sourcegraph.cody-ai', name: 'Cody' },
  { id: 'sourcegraph.amp', name: 'Amp' },
  { id: 'ggml-org.llama-vscode', name: 'llama.vscode' },
  { id: 'rjmacarthy.twinny', name: 'twinny' },
  { id: 'tabnine.tabnine-vscode', name: 'Tabnine' },
  { id: 'amazonwebservices.amazon-q-vscode', name: 'Amazon Q' },
  { id: 'google.geminicodeassist', name: 'Gemini Code Assist' },
  { id: 'huggingface.huggingface-vscode', name: 'llm-vscode' },
  { id: 'visualstudioexptteam.vscodeintellicode-completions', name: 'IntelliCode Completions' },
];

/** Those that are installed, in the table's order. */
export function otherProviders(installed: readonly string[]): readonly OtherProvider[] {
  const ids = new Set(installed.map(id => id.toLowerCase()));
  return OTHER_PROVIDERS.filter(({ id }) => ids.has(id));
}

/**
 * The setting of another provider with a language turned off, the rest as it is. Whatever stood there may be of any type. `*` is what
 * it says of languages that it does not name: without it Copilot takes one named language to turn off all others.
 */
export function withoutLanguage(setting: unknown, language: string): Readonly<Record<string, unknown>> {
  const before = typeof setting === 'object' && setting !== null && !Array.isArray(setting) ? setting : {};
  return { '*': true, ...before, [language]: false };
}
