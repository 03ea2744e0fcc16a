// The layer table of ARCHITECTURE.md ("Who may import whom"), enforced. Project references and `types: []` already keep
// Node and the DOM out of core at type level; here every import of every source file is checked by name, and core and
// protocol are bundled for no platform at all, which fails on anything that is not pure.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');

/** folder -> folders and packages it may import; `node:` stands for all of Node, `types:x` for type-only imports of x. */
const LAYERS: Record<string, readonly string[]> = {
  'src/core': ['src/core'],
  'src/protocol': ['src/protocol', 'types:src/core', 'src/core/problem'],
  'src/engine': ['src/engine', 'src/core', 'types:src/protocol'],
  'src/platform': ['src/platform', 'src/core', 'src/protocol', 'src/engine', 'node:', 'web-tree-sitter', 'ignore'],
  'src/worker': ['src/worker', 'src/core', 'src/protocol', 'src/engine', 'src/platform', 'node:', '@huggingface/jinja'],
  'src/cli': ['src/cli', 'src/core', 'src/protocol', 'src/engine', 'src/platform', 'node:', 'commander'],
  'src/server': [
    'src/server',
    'src/core',
    'src/protocol',
    'src/platform',
    'node:',
    'vscode-languageserver',
    'vscode-languageserver-textdocument',
    'web-tree-sitter',
  ],
  'src/extension': [
    'src/extension',
    'src/core',
    'src/protocol',
    'src/platform',
    'node:',
    'vscode',
    'vscode-languageclient',
  ],
  webview: ['webview', 'src/core', 'types:src/protocol', 'lit', '@vscode-elements/elements', '@tanstack/virtual-core'],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Static and dynamic imports and re-exports of one source text. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const statement = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  const dynamic = /\bimport\(\s*'([^']+)'\s*\)/g;
  const required = /\brequire\(\s*'([^']+)'\s*\)/g;
  for (const match of text.matchAll(statement))
    found.push({ file, specifier: match[2]!, typeOnly: match[1] !== undefined });
  for (const match of [...text.matchAll(dynamic), ...text.matchAll(required)]) {
    found.push({ file, specifier: match[1]!, typeOnly: false });
  }
  return found;
}

function violation(layer: string, { file, specifier, typeOnly }: Import): string | undefined {
  const allowed = LAYERS[layer]!;
  const target = specifier.startsWith('.')
    ? path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)).replace(/\.js$/, '')
    : specifier;
  const fits = (entry: string): boolean =>
    entry === 'node:' ? target.startsWith('node:') : target === entry || target.startsWith(`${entry}/`);
  const ok = allowed.some(entry => (entry.startsWith('types:') ? typeOnly && fits(entry.slice(6)) : fits(entry)));
  return ok
    ? undefined
    : `${file} imports ${typeOnly ? 'types of ' : ''}${specifier}: ${layer} may import ${allowed.join(', ')}`;
}

function sources(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map(file => path.posix.join(folder, file));
}

describe('layers', () => {
  it.each(Object.keys(LAYERS))('%s imports only what its row allows', folder => {
    const files = sources(folder);
    expect(files.length, `${folder} has sources`).toBeGreaterThan(0);
    const imports = files.flatMap(file => importsOf(file, readFileSync(path.join(root, file), 'utf8')));
    expect(imports.map(entry => violation(folder, entry)).filter(Boolean)).toEqual([]);
  });

  it('notices a violation', () => {
    const text =
      "import { a } from 'node:fs';\nimport type { B } from '../platform/b.js';\nexport * from './c.js';\nawait import('vscode');\n";
    const found = importsOf('src/core/x.ts', text).map(entry => violation('src/core', entry));
    expect(found.map(line => line?.slice(0, 40))).toEqual([
      'src/core/x.ts imports node:fs: src/core ',
      'src/core/x.ts imports types of ../platfo',
      undefined,
      'src/core/x.ts imports vscode: src/core m',
    ]);
  });

  it('every folder of src has a row', () => {
    const folders = readdirSync(path.join(root, 'src'), { withFileTypes: true }).filter(entry => entry.isDirectory());
    expect(folders.map(entry => `src/${entry.name}`).sort()).toEqual(
      Object.keys(LAYERS)
        .filter(name => name !== 'webview')
        .sort(),
    );
  });

  it('core and protocol bundle for no platform', async () => {
    const { errors } = await build({
      entryPoints: [...sources('src/core'), ...sources('src/protocol')].map(file => path.join(root, file)),
      bundle: true,
      platform: 'neutral',
      write: false,
      outdir: 'unused',
      logLevel: 'silent',
    });
    expect(errors).toEqual([]);
  });
});
