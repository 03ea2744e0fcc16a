// An installed VS Code (`code` on the PATH), for `npm start`.
import { spawnSync } from 'node:child_process';

// On Windows `code` is a batch file, which only a shell starts; the arguments are then quoted for it.
const inShell = process.platform === 'win32';
const quoted = argument => (inShell ? `"${argument}"` : argument);

/** A `code` that does not tell its version within this time (a broken remote connection) is given up. */
const PATIENCE_MS = 60_000;

/**
 * Opens a folder in a new window of the installed VS Code with the extension of `extensionPath` loaded.
 * @param {{ folder: string, extensionPath: string, beforeOpening?: () => Promise<void> }} options
 * @returns {Promise<{ opened: boolean, reason?: string }>} `reason` says why an installed `code` did not open the folder (it
 *   refuses to run as root, for example); there is none where no `code` is installed
 */
export async function openInDesktopCode({ folder, extensionPath, beforeOpening = async () => {} }) {
  const version = code(['--version'], { stdio: ['ignore', 'ignore', 'pipe'], timeout: PATIENCE_MS });
  if (version.isMissing) return { opened: false };
  if (version.reason !== undefined) return { opened: false, reason: version.reason };
  await beforeOpening();
  // Not through a pipe, which would stay open as long as a window that inherits it.
  const { reason } = code(['--new-window', `--extensionDevelopmentPath=${extensionPath}`, folder], {
    stdio: 'inherit',
  });
  return reason === undefined ? { opened: true } : { opened: false, reason };
}

/** Runs `code` to its end; `reason` is missing when all went well. */
function code(args, options) {
  const { error, status, signal, stderr } = spawnSync('code', args.map(quoted), {
    ...options,
    encoding: 'utf8',
    shell: inShell,
  });
  const command = ['code', ...args.slice(0, 1)].join(' ');
  // A shell, which Windows needs, starts without it and ends with 1 and a message of its own.
  if (error?.code === 'ENOENT') return { isMissing: true };
  if (error) return { reason: `${command}: ${error.message}` };
  if (status === 0) return {};
  const said = stderr?.split('\n').find(line => line.trim() !== '');
  return { reason: `${command} ended with ${status ?? signal}${said === undefined ? '' : `: ${said.trim()}`}` };
}
