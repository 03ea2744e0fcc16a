// Runs test/extension/suite (mocha) inside the extension host of a real VS Code: the one named by VSCODE_EXECUTABLE, a
// downloaded one where the network allows it, otherwise code-server through code-server-shim.mjs.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { downloadAndUnzipVSCode, runTests } from '@vscode/test-electron';
import { ensureCodeServer } from '../../scripts/code-server.mjs';
import { root } from './workbench.mjs';

async function executable() {
  if (process.env.VSCODE_EXECUTABLE) return process.env.VSCODE_EXECUTABLE;
  if (process.env.VSCODE !== 'code-server') {
    try {
      return await downloadAndUnzipVSCode({ version: 'stable' });
    } catch (error) {
      console.log(`VS Code cannot be downloaded (${error.code ?? error}); using code-server`);
    }
  }
  ensureCodeServer();
  return path.join(root, 'test/e2e/code-server-shim.mjs');
}

// The tests write into their workspace: they get a copy of the examples, without what a run of the recipe left there.
const workspace = mkdtempSync(path.join(tmpdir(), 'quantsmith-integration-'));
cpSync(path.join(root, 'examples'), workspace, {
  recursive: true,
  filter: source => path.relative(path.join(root, 'examples'), source).split(path.sep)[0] !== 'out',
});
try {
  await runTests({
    vscodeExecutablePath: await executable(),
    extensionDevelopmentPath: root,
    extensionTestsPath: path.join(root, 'out/test/extension/suite/index.js'),
    launchArgs: [workspace],
  });
} catch (error) {
  console.error(String(error));
  process.exitCode = Number.isInteger(error.code) ? error.code : 1;
} finally {
  rmSync(workspace, { recursive: true, force: true });
}
