// A real VS Code from the npm registry: code-server and the Node headers its log writer is compiled with, in .code-server/
// (git-ignored, 370 MB, about a minute the first time). Used by `npm start` where no `code` is installed, and by the tests.
// Only 127.0.0.1 is ever listened on.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const CODE_SERVER = '4.139.1'; // Code - OSS 1.139.1
const NODE = '24.21.0'; // what code-server 4.139 runs on; 20 has no module.registerHooks
const root = path.resolve(import.meta.dirname, '..');
const home = path.join(root, '.code-server');
const modules = path.join(home, 'node_modules');
const entry = path.join(modules, 'code-server/out/node/entry.js');
const nodeBinary = path.join(modules, `node-linux-${process.arch}/bin/node`);

/** Built-in extensions that only cost start-up time (and Copilot, which also answers inline completions). */
const SKIPPED_EXTENSIONS = [
  'GitHub.copilot-chat',
  ...['github', 'microsoft-authentication', 'git', 'tunnel-forwarding', 'grunt', 'gulp', 'jake', 'npm'].map(
    id => `vscode.${id}`,
  ),
  ...['js-debug', 'js-debug-companion', 'vscode-js-profile-table'].map(id => `ms-vscode.${id}`),
].join(',');

const has = command => {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** Installs code-server if it is not there yet. Throws where it cannot run (not Linux on x64 or arm64). */
export function ensureCodeServer(log = console.log) {
  const done = path.join(home, `ok-${CODE_SERVER}-${NODE}`);
  if (existsSync(done)) return;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Error(
      `code-server is set up on Linux x64 and arm64 only, this is ${process.platform} ${process.arch}; install VS Code so that \`code\` is on the PATH`,
    );
  }
  log('setting up code-server from npm (about a minute, once) …');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  writeFileSync(path.join(home, 'package.json'), '{ "private": true }\n');
  const npm = (cwd, args, env = {}) =>
    execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...env },
    });
  // --force: code-server accepts Node 24 only; it runs under the one installed next to it, whatever Node npm runs on.
  npm(home, [
    'install',
    '--ignore-scripts',
    '--force',
    `node-linux-${process.arch}@${NODE}`,
    `code-server@${CODE_SERVER}`,
  ]);
  const vscode = path.join(modules, 'code-server/lib/vscode');
  npm(vscode, ['install', '--ignore-scripts', '--force', '--omit=dev']);
  npm(path.join(vscode, 'extensions'), ['install', '--ignore-scripts', '--force', '--omit=dev']);
  // 400 MB of Copilot, mermaid previews, sandboxing and other platforms that nothing here uses.
  for (const unused of [
    'extensions/copilot',
    'extensions/mermaid-markdown-features',
    'node_modules/@github',
    'node_modules/@microsoft/mxc-sdk',
    'node_modules/@vscode/windows-process-tree',
    'node_modules/node-pty/third_party',
  ]) {
    rmSync(path.join(vscode, unused), { recursive: true, force: true });
  }
  const ripgrep = path.join(vscode, 'node_modules/@vscode/ripgrep-universal/bin');
  for (const name of existsSync(ripgrep) ? readdirSync(ripgrep) : []) {
    if (!name.includes(`linux-${process.arch}`)) rmSync(path.join(ripgrep, name), { recursive: true, force: true });
  }
  // The log writer (log files and output channels) is native. Without a compiler VS Code works but keeps no logs.
  if (has('c++') && has('python3')) {
    const nodeHome = path.join(modules, `node-linux-${process.arch}`);
    try {
      npm(vscode, ['rebuild', '--foreground-scripts', '@vscode/spdlog'], {
        npm_config_nodedir: nodeHome,
        PATH: `${path.join(nodeHome, 'bin')}:${process.env.PATH}`,
      });
    } catch (error) {
      log(`code-server's log writer could not be compiled (${error.message}): output channels stay empty`);
    }
  }
  writeFileSync(done, '');
}

/** Installs a .vsix the way a user would; returns the extensions folder for `startCodeServer`. */
export function installVsix(vsix, directory = mkdtempSync(path.join(tmpdir(), 'quantsmith-extensions-'))) {
  mkdirSync(directory, { recursive: true });
  execFileSync(
    nodeBinary,
    [
      entry,
      '--user-data-dir',
      path.join(directory, '.user-data'),
      '--extensions-dir',
      directory,
      '--install-extension',
      vsix,
      '--force',
    ],
    // Its stderr, which has warnings about the missing log writer, is part of the error if there is one.
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  return directory;
}

/**
 * Starts code-server on a free port of 127.0.0.1 with a throw-away profile (or `userData`).
 * `driver` honours the `payload` query (extensionDevelopmentPath …) but hides notification toasts, so UI tests leave it off.
 * @returns {Promise<{ url: string, pid: number, log: () => string, stop: () => Promise<void> }>}
 */
export async function startCodeServer({
  env = {},
  settings = {},
  extensionsDirectory,
  userData,
  port = 0,
  driver = false,
  trust = false,
} = {}) {
  const data = userData ?? mkdtempSync(path.join(tmpdir(), 'quantsmith-code-'));
  mkdirSync(path.join(data, 'User'), { recursive: true });
  const settingsFile = path.join(data, 'User/settings.json');
  if (!existsSync(settingsFile) || !userData) {
    writeFileSync(
      settingsFile,
      JSON.stringify({
        'workbench.startupEditor': 'none',
        'workbench.tips.enabled': false,
        'telemetry.telemetryLevel': 'off',
        'extensions.autoCheckUpdates': false,
        'extensions.autoUpdate': false,
        'update.mode': 'none',
        'chat.disableAIFeatures': true,
        'workbench.secondarySideBar.defaultVisibility': 'hidden',
        'security.workspace.trust.enabled': trust,
        ...settings,
      }),
    );
  }
  writeFileSync(path.join(data, 'config.yaml'), '{}\n');
  const args = [
    entry,
    ...[
      '--auth',
      'none',
      '--bind-addr',
      `127.0.0.1:${port}`,
      '--config',
      path.join(data, 'config.yaml'),
      '--user-data-dir',
      data,
    ],
    ...['--extensions-dir', extensionsDirectory ?? path.join(data, 'extensions')],
    ...['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override', '--ignore-last-opened'],
    ...(trust ? [] : ['--disable-workspace-trust']),
    ...(driver ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
  ];
  const child = spawn(nodeBinary, args, {
    env: { ...process.env, EXTENSIONS_GALLERY: '{}', VSCODE_SKIP_BUILTIN_EXTENSIONS: SKIPPED_EXTENSIONS, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const kill = signal => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // already gone
    }
  };
  process.once('exit', () => kill('SIGKILL')); // also when a script throws
  let log = '';
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('code-server did not start within 60 s:\n' + log)), 60_000);
    const read = data => {
      log += data;
      const match = /HTTP server listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(log);
      if (match) {
        clearTimeout(timer);
        resolve(match[1]);
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', code => {
      clearTimeout(timer);
      reject(new Error(`code-server exited with ${code}:\n${log}`));
    });
  });
  return {
    url,
    pid: child.pid,
    log: () => log,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise(resolve => child.once('exit', resolve));
        kill('SIGTERM');
        const timer = setTimeout(() => kill('SIGKILL'), 5000);
        await gone;
        clearTimeout(timer);
      }
      if (!userData) rmSync(data, { recursive: true, force: true });
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureCodeServer();
