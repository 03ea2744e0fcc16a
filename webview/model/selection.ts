// Which row of a table is active and which are selected, and what keys and clicks make of that. Rows are indices into the
// rows shown; whoever changes the rows makes a new selection. Index -1 as the active row is the header.

export interface Selection {
  readonly active: number;
  /** Where a range extended with Shift begins. */
  readonly anchor: number;
  readonly selected: ReadonlySet<number>;
}

export const HEADER_ROW = -1;

export function selectOnly(index: number): Selection {
  return { active: index, anchor: index, selected: index < 0 ? new Set() : new Set([index]) };
}

export function selectRange(anchor: number, active: number): Selection {
  const selected = new Set<number>();
  for (let i = Math.max(0, Math.min(anchor, active)); i <= Math.max(anchor, active); i++) selected.add(i);
  return { active, anchor, selected };
}

export function selectAll(selection: Selection, count: number): Selection {
  if (count === 0) return selectOnly(HEADER_ROW);
  return { ...selectRange(0, count - 1), active: Math.max(0, selection.active) };
}

export function toggleRow(selection: Selection, index: number): Selection {
  const selected = new Set(selection.selected);
  if (!selected.delete(index)) selected.add(index);
  return { active: index, anchor: index, selected };
}

/** Where a navigation key leads from row `active`; undefined if the key is none. The header can be reached by ArrowUp only. */
export function navigate(active: number, key: string, count: number, pageRows: number): number | undefined {
  const last = count - 1;
  const clamp = (index: number) => Math.max(0, Math.min(last, index));
  switch (key) {
    case 'ArrowDown':
      return Math.min(last, active + 1);
    case 'ArrowUp':
      return Math.max(HEADER_ROW, active - 1);
    case 'PageDown':
      return count ? clamp(active + Math.max(1, pageRows)) : HEADER_ROW;
    case 'PageUp':
      return count ? clamp(active - Math.max(1, pageRows)) : HEADER_ROW;
    case 'Home':
      return count ? 0 : HEADER_ROW;
    case 'End':
      return last;
    default:
      return undefined;
  }
}

/** The selection after a move to `target`; with `extend` (Shift) the range from the anchor. */
export function moveTo(selection: Selection, target: number, extend: boolean): Selection {
  if (!extend || target < 0) return selectOnly(target);
  return selectRange(Math.max(0, selection.anchor), target);
}
