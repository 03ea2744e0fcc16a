// `quantsmith run`: a recipe from its text to its outputs. Diagnostics go to stderr in the form problem matchers read; a
// recipe with errors starts nothing. Evaluation, gates and record are part of the result's shape and empty: recipes of
// version 1 cannot ask for them.
import path from 'node:path';
import type { QuantizationReport } from '../../core/quantize/quantization-plan.js';
import { recipeToJob, type RecipeJob } from '../../core/recipe/recipe-job.js';
import type { RecipeDiagnostic } from '../../core/recipe/recipe.js';
import { quote } from '../../core/text/printable.js';
import { plural } from '../../core/text/quantity.js';
import { resolveRecipePath } from '../../platform/recipe-facts.js';
import { EXIT, type ExitCode } from '../exit.js';
import { UsageError } from '../failure.js';
import type { RunInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { diagnosticLines } from '../problem-text.js';
import { quantizationText } from '../quantization-text.js';
import { runJob } from '../quantize-job.js';
import { checkRecipeFile } from '../recipe-file.js';
import { styleFor } from '../style.js';
import { exitOf, jobOptions } from './quantize.js';

export async function runRecipe(invocation: RunInvocation, io: CliIo): Promise<ExitCode> {
  const { path: recipePath, recipe, diagnostics } = await checkRecipeFile(invocation.recipe, io);
  await io.stderr.write(diagnosticLines(recipePath, diagnostics.filter(isWorthALine)));
  if (!recipe) {
    const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
    const message = `${recipePath} has ${plural(errors, 'error')}; nothing was started.`;
    if (!invocation.json) throw new UsageError('recipe/invalid', message, 'The lines above say what and where.');
    const error = { code: 'recipe/invalid', message, hint: 'See diagnostics.' };
    await io.stdout.write(jsonDocument({ error, diagnostics }));
    return EXIT.usage;
  }

  const job = recipeToJob(recipe, written => resolveRecipePath(recipePath, written));
  if (invocation.only !== undefined) requireOutput(job, invocation.only, recipe.output.path, io);
  const report = await runJob({ ...job, ...jobOptions(invocation), createFolder: true }, invocation, io);
  await io.stdout.write(
    invocation.json
      ? jsonDocument({ outputs: [report] satisfies QuantizationReport[], evaluation: null, gates: [], record: null })
      : quantizationText(withoutSaid(report, diagnostics), styleFor(io.stdout, io.env)),
  );
  return exitOf(report);
}

/** `output-exists` is said by the job where it matters, with the right remedy; the editor's hint would say it twice. */
function isWorthALine({ severity }: RecipeDiagnostic): boolean {
  return severity === 'error' || severity === 'warning';
}

/** Names of the same finding in the recipe's diagnostics and in the plan, where they differ. */
const SAME_FINDING: Readonly<Record<string, string>> = {
  'recipe/no-match': 'plan/rule-unused',
  'recipe/dead-rule': 'plan/rule-shadowed',
  'recipe/never-quantized': 'plan/rule-without-effect',
};

/** For people, what the lines above have said with its place is not said again; JSON has everything. */
function withoutSaid(report: QuantizationReport, diagnostics: readonly RecipeDiagnostic[]): QuantizationReport {
  const said = new Set(
    diagnostics.filter(isWorthALine).map(({ code }) => SAME_FINDING[code] ?? code.replace('recipe/', 'plan/')),
  );
  return {
    ...report,
    problems: report.problems.filter(({ code, severity }) => severity === 'error' || !said.has(code)),
  };
}

/** A recipe of version 1 has one output; naming another is a mistake, not a wish for nothing. */
function requireOutput(job: RecipeJob, only: string, written: string, io: CliIo): void {
  if (only === written || only === path.basename(job.output) || path.resolve(io.cwd, only) === job.output) return;
  const hint = `Its output is ${written}.`;
  throw new UsageError('usage/no-such-output', `The recipe has no output ${quote(only)}.`, hint);
}
