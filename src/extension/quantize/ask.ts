// The questions of "Quantize Model…": importance matrix (if one lies beside the model; otherwise a line in the list of types
// leads to it), type, output; another line there leads to the options, which few need. Asks and returns; what the answers mean is decided by the pure functions beside this file.
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { isInterrupted } from '../../platform/interrupted-output.js';
import type { ModelDescription } from '../../protocol/worker-protocol.js';
import type { Services } from '../feature.js';
import { pickStep, runSteps, textStep, type Step } from '../quick-steps.js';
import { askOptions } from './ask-options.js';
import { importanceMatricesBeside, outputFacts } from './output-check.js';
import { defaultOutput, isShard, judgeOutput, resolveOutput, samePath } from './output-name.js';
import { sentence } from '../texts.js';
import type { QuantizeRequest } from './quantize-request.js';
import { parseWishes, wishesText, type Wishes } from './quantize-wishes.js';
import { typeItems, type TypeItem } from './quantize-texts.js';

interface TypePick extends vscode.QuickPickItem {
  readonly item?: TypeItem;
  /** Leads to the options instead. */
  readonly options?: true;
  /** Leads to the importance matrix instead. */
  readonly matrix?: true;
}

interface MatrixPick extends vscode.QuickPickItem {
  readonly file?: string;
  readonly browse?: boolean;
}

/** Undefined when the user left. Rejects with a coded error when the model cannot be read. */
export async function askWhatToMake(source: string, services: Services): Promise<QuantizeRequest | undefined> {
  const title = `Quantize ${path.basename(source)}`;
  const matrices = await importanceMatricesBeside(source);
  let imatrix: string | undefined;
  let fileType = '';
  let output: string | undefined;
  let overwrite = false;
  let allowRequantize = false;
  let wishes: Wishes = {};

  const askMatrix: Step = async place => {
    const answer = await pickStep<MatrixPick>({
      ...place,
      title,
      placeholder: 'Use an importance matrix? It tells which weights matter; low-bit types gain most',
      items: Promise.resolve(matrixItems(matrices)),
    });
    if (answer.kind !== 'next') return answer;
    if (answer.value.browse !== true) {
      imatrix = answer.value.file;
      return answer;
    }
    const chosen = await vscode.window.showOpenDialog({
      title: 'Importance matrix',
      openLabel: 'Use',
      defaultUri: vscode.Uri.file(path.dirname(source)),
      filters: { 'Importance matrices': ['gguf', 'dat', 'imatrix'] },
    });
    // Asked again: the dialog was left, not the command.
    if (!chosen?.[0]) return { kind: 'back' };
    imatrix = chosen[0].fsPath;
    return answer;
  };

  const askType: Step = async place => {
    const answer = await pickStep<TypePick>({
      ...place,
      title,
      placeholder: 'Type of the new file: fewer bits per weight, smaller and less exact',
      items: typePicks({ source, imatrix, wishes, asksMatrix: matrices.length === 0 }, services),
      active: pick => (fileType === '' ? pick.item?.recommended === true : pick.item?.fileType === fileType),
      confirm: ({ item }) => confirmObstacle(item),
    });
    if (answer.kind === 'next' && answer.value.options) {
      wishes = await askOptions(title, wishes);
      return askType(place);
    }
    if (answer.kind === 'next' && answer.value.matrix) {
      // Whether one was chosen or the question was left: back to the types.
      await askMatrix({ ...place, step: 2, totalSteps: 2 });
      return askType(place);
    }
    if (answer.kind === 'next' && answer.value.item) {
      // An output that was typed for another type is proposed anew.
      if (answer.value.item.fileType !== fileType) output = undefined;
      fileType = answer.value.item.fileType;
      allowRequantize = answer.value.item.obstacle?.kind === 'requantize';
    }
    return answer;
  };

  const askOutput: Step = async place => {
    const proposal = output ?? defaultOutput(source, fileType);
    const dialogButton = { iconPath: new vscode.ThemeIcon('folder-opened'), tooltip: 'Choose the place in a dialog' };
    /** The dialog has already asked whether this file shall be replaced. */
    let confirmedInDialog: string | undefined;
    const judge = async (typed: string) => {
      const target = resolveOutput(typed, source, homedir());
      const facts = target === undefined ? ({ exists: 'no', folder: 'writable' } as const) : await outputFacts(target);
      return judgeOutput(target, sourceFiles(source, services), facts);
    };
    const answer = await textStep({
      ...place,
      title,
      prompt: `Where to write the ${fileType} model `,
      value: proposal,
      selection: [proposal.length - path.basename(proposal).length, proposal.length - '.gguf'.length],
      buttons: [dialogButton],
      check: async typed => {
        const verdict = await judge(typed);
        return {
          refused: verdict.kind === 'refused',
          ...(verdict.message === undefined ? {} : { message: verdict.message }),
        };
      },
      confirm: async typed => {
        const target = resolveOutput(typed, source, homedir());
        if (target === undefined) return false;
        overwrite = false;
        if ((await judge(typed)).kind !== 'overwrite') return true;
        overwrite =
          (confirmedInDialog !== undefined && samePath(confirmedInDialog, target)) || (await confirmOverwrite(target));
        return overwrite;
      },
      onButton: async () => {
        const chosen = await vscode.window.showSaveDialog({
          title,
          saveLabel: 'Use This Place',
          defaultUri: vscode.Uri.file(proposal),
          filters: { 'GGUF models': ['gguf'] },
        });
        confirmedInDialog = chosen?.fsPath;
        return chosen?.fsPath;
      },
    });
    if (answer.kind === 'next') output = resolveOutput(answer.value, source, homedir());
    return answer;
  };

  const finished = await runSteps(matrices.length > 0 ? [askMatrix, askType, askOutput] : [askType, askOutput]);
  if (!finished || output === undefined) return undefined;
  const resume = (await isInterrupted(output)) ? await askResume(output) : false;
  if (resume === undefined) return undefined;
  return {
    resume,
    source,
    output,
    fileType,
    overwrite,
    allowRequantize,
    wishes,
    ...(imatrix === undefined ? {} : { imatrix }),
  };
}

