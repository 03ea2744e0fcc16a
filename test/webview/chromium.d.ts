declare module '*/scripts/chromium.mjs' {
  export function ensureChromium(): Promise<{ path?: string; reason?: string }>;
  export const CHROMIUM_FLAGS: string[];
}
