declare module '*/scripts/desktop-code.mjs' {
  export function openInDesktopCode(options: {
    folder: string;
    extensionPath: string;
    beforeOpening?: () => Promise<void>;
  }): Promise<{ readonly opened: boolean; readonly reason?: string }>;
}
