// Colour and weight on a terminal, nothing elsewhere. NO_COLOR (no-color.org) and TERM=dumb switch it off, FORCE_COLOR on.
import type { CliIo, TextSink } from './io.js';

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

const plain: Style = { bold: text => text, dim: text => text, red: text => text, yellow: text => text };

const colored: Style = {
  bold: text => `\u001b[1m${text}\u001b[22m`,
  dim: text => `\u001b[2m${text}\u001b[22m`,
  red: text => `\u001b[31m${text}\u001b[39m`,
  yellow: text => `\u001b[33m${text}\u001b[39m`,
};

export function styleFor(sink: TextSink, env: CliIo['env']): Style {
  if (env['NO_COLOR']) return plain;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return colored;
  return sink.isTTY && env['TERM'] !== 'dumb' ? colored : plain;
}
