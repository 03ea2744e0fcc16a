// What a table view tells the inspector: its state changed. The inspector keeps the state and gives it back.
import type { TableState } from '../model/view-state.js';

export const TABLE_STATE = 'inspector-table-state';

export function changeTableState(from: HTMLElement, patch: Partial<TableState>): void {
  from.dispatchEvent(
    new CustomEvent<Partial<TableState>>(TABLE_STATE, { detail: patch, bubbles: true, composed: true }),
  );
}
