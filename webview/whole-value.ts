// Whole values of metadata entries whose description holds only the beginning: strings in one request, arrays in chunks.
import { QuantsmithError } from '../src/core/problem.js';
import type { GgufScalar } from '../src/core/gguf/gguf.js';
import { formatInteger } from '../src/core/text/quantity.js';
import type { MetadataRow } from '../src/protocol/worker-protocol.js';
import type { InspectorHost } from './host.js';
import { formatScalar } from './model/format.js';
import { arrayAsJson, scalarAsJson } from './model/metadata-rows.js';

/** Elements per request, the most the host allows: some hundred kilobytes of tokens. */
const CHUNK = 10_000;
/** More elements than any vocabulary has (262,144 today) and still a clipboard that works. */
export const MAX_COPY_ELEMENTS = 1_000_000;

export async function wholeArray(host: InspectorHost, row: MetadataRow): Promise<readonly GgufScalar[]> {
  const { array } = row;
  if (!array) return [];
  if (array.head.length >= array.length) return array.head;
  if (array.length > MAX_COPY_ELEMENTS) {
    throw new QuantsmithError(
      'inspector/too-long',
      `${row.key} has ${formatInteger(array.length)} elements; at most ${formatInteger(MAX_COPY_ELEMENTS)} can be copied.`,
      'Use "quantsmith inspect" on the command line.',
    );
  }
  const values: GgufScalar[] = [];
  while (values.length < array.length) {
    const count = Math.min(CHUNK, array.length - values.length);
    const answer = await host.request({ kind: 'array', key: row.key, start: values.length, count });
    if (answer.values.length === 0)
      throw new QuantsmithError(
        'inspector/short-answer',
        `${row.key} ended after ${formatInteger(values.length)} elements.`,
      );
    for (const value of answer.values) values.push(value);
  }
  return values;
}

export async function wholeString(host: InspectorHost, row: MetadataRow): Promise<string> {
  if (row.fullLength === undefined) return row.value === undefined ? '' : formatScalar(row.value, row.type);
  return (await host.request({ kind: 'string', key: row.key })).value;
}

/** The whole value as JSON. */
export async function valueAsJson(host: InspectorHost, row: MetadataRow): Promise<string> {
  if (row.array) return arrayAsJson(await wholeArray(host, row), row.array.elementType);
  if (row.type === 'string') return JSON.stringify(await wholeString(host, row));
  return row.value === undefined ? 'null' : scalarAsJson(row.value, row.type);
}

/** The whole value as plain text: strings as they are, arrays one element per line. */
export async function valueAsText(host: InspectorHost, row: MetadataRow): Promise<string> {
  if (!row.array) return wholeString(host, row);
  const { elementType } = row.array;
  return (await wholeArray(host, row)).map(value => formatScalar(value, elementType)).join('\n');
}
