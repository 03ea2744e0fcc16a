// What a file that does not start with `GGUF` is instead, as far as its first bytes tell, and what to do with it. Only
// words for a person come from here; nothing is parsed.
import { plural } from '../text/quantity.js';

export interface Identity {
  readonly code: 'gguf/not-gguf' | 'gguf/legacy-format';
  readonly what: string;
  readonly hint: string;
}

const legacyHint =
  'llama.cpp stopped reading this format in 2023. Download the model again as GGUF, or convert the original checkpoint.';

// The formats before GGUF start with a 32-bit number that reads backwards in a little-endian file, and forwards in what
// big-endian machines and some writers of their own made.
const LEGACY: readonly (readonly [magic: string, what: string])[] = [
  ['lmgg', 'a GGML file (unversioned, the first of the formats before GGUF)'],
  ['fmgg', 'a GGMF file (a format before GGUF)'],
  ['tjgg', 'a GGJT file (a format before GGUF)'],
  ['algg', 'a GGLA adapter (the LoRA format before GGUF)'],
  ['FUGG', 'a GGUF file of a pre-release version, with the magic FUGG'],
];

/** Looks at up to 64 bytes from the start of a file of `size` bytes. */
export function identify(head: Uint8Array, size: number): Identity {
  const text = latin1(head);
  const legacy = LEGACY.find(([magic]) => text.startsWith(magic) || text.startsWith(reversed(magic)));
  if (legacy) return { code: 'gguf/legacy-format', what: legacy[1], hint: legacyHint };
  const not = (what: string, hint: string): Identity => ({ code: 'gguf/not-gguf', what, hint });

  if (size === 0) return not('empty', 'The download or copy did not start; fetch the file again.');
  if (text.startsWith('version https://git-lfs'))
    return not(
      'a Git LFS pointer, not the model itself',
      'Fetch the model with `git lfs pull`, or download it directly.',
    );
  if (/^\s*(<!doctype html|<html|<\?xml|<head)/i.test(text))
    return not('a web page', 'The download link led to a page (a login or an error); download the file itself.');
  if (text.startsWith('PK\u0003\u0004'))
    return not(
      'a ZIP archive, most likely a PyTorch checkpoint',
      'Use the GGUF or safetensors files of the same model; PyTorch archives are not read.',
    );
  if (head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5)
    return not(
      'a Python pickle, most likely an old PyTorch checkpoint',
      'Pickles can run code and are never opened here: convert the model to GGUF.',
    );
  // safetensors: 64-bit length of a JSON header, then the header.
  if (text.charAt(8) === '{' && text.slice(4, 8) === '\0\0\0\0')
    return not('a safetensors file', 'Convert the checkpoint to GGUF first.');
  if (text.startsWith('\u001f\u008b') || text.startsWith('\u0028\u00b5\u002f\u00fd'))
    return not('compressed', 'Decompress it first.');
  if (/^\s*\{/.test(text))
    return not('JSON text', 'An error message of a server is often saved this way; look into it.');
  if (head.length > 0 && head.every(byte => byte === 0))
    return not('zero bytes at its start', 'The download was reserved but not written; fetch the file again.');
  if (size < 4) return not(`${plural(size, 'byte')} long`, 'The download stopped at once; fetch the file again.');
  return not(`something else (its first bytes are ${hex(head.subarray(0, 4))})`, 'Check that this is the right file.');
}

function reversed(text: string): string {
  return Array.from(text).reverse().join('');
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64));
}

/** `47 47 55 46 "GGUF"`: bytes as a person wants to see them in a message. */
export function hex(bytes: Uint8Array): string {
  const digits = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ');
  const text = [...bytes].map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  return `${digits} "${text}"`;
}
