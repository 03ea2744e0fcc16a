import type { Shape } from './model.mjs';
/** Bytes written. */
export function writeGrownModel(file: string, example: string, shape: Shape): number;
