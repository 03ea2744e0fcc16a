// `quantsmith check`: the editor's diagnostics of a recipe, for terminals and CI.
import { plural } from '../../core/text/quantity.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { CheckInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { diagnosticLines } from '../problem-text.js';
import { checkRecipeFile } from '../recipe-file.js';

export async function check(invocation: CheckInvocation, io: CliIo): Promise<ExitCode> {
  const { path, diagnostics, hasErrors } = await checkRecipeFile(invocation.recipe, io);
  if (invocation.json) {
    await io.stdout.write(jsonDocument({ recipe: path, diagnostics }));
  } else {
    const count = (severity: string) => diagnostics.filter(diagnostic => diagnostic.severity === severity).length;
    await io.stdout.write(diagnosticLines(path, diagnostics));
    await io.stderr.write(`${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}\n`);
  }
  return hasErrors ? EXIT.usage : EXIT.success;
}
