// The list of options of "Quantize Model…": each line shows its value; choosing one asks for another, Back returns to the
// list, and Back from there to the types.
import type * as vscode from 'vscode';
import { pickStep, textStep, type StepPlace } from '../quick-steps.js';
import { WISH_OPTIONS, type WishOption, type Wishes } from './quantize-wishes.js';

interface OptionPick extends vscode.QuickPickItem {
  readonly option?: WishOption;
}

interface ChoicePick extends vscode.QuickPickItem {
  readonly value: string;
}

/** The options as the user left them. */
export async function askOptions(title: string, before: Wishes): Promise<Wishes> {
  let wishes = before;
  let last: string | undefined;
  // Step 2 of 2: there is a way back, to the list of types or of options.
  const place: StepPlace = { title: `${title}: Options`, step: 2, totalSteps: 2 };
  for (;;) {
    const picked = await pickStep<OptionPick>({
      ...place,
      placeholder: 'Choose an option to change, or the first line to go on',
      items: Promise.resolve(optionPicks(wishes)),
      active: ({ option }) => option?.key === last,
    });
    const option = picked.kind === 'next' ? picked.value.option : undefined;
    if (!option) return wishes;
    last = option.key;
    const value = await askValue(option, wishes[option.key] ?? '', place);
    if (value !== undefined) wishes = { ...wishes, [option.key]: value };
  }
}

function optionPicks(wishes: Wishes): OptionPick[] {
  return [
    { label: '$(arrow-left) Back to the types' },
    ...WISH_OPTIONS.map(option => {
      const value = wishes[option.key] ?? '';
      return {
        label: option.label,
        description: value === '' ? option.none : `$(check) ${value}`,
        detail: option.detail,
        option,
      };
    }),
  ];
}

/** The new value; undefined if it stays. */
async function askValue(option: WishOption, value: string, place: StepPlace): Promise<string | undefined> {
  if (option.choices) {
    const picks: ChoicePick[] = [
      { label: 'Default', description: option.none, value: '' },
      ...option.choices.map(choice => ({ label: choice.value, description: choice.detail, value: choice.value })),
    ];
    const answer = await pickStep<ChoicePick>({
      ...place,
      placeholder: option.label,
      items: Promise.resolve(picks),
      active: pick => pick.value === value,
    });
    return answer.kind === 'next' ? answer.value.value : undefined;
  }
  const answer = await textStep({
    ...place,
    prompt: `${option.label}: ${option.prompt} (empty: ${option.none}) `,
    value,
    selection: [0, value.length],
    buttons: [],
    check: typed => {
      const text = typed.trim();
      const parsed = text === '' ? undefined : option.parse(text);
      return Promise.resolve(parsed && !parsed.ok ? { refused: true, message: parsed.message } : { refused: false });
    },
    confirm: () => Promise.resolve(true),
    onButton: () => Promise.resolve(undefined),
  });
  return answer.kind === 'next' ? answer.value.trim() : undefined;
}
