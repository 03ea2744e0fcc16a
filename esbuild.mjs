// One table of bundles. Everything that runs is listed here and nowhere else; kernels are built by scripts/build-kernels.mjs.
//   node esbuild.mjs [--production] [--watch]
// Output is CommonJS for Node (VS Code loads the extension that way, and it starts faster) and ES modules for the webview.
import { context } from 'esbuild';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = import.meta.dirname;
const node = {
  platform: 'node',
  format: 'cjs',
  // The oldest Node that must run the command line (20) is older than the one of VS Code.
  target: 'node20',
  // Sources are ES modules and find their neighbours through import.meta.dirname; in a bundle that is dist/.
  define: { 'import.meta.dirname': '__dirname' },
  // Its ES module form asks for import.meta.url, which a CommonJS bundle does not have.
  alias: { 'web-tree-sitter': path.join(root, 'node_modules/web-tree-sitter/web-tree-sitter.cjs') },
};

/** name -> esbuild options; `out` is relative to the repository. */
const bundles = {
  extension: { ...node, entry: 'src/extension/extension.ts', out: 'dist/extension.js', external: ['vscode'] },
  server: { ...node, entry: 'src/server/main.ts', out: 'dist/server.js' },
  worker: { ...node, entry: 'src/worker/main.ts', out: 'dist/worker.js' },
  'quantize-thread': { ...node, entry: 'src/worker/quantize-thread.ts', out: 'dist/quantize-thread.js' },
  'engine-thread': { ...node, entry: 'src/worker/engine-thread.ts', out: 'dist/engine-thread.js' },
  'template-process': { ...node, entry: 'src/worker/template-process.ts', out: 'dist/template-process.js' },
  cli: { ...node, entry: 'src/cli/main.ts', out: 'dist/cli.js', banner: { js: '#!/usr/bin/env node' } },
  webview: {
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    entry: 'webview/inspector.ts',
    out: 'dist/webview/inspector.js',
    loader: { '.ttf': 'file' },
  },
  'integration-tests': {
    ...node,
    test: true,
    entry: 'test/extension/suite/index.ts',
    out: 'out/test/extension/suite/index.js',
    external: ['vscode', 'mocha'],
  },
};

/** Files that bundles load at run time, copied as they are. */
const assets = [
  ['node_modules/web-tree-sitter/web-tree-sitter.wasm', 'dist/tree-sitter/web-tree-sitter.wasm'],
  [
    'node_modules/@tree-sitter-grammars/tree-sitter-yaml/tree-sitter-yaml.wasm',
    'dist/tree-sitter/tree-sitter-yaml.wasm',
  ],
  ['node_modules/@vscode/codicons/dist/codicon.css', 'dist/webview/codicon.css'],
  ['node_modules/@vscode/codicons/dist/codicon.ttf', 'dist/webview/codicon.ttf'],
];

/**
 * Bundles everything. `production` minifies and leaves source maps and test bundles out.
 * @param {{ production?: boolean, watch?: boolean, log?: (line: string) => void }} options
 */
export async function bundle({ production = false, watch = false, log = console.log } = {}) {
  for (const [from, to] of assets) {
    mkdirSync(path.join(root, path.dirname(to)), { recursive: true });
    cpSync(path.join(root, from), path.join(root, to));
  }
  mkdirSync(path.join(root, 'dist'), { recursive: true });
  // The repository is an ES module package; its bundles are not. (The command line must be called dist/cli.js.)
  for (const dir of ['dist', 'out']) {
    mkdirSync(path.join(root, dir), { recursive: true });
    writeFileSync(path.join(root, dir, 'package.json'), '{ "type": "commonjs" }\n');
  }
  const contexts = await Promise.all(
    Object.values(bundles)
      .filter(({ test }) => !(test && production))
      .map(({ entry, out, test: _test, ...options }) =>
        context({
          ...options,
          absWorkingDir: root,
          entryPoints: [entry],
          outfile: out,
          bundle: true,
          minify: production,
          sourcemap: production ? false : 'linked',
          logLevel: 'warning',
          metafile: true,
          legalComments: 'none',
        }),
      ),
  );
  if (watch) {
    await Promise.all(contexts.map(c => c.watch()));
    log('watching for changes; stop with Ctrl+C');
    return;
  }
  const results = await Promise.all(contexts.map(c => c.rebuild()));
  await Promise.all(contexts.map(c => c.dispose()));
  for (const { metafile } of results) {
    for (const [file, { bytes }] of Object.entries(metafile.outputs)) {
      if (!file.endsWith('.map')) log(`${file.padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle({ production: process.argv.includes('--production'), watch: process.argv.includes('--watch') });
}
