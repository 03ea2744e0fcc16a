// A short message to the person: said to a screen reader and shown for a moment at the bottom of the inspector.
export interface Announcement {
  readonly message: string;
  readonly failed?: boolean;
}

export const ANNOUNCE = 'inspector-announce';

export function announce(from: HTMLElement, message: string, failed = false): void {
  const detail: Announcement = { message, failed };
  from.dispatchEvent(new CustomEvent(ANNOUNCE, { detail, bubbles: true, composed: true }));
}

/** Runs something that may fail and says how it ended; the result of `work` is the message. */
export async function announcing(from: HTMLElement, work: () => Promise<string> | string): Promise<void> {
  try {
    announce(from, await work());
  } catch (error) {
    announce(from, error instanceof Error ? error.message : String(error), true);
  }
}
