// `npm start`: builds everything and opens examples/ in a real VS Code with the extension loaded: an installed `code`,
// otherwise code-server from npm on 127.0.0.1. `npm start -- --headless` quantizes the example model by the example recipe
// instead and prints the resulting table; no editor is needed.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { build, root } from './build.mjs';
import { ensureCodeServer, installVsix, startCodeServer } from './code-server.mjs';
import { openInDesktopCode } from './desktop-code.mjs';
import { packageExtension } from './package.mjs';

const examples = path.join(root, 'examples');
const flags = new Set(process.argv.slice(2));

if (flags.has('--headless')) {
  await build();
  const recipe = path.join(examples, 'tinycoder.quant.yaml');
  const { status } = spawnSync(process.execPath, [path.join(root, 'dist/cli.js'), 'run', recipe, '--overwrite'], {
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}

const { opened, reason } = flags.has('--code-server')
  ? { opened: false }
  : await openInDesktopCode({ folder: examples, extensionPath: root, beforeOpening: build });
if (reason !== undefined) console.log(`the installed VS Code did not open examples/ (${reason}); using code-server`);
if (opened) {
  console.log('opened examples/ in VS Code with the extension loaded');
} else {
  ensureCodeServer();
  const home = path.join(root, '.code-server/start');
  mkdirSync(home, { recursive: true });
  const extensionsDirectory = installVsix(await packageExtension(), path.join(home, 'extensions'));
  const port = Number(process.env.PORT ?? 0);
  const server = await startCodeServer({ extensionsDirectory, userData: path.join(home, 'user-data'), port });
  const url = new URL(server.url);
  url.searchParams.set('folder', examples);
  console.log(
    `\nVS Code is running with Quantsmith at\n\n    ${url.href}\n\nOpen that address in a browser on this machine. Ctrl+C stops it.`,
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void server.stop().then(() => process.exit(0)));
}
