// Pure facts about recipe tasks: what the definition in tasks.json says, the command line it becomes, what it is called.
import type { ComputeSettings } from '../services/settings.js';

export const TASK_TYPE = 'quantsmith';

/** `contributes.taskDefinitions` in package.json. */
export interface RecipeTaskDefinition {
  readonly type: typeof TASK_TYPE;
  /** Relative to the workspace folder, or absolute. */
  readonly recipe: string;
  readonly args?: readonly string[];
}

/** The definition if it is complete, undefined for what a person has not finished typing in tasks.json. */
export function parseDefinition(definition: Readonly<Record<string, unknown>>): RecipeTaskDefinition | undefined {
  const { type, recipe, args } = definition;
  if (type !== TASK_TYPE || typeof recipe !== 'string' || recipe === '') return undefined;
  const list: readonly unknown[] = Array.isArray(args) ? args : [];
  if (!list.every(value => typeof value === 'string')) return undefined;
  return { type, recipe, ...(args === undefined ? {} : { args: list }) };
}

/** `quantsmith run …`: the settings first, so that arguments of the task override them. */
export function commandLine(definition: RecipeTaskDefinition, settings: ComputeSettings): string[] {
  return [
    'run',
    definition.recipe,
    ...(settings.threads > 0 ? ['--threads', String(settings.threads)] : []),
    ...(settings.backend === 'auto' ? [] : ['--backend', settings.backend]),
    ...(definition.args ?? []),
  ];
}

/** `run models/tiny.quant.yaml`; VS Code puts the task's source before it. */
export function taskName(definition: RecipeTaskDefinition): string {
  return ['run', definition.recipe, ...(definition.args ?? [])].join(' ');
}

/** The recipe's `output:` as written, if it is a plain or quoted text on one line; enough to ask before replacing it. */
export function writtenOutput(recipe: string): string | undefined {
  const value = /^output:[ \t]+(?:"([^"\\\n]*)"|'([^'\n]*)'|([^\s"'#&*!|>{[%@`][^\n]*?))[ \t]*(?:[ \t]#.*)?$/m.exec(
    recipe.replaceAll('\r', ''),
  );
  return value ? (value[1] ?? value[2] ?? value[3]) : undefined;
}
