// Which files git ignores, as git itself says it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GitIgnored } from '../../src/platform/git-ignored.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-git-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string): void => {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
};

const hasGit = (): boolean => {
  try {
    execFileSync('git', ['--version']);
    return true;
  } catch {
    return false;
  }
};

const FILES = [
  'a.py',
  'a.log',
  'keep.log',
  'build/a.py',
  'build/keep.log',
  'src/a.log',
  'src/deep/a.tmp',
  'src/deep/b.tmp',
  'src/local/a.py',
  'node_modules/x/index.js',
  'docs/build/a.md',
  'docs/Build/a.md',
  'private.txt',
  'mine.txt',
  'with space.txt',
  '#hash.txt',
];

test.skipIf(!hasGit())('the same as git check-ignore', async () => {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: path.join(folder, 'config'), GIT_CONFIG_NOSYSTEM: '1' };
  const git = (...args: string[]): string => {
    try {
      return execFileSync('git', args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch (error) {
      // 1: none is ignored.
      return (error as { stdout: string }).stdout;
    }
  };
  git('init', '-q');
  write('user-list', 'mine.txt\n');
  write('config', `[core]\n\texcludesFile = ${path.join(folder, 'user-list')}\n`);
  write('.git/info/exclude', '/private.txt\n');
  write('.gitignore', '*.log\n!keep.log\n/build/\nnode_modules\nwith\\ space.txt\n\\#hash.txt\n# comment\n');
  write('src/.gitignore', 'local/\ndeep/*.tmp\n!deep/b.tmp\n');
  write('docs/.gitignore', 'build\n');
  write('build/.gitignore', '!a.py\n');
  for (const file of FILES) write(file, 'x\n');
  const theirs = new Set(
    git('check-ignore', ...FILES)
      .split('\n')
      .map(line => line.replace(/^"(.*)"$/, '$1')),
  );
  const ignored = new GitIgnored(path.join(folder, 'user-list'));
  const ours = [];
  for (const file of FILES) if (await ignored.isIgnored(path.join(folder, file))) ours.push(file);
  expect(ours).toEqual(FILES.filter(file => theirs.has(file)));
  expect(ours.length).toBeGreaterThan(5);
});

test('outside of a repository nothing is ignored; a list that changes is read again', async () => {
  write('.gitignore', '*.py\n');
  write('a.py', '');
  const ignored = new GitIgnored(path.join(folder, 'none'));
  const isIgnored = (): Promise<boolean> => ignored.isIgnored(path.join(folder, 'a.py'));
  expect(await isIgnored()).toBe(false);
  write('.git', 'gitdir: elsewhere\n');
  expect(await isIgnored()).toBe(true);
  write('.gitignore', '*.js\n');
  utimesSync(path.join(folder, '.gitignore'), 1, 1);
  expect(await isIgnored()).toBe(false);
});
