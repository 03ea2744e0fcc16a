// Makes the .vsix: production bundles, then vsce with the allow-list of .vscodeignore.
//   node scripts/package.mjs [--universal]        -> out/quantsmith-<target>.vsix
// The default is this platform's package with the native kernels (if they could be built); --universal holds WASM only.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, root } from './build.mjs';

const NATIVE_KERNELS = 'dist/kernels/kernels.node';

/** @returns the path of the package */
export async function packageExtension({ universal = false, log = console.log } = {}) {
  await build({ production: true, log });
  const native = !universal && existsSync(path.join(root, NATIVE_KERNELS));
  const target = native ? `${process.platform}-${process.arch}` : 'universal';
  const out = path.join(root, `out/quantsmith-${target}.vsix`);
  mkdirSync(path.dirname(out), { recursive: true });
  // The extension page of an installed package cannot show pictures from inside it, nor follow links to files of the
  // repository: its README goes without both.
  const readme = path.join(root, 'out/README.md');
  writeFileSync(
    readme,
    readFileSync(path.join(root, 'README.md'), 'utf8')
      .replaceAll(/^!\[[^\]]*\]\([^)]*\)\n\n/gm, '')
      .replaceAll(/\[([^\]]*)\]\((?!https?:)[^)]*\)/g, '$1'),
  );
  const args = [
    'package',
    '--no-dependencies',
    '--skip-license',
    '--allow-missing-repository',
    '--no-rewrite-relative-links',
    '--readme-path',
    path.relative(root, readme),
    '--out',
    out,
  ];
  if (native) {
    args.push('--target', target);
  } else {
    const allowed = readFileSync(path.join(root, '.vscodeignore'), 'utf8');
    const ignoreFile = path.join(root, 'out/vscodeignore-universal');
    writeFileSync(ignoreFile, allowed.replace(`!${NATIVE_KERNELS}\n`, ''));
    args.push('--ignoreFile', ignoreFile);
  }
  const vsce = path.join(root, 'node_modules/@vscode/vsce/vsce');
  execFileSync(process.execPath, [vsce, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  log(`packaged ${path.relative(root, out)}`);
  return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await packageExtension({ universal: process.argv.includes('--universal') });
}
