// docs/cli.md has every command, argument and option that --help has, and no option that it has not.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ARRAY_LIMIT, buildProgram } from '../../src/cli/grammar.js';
import { repository } from './captured-io.js';

// Without the blanks that align tables.
const text = readFileSync(path.join(repository, 'docs', 'cli.md'), 'utf8').replace(/ +\|/g, ' |');
const program = buildProgram(
  { version: '0', columns: 100 },
  () => undefined,
  () => undefined,
);

/** The text from a command's heading to the next heading of that level. */
function section(command: string): string {
  const start = text.search(new RegExp(`^## \`quantsmith ${command}[ \`]`, 'm'));
  expect(start, `a heading for ${command}`).toBeGreaterThan(-1);
  const end = text.indexOf('\n## ', start + 1);
  return text.slice(start, end < 0 ? undefined : end);
}

/** The options that the section of `quantize` and `run` share. */
const shared = text.slice(
  text.indexOf('**Options of every computing command**'),
  text.indexOf('\n## `quantsmith inspect'),
);

describe.each(program.commands.map(command => [command.name(), command] as const))('%s', (name, command) => {
  const own = section(name);
  const described = own.includes('and the options of every computing command') ? own + shared : own;

  test('its heading has its arguments', () => {
    for (const argument of command.registeredArguments) expect(own.split('\n')[0]).toContain(`<${argument.name()}>`);
  });

  test.each(command.options.map(option => option.flags))('%s', flags => {
    expect(described).toContain(`| \`${flags}\` |`);
  });

  test('nothing is described that does not exist', () => {
    const options = new Set(command.options.map(option => option.long));
    const found = [...described.matchAll(/^\| `(?:-\w, )?(--[a-z-]+)/gm)].map(match => match[1]);
    expect(found.filter(option => !options.has(option))).toEqual([]);
  });
});

test('the number of the array limit is the one of the program', () => {
  expect(section('inspect')).toContain(`(default ${ARRAY_LIMIT})`);
});
