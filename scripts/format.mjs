// One formatter per language: prettier for TypeScript, JavaScript, JSON, CSS, Markdown and YAML; clang-format for C++.
//   node scripts/format.mjs [--check]
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const check = process.argv.includes('--check');

const prettier = spawnSync(
  process.execPath,
  [path.join(root, 'node_modules/prettier/bin/prettier.cjs'), check ? '--check' : '--write', '--log-level=warn', '.'],
  { cwd: root, stdio: 'inherit' },
);

const sources = readdirSync(path.join(root, 'kernels'), { recursive: true })
  .map(String)
  .filter(file => /\.(cc|h|inc)$/.test(file))
  .map(file => path.join('kernels', file));
const clangFormat = path.join(root, 'node_modules/clang-format/index.js');
let unformatted = [];
for (const file of sources) {
  if (check) {
    const replacements = execFileSync(process.execPath, [clangFormat, '--output-replacements-xml', file], {
      cwd: root,
      encoding: 'utf8',
    });
    if (replacements.includes('<replacement ')) unformatted.push(file);
  } else {
    execFileSync(process.execPath, [clangFormat, '-i', file], { cwd: root });
  }
}
for (const file of unformatted) console.error(`[warn] ${file} is not formatted; run npm run format`);
process.exitCode = prettier.status !== 0 || unformatted.length > 0 ? 1 : 0;
