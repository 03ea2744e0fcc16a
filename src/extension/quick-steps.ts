// A short sequence of questions in the quick input, with a way back. A step asks one thing and says `next` (with an
// answer), `back` or `cancel`; runSteps walks them. Nothing is decided before the last step has been answered.
import * as vscode from 'vscode';
import { Disposables } from './disposables.js';

export type StepResult<T> =
  { readonly kind: 'next'; readonly value: T } | { readonly kind: 'back' } | { readonly kind: 'cancel' };

export interface StepPlace {
  readonly title: string;
  readonly step: number;
  readonly totalSteps: number;
}

/** One question; it keeps its answer itself, so that going back finds it. */
export type Step = (place: { readonly step: number; readonly totalSteps: number }) => Promise<StepResult<unknown>>;

/** True when every step has been answered, false when the user left. */
export async function runSteps(steps: readonly Step[]): Promise<boolean> {
  let index = 0;
  while (index < steps.length) {
    const step = steps[index];
    if (step === undefined) break;
    const { kind } = await step({ step: index + 1, totalSteps: steps.length });
    if (kind === 'cancel') return false;
    index = kind === 'next' ? index + 1 : Math.max(0, index - 1);
  }
  return true;
}

export interface PickOptions<Item extends vscode.QuickPickItem> extends StepPlace {
  readonly placeholder: string;
  /** Shown with a progress line until they are there; a rejection ends the step with that error. */
  readonly items: Promise<readonly Item[]>;
  /** Which item has the focus at first. */
  readonly active?: (item: Item) => boolean;
  /** Last word on an item, which may ask or explain; false keeps the list open. */
  readonly confirm?: (item: Item) => Promise<boolean>;
}

export async function pickStep<Item extends vscode.QuickPickItem>(
  options: PickOptions<Item>,
): Promise<StepResult<Item>> {
  const owned = new Disposables();
  const pick = owned.add(vscode.window.createQuickPick<Item>());
  pick.title = options.title;
  pick.step = options.step;
  pick.totalSteps = options.totalSteps;
  pick.placeholder = options.placeholder;
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  pick.ignoreFocusOut = true;
  pick.busy = true;
  pick.buttons = options.step > 1 ? [vscode.QuickInputButtons.Back] : [];
  try {
    return await new Promise<StepResult<Item>>((resolve, reject) => {
      let isConfirming = false;
      const accept = async (item: Item): Promise<void> => {
        if (isConfirming) return;
        isConfirming = true;
        const confirmed = (await options.confirm?.(item)) ?? true;
        isConfirming = false;
        if (confirmed) resolve({ kind: 'next', value: item });
      };
      owned.add(
        pick.onDidAccept(() => {
          const [item] = pick.selectedItems;
          if (item !== undefined) accept(item).catch(reject);
        }),
      );
      owned.add(
        pick.onDidTriggerButton(() => {
          resolve({ kind: 'back' });
        }),
      );
      owned.add(
        pick.onDidHide(() => {
          resolve({ kind: 'cancel' });
        }),
      );
      pick.show();
      options.items.then(items => {
        // Disposed when the user left while the list was being made.
        if (owned.isDisposed) return;
        pick.items = items;
        pick.busy = false;
        const active = items.filter(item => options.active?.(item) ?? false);
        if (active.length > 0) pick.activeItems = active;
      }, reject);
    });
  } finally {
    owned.dispose();
  }
}

export interface TextOptions extends StepPlace {
  readonly prompt: string;
  readonly value: string;
  /** UTF-16 range of `value` that is selected, so that typing replaces it. */
  readonly selection: readonly [number, number];
  readonly buttons: readonly vscode.QuickInputButton[];
  /** A note or refusal for the text as it stands; runs on every change. */
  readonly check: (value: string) => Promise<{ readonly refused: boolean; readonly message?: string }>;
  /** The user pressed Enter on a text that was not refused; false keeps the box open. */
  readonly confirm: (value: string) => Promise<boolean>;
  /** A button other than Back; a text that is returned replaces the value. */
  readonly onButton: (button: vscode.QuickInputButton) => Promise<string | undefined>;
}

export async function textStep(options: TextOptions): Promise<StepResult<string>> {
  const owned = new Disposables();
  const box = owned.add(vscode.window.createInputBox());
  box.title = options.title;
  box.step = options.step;
  box.totalSteps = options.totalSteps;
  box.prompt = options.prompt;
  box.value = options.value;
  box.valueSelection = options.selection;
  box.ignoreFocusOut = true;
  box.buttons = [...(options.step > 1 ? [vscode.QuickInputButtons.Back] : []), ...options.buttons];
  /** A file dialog of ours may hide the box for a moment; that is not the user leaving. */
  let inDialog = false;
  let isHidden = false;

  const check = async (): Promise<boolean> => {
    const { value } = box;
    const { refused, message } = await options.check(value);
    if (owned.isDisposed || box.value !== value) return false;
    box.validationMessage =
      message === undefined
        ? undefined
        : {
            message,
            severity: refused ? vscode.InputBoxValidationSeverity.Error : vscode.InputBoxValidationSeverity.Warning,
          };
    return !refused;
  };
  const duringDialog = async <T>(work: () => Promise<T>): Promise<T> => {
    inDialog = true;
    try {
      return await work();
    } finally {
      inDialog = false;
      if (isHidden) box.show();
      isHidden = false;
    }
  };

  try {
    return await new Promise<StepResult<string>>((resolve, reject) => {
      const accept = async (): Promise<void> => {
        const { value } = box;
        if (inDialog || !(await check())) return;
        if (await duringDialog(() => options.confirm(value))) resolve({ kind: 'next', value });
      };
      const press = async (button: vscode.QuickInputButton): Promise<void> => {
        if (button === vscode.QuickInputButtons.Back) {
          resolve({ kind: 'back' });
          return;
        }
        const value = await duringDialog(() => options.onButton(button));
        if (value === undefined) return;
        box.value = value;
        await check();
      };
      owned.add(
        box.onDidAccept(() => {
          accept().catch(reject);
        }),
      );
      owned.add(
        box.onDidTriggerButton(button => {
          press(button).catch(reject);
        }),
      );
      owned.add(
        box.onDidChangeValue(() => {
          check().catch(reject);
        }),
      );
      owned.add(
        box.onDidHide(() => {
          if (inDialog) isHidden = true;
          else resolve({ kind: 'cancel' });
        }),
      );
      box.show();
      check().catch(reject);
    });
  } finally {
    owned.dispose();
  }
}
