// Runs test/extension/suite (mocha) inside the extension host of a real VS Code: the one named by VSCODE_EXECUTABLE, a
// downloaded one where the network allows it, otherwise code-server through code-server-shim.mjs.
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

try {
  await runTests({
    vscodeExecutablePath: await executable(),
    extensionDevelopmentPath: root,
    extensionTestsPath: path.join(root, 'out/test/extension/suite/index.js'),
    launchArgs: [path.join(root, 'examples')],
  });
} catch (error) {
  console.error(String(error));
  process.exitCode = Number.isInteger(error.code) ? error.code : 1;
}
