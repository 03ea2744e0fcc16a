// An installed VS Code (`code` on the PATH), for `npm start`.
import { spawnSync } from 'node:child_process';

// On Windows `code` is a batch file, which only a shell starts; the arguments are then quoted for it.
const inShell = process.platform === 'win32';
const quoted = argument => (inShell ? `"${argument}"` : argument);

/**
 * Opens a folder in a new window of the installed VS Code with the extension of `extensionPath` loaded.
 * @param {{ folder: string, extensionPath: string, beforeOpening?: () => Promise<void> }} options
 * @returns {Promise<boolean>} false when no `code` answers (none is installed, or it refuses to run, as it does for root),
 *   or when it could not open the window
 */
export async function openInDesktopCode({ folder, extensionPath, beforeOpening = async () => {} }) {
  const run = (args, stdio) => spawnSync('code', args.map(quoted), { stdio, shell: inShell }).status === 0;
  if (!run(['--version'], 'ignore')) return false;
  await beforeOpening();
  return run(['--new-window', `--extensionDevelopmentPath=${extensionPath}`, folder], 'inherit');
}
