#!/usr/bin/env node
// Takes the command line that @vscode/test-electron gives to VS Code and runs the same tests in code-server and Chromium:
//   code-server-shim.mjs <workspace> --extensionTestsPath=<file> --extensionDevelopmentPath=<folder> …
// Exit code: 0 all passed, 1 tests failed, 4 no result in time, 5 the extension host died before the results were written
// (a crash of the extension host, say in a native addon, also reports exit code 0: only the results file is proof).
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startCodeServer } from '../../scripts/code-server.mjs';
import { launchBrowser, screenshots, workbenchUrl } from './workbench.mjs';

const PREFIX = '[test] ';
const LIMIT = Number(process.env.TEST_TIMEOUT ?? 240_000);

const options = {};
const positional = [];
for (const argument of process.argv.slice(2)) {
  const match = /^--([\w-]+)(?:=(.*))?$/s.exec(argument);
  if (match) options[match[1]] = match[2] ?? true;
  else positional.push(argument);
}
const testsPath = path.resolve(options.extensionTestsPath);
const developmentPath = path.resolve(options.extensionDevelopmentPath);
const workspace = path.resolve(positional[0] ?? '.');
const temporary = mkdtempSync(path.join(tmpdir(), 'quantsmith-tests-'));
const results = process.env.TEST_RESULTS ?? path.join(temporary, 'results.json');
rmSync(results, { force: true });

let server, browser;
let code;
const stop = async () => {
  await browser?.close().catch(() => {});
  await server?.stop();
  rmSync(temporary, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop().finally(() => process.exit(130)));
try {
  [server, browser] = await Promise.all([
    // The driver makes the workbench honour the payload below.
    startCodeServer({ driver: true, env: { TEST_RESULTS: results, TEST_PREFIX: PREFIX } }),
    launchBrowser(),
  ]);
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  const { promise: exited, resolve: finish } = Promise.withResolvers();
  page.on('crash', () => {
    console.error('the workbench page crashed');
    finish(4);
  });
  // Both functions must exist before the page loads: the workbench looks for them at start.
  await page.exposeFunction('codeAutomationLog', (type, args) => {
    const text = args.map(arg => (typeof arg === 'string' ? arg : JSON.stringify(arg))).join(' ');
    if (text.startsWith(PREFIX))
      console.log(
        text
          .split('\n')
          .map(line => (line.startsWith(PREFIX) ? line.slice(PREFIX.length) : line))
          .join('\n'),
      );
    else if (process.env.TEST_VERBOSE) console.error(`[workbench ${type}] ${text}`);
  });
  await page.exposeFunction('codeAutomationExit', exitCode => finish(exitCode));
  await page.goto(
    workbenchUrl(server, workspace, [
      ['extensionDevelopmentPath', developmentPath],
      ['extensionTestsPath', testsPath],
      ['skipWelcome', 'true'],
    ]),
  );
  const timer = setTimeout(async () => {
    console.error(`no test result after ${LIMIT} ms; server log:\n${server.log().slice(-3000)}`);
    await page.screenshot({ path: path.join(screenshots, 'integration-timeout.png') }).catch(() => {});
    finish(4);
  }, LIMIT);
  code = await exited;
  clearTimeout(timer);
  const reported = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')).length : 0;
  if (reported === 0) {
    console.error('the extension host ended before the tests did');
    code ||= 5;
  }
} finally {
  await stop();
}
process.exit(code);