/** True if nothing is in the way, or the user decides to quantize again what is quantized already. */
async function confirmObstacle(item: TypeItem | undefined): Promise<boolean> {
  if (item?.obstacle === undefined) return true;
  const { problem, kind } = item.obstacle;
  if (kind === 'impossible') {
    const reason = [problem.message, problem.hint ?? ''].map(sentence).join(' ');
    void vscode.window.showWarningMessage(`${item.fileType} cannot be made from this model: ${reason}`);
    return false;
  }
  const goOn = 'Quantize Again';
  const answer = await vscode.window.showWarningMessage(
    'Quantize a quantized model again?',
    {
      modal: true,
      detail: `${sentence(problem.message)} The result is better when it is made from an F16, BF16 or F32 model.`,
    },
    goOn,
  );
  return answer === goOn;
}

/** Undefined if the user wants neither. */
async function askResume(output: string): Promise<boolean | undefined> {
  const goOn = 'Go On';
  const anew = 'Start Anew';
  const answer = await vscode.window.showWarningMessage(
    `Go on with ${path.basename(output)}?`,
    {
      modal: true,
      detail:
        'A run that wrote this file was interrupted. What it finished is used again where model, type and options are the ' +
        'same. Starting anew deletes it.',
    },
    goOn,
    anew,
  );
  return answer === undefined ? undefined : answer === goOn;
}

export async function confirmOverwrite(output: string): Promise<boolean> {
  const replace = 'Replace';
  const answer = await vscode.window.showWarningMessage(
    `Replace ${path.basename(output)}?`,
    {
      modal: true,
      detail: `${output} exists. It is replaced when the new file is complete; until then it stays as it is.`,
    },
    replace,
  );
  return answer === replace;
}

async function typePicks(
  {
    source,
    imatrix,
    wishes,
    asksMatrix,
  }: {
    readonly source: string;
    readonly imatrix: string | undefined;
    readonly wishes: Wishes;
    /** None lies beside the model, so that the list has a line that leads to one elsewhere. */
    readonly asksMatrix: boolean;
  },
  services: Services,
): Promise<TypePick[]> {
  const parsed = parseWishes(wishes);
  const options = parsed.ok ? parsed.part.options : undefined;
  const params = { path: source, ...(imatrix === undefined ? {} : { imatrix }), ...(options && { options }) };
  const { types } = await services.worker.request('quantize/preview', params);
  const chosen = wishesText(wishes);
  const settings: TypePick[] = [
    {
      label: '$(settings-gear) Options…',
      description: chosen === '' ? 'rules, output matrix, layers, metadata, files' : `$(check) ${chosen}`,
      options: true,
    },
    ...(asksMatrix
      ? [
          {
            label: '$(file) Importance matrix…',
            description: imatrix === undefined ? 'none' : `$(check) ${path.basename(imatrix)}`,
            matrix: true as const,
          },
        ]
      : []),
  ];
  const items = typeItems(types, await sourceBytes(source, services));
  // The one most people take and the way to the options are seen without scrolling; some 40 types follow.
  const first = items.filter(item => item.recommended);
  const rest = items.filter(item => !item.recommended);
  const picks = [...first.map(typePick), ...settings];
  let group: string | undefined;
  for (const item of rest) {
    const label = GROUPS[item.obstacle?.kind ?? 'possible'];
    if (label !== group) picks.push({ label, kind: vscode.QuickPickItemKind.Separator });
    group = label;
    picks.push(typePick(item));
  }
  return picks;
}

const GROUPS = {
  possible: 'Smallest first',
  requantize: 'From weights that are quantized already',
  impossible: 'Not possible for this model',
} as const;

function typePick(item: TypeItem): TypePick {
  return { label: item.label, description: item.description, detail: item.detail, item };
}

function matrixItems(files: readonly string[]): MatrixPick[] {
  return [
    ...files.map(file => ({ label: path.basename(file), description: 'beside the model', file })),
    { label: 'None', description: 'every weight counts the same' },
    { label: 'Browse…', browse: true },
  ];
}

/** The description that an open inspector has already read, if any. */
function openModel(source: string, services: Services): ModelDescription | undefined {
  const state = services.inspectors.all.find(({ document }) => samePath(document.path, source))?.document.state;
  return state?.kind === 'model' ? state.model : undefined;
}

/** Bytes of the whole model; undefined for a shard of a model that nobody has opened. */
async function sourceBytes(source: string, services: Services): Promise<number | undefined> {
  const opened = openModel(source, services);
  if (opened) return opened.byteLength;
  if (isShard(source)) return undefined;
  return stat(source).then(
    ({ size }) => size,
    () => undefined,
  );
}

function sourceFiles(source: string, services: Services): readonly string[] {
  return [source, ...(openModel(source, services)?.shards.map(shard => shard.path) ?? [])];
}
