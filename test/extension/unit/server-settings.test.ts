// What the manifest says of completing by a server, against the tables it is written from, and that no workspace can set it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { FIM_FAMILIES } from '../../../src/core/completion/fim-families.js';
import { SERVERS } from '../../../src/core/completion/servers/server-table.js';

interface Property {
  readonly scope: string;
  readonly default: unknown;
  readonly enum?: readonly string[];
  readonly markdownEnumDescriptions?: readonly string[];
}

const manifest = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../../package.json'), 'utf8')) as {
  contributes: { configuration: { properties: Record<string, Property> } };
};
const property = (name: string): Property =>
  manifest.contributes.configuration.properties[`quantsmith.completions.${name}`]!;

test('where code is sent is a setting of the user alone', () => {
  for (const name of ['engine', 'endpoint', 'serverModel', 'fimFamily']) {
    expect([name, property(name).scope]).toEqual([name, 'application']);
  }
  expect(property('engine').default).toBe('local');
  expect(property('model').scope).toBe('machine');
});

test('every kind of server and every family can be chosen', () => {
  expect(property('engine').enum).toEqual(['local', ...SERVERS.map(({ kind }) => kind)]);
  expect(property('engine').markdownEnumDescriptions).toHaveLength(SERVERS.length + 1);
  expect(property('fimFamily').enum).toEqual(['server', ...FIM_FAMILIES.map(({ name }) => name)]);
});
