// Our engine as WebAssembly against llama.cpp as WebAssembly (wllama), in the same headless Chromium: alternating runs,
// medians, the ratio to the faster of the peer's two builds.
//   npm run bench:engine:browser [-- OPTIONS]
//     --models=0.5b        shapes, `0.5b:4` with 4 layers     --types=Q4_0,Q8_0,Q4_K_M     --threads=1,2
//     --prompt=256 --generate=32   tokens     --runs=3   alternating runs of each     --only=quantsmith,…   engines
//     --folder=DIR         where models are made and stay; default: `models` in the folder for temporary files
// The peers are installed from npm into test/bench/browser when they are first needed.
import { spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, ensureChromium } from '../../scripts/chromium.mjs';
import { machine, median, run, warm } from './measure.mjs';
import { shapeNamed, writeModel } from './model.mjs';
import { benchmarkOptions } from './options.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const here = path.join(import.meta.dirname, 'browser');
const cli = path.join(root, 'dist/cli.js');

const OURS = 'quantsmith';
const PEERS = ['wllama-2.3.1', 'wllama-3.8.1'];
/** Ours / the faster peer. */
const GOAL = 1.5;

const options = benchmarkOptions(import.meta.filename);
const models = (options.models ?? '0.5b').split(',');
const types = (options.types ?? 'Q4_0,Q8_0,Q4_K_M').split(',');
const threadCounts = (options.threads ?? '1,2').split(',').map(Number);
const promptTokens = Number(options.prompt ?? 256);
const generate = Number(options.generate ?? 32);
const runs = Number(options.runs ?? 3);
const engines = options.only ? options.only.split(',') : [OURS, ...PEERS];
const folder = path.resolve(options.folder ?? path.join(os.tmpdir(), 'models'));
mkdirSync(folder, { recursive: true });

const { path: executablePath, reason } = await ensureChromium();
if (!executablePath) {
  console.log(`bench:engine:browser: skipped, ${reason}`);
  process.exit(0);
}
if (!existsSync(path.join(here, 'node_modules')) && engines.some(engine => engine !== OURS)) {
  console.log('installing wllama 3.8.1 and 2.3.1 (30 MB) …');
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const install = spawnSync('npm', ['install', ...flags], { cwd: here, stdio: 'inherit' });
  if (install.status !== 0) throw new Error('wllama could not be installed from npm');
}

const server = await serve();
const origin = `http://127.0.0.1:${server.address().port}`;
// Pages that wait for their turn must not be slowed down in it.
const flags = ['--disable-background-timer-throttling', '--disable-renderer-backgrounding'];
const browser = await chromium.launch({ executablePath, headless: true, args: [...CHROMIUM_FLAGS, ...flags] });
console.log(
  `${machine()}\nChromium ${browser.version()}, prompt ${promptTokens}, generation ${generate}, medians of ${runs}`,
);
try {
  for (const name of models) {
    for (const type of types) {
      const file = await preparedModel(name, type);
      warm(file);
      for (const threads of threadCounts) await race(name, type, file, threads);
    }
  }
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}

async function race(name, type, file, threads) {
  const pages = [];
  for (const engine of engines) {
    const page = await browser.newPage();
    page.on('pageerror', error => console.error(`${engine}: ${error.message}`));
    if (options.verbose !== undefined) page.on('console', message => console.log(`${engine}: ${message.text()}`));
    await page.goto(`${origin}/`);
    const context = promptTokens + generate + 64;
    const settings = { engine, model: `/models/${path.basename(file)}`, threads, context };
    const { isolated } = await page.evaluate(asked => window.load(asked), settings);
    if (!isolated) throw new Error('the page is not isolated: it has no shared memory');
    pages.push({ engine, page, found: [] });
  }
  // Ids of plain words; for the peer that takes text alone, a text of about as many tokens (it says of how many).
  const asked = {
    ids: Array.from({ length: promptTokens }, (_, i) => 300 + ((i * 37) % 1000)),
    text: 'aa'.repeat(promptTokens), // two letters are a token of the made-up vocabulary
    generate,
  };
  for (let i = -1; i < runs; i++) {
    for (const { page, found } of pages) {
      await page.bringToFront();
      // The first run warms up: the runtime compiles what is used a second time.
      const request = i < 0 ? { ...asked, generate: 4 } : asked;
      const result = await page.evaluate(request => window.engine.run(request), request);
      if (i >= 0) found.push(result);
      if (options.verbose !== undefined) console.log(JSON.stringify(result));
    }
  }
  for (const what of ['prompt', 'generation']) {
    const speeds = Object.fromEntries(
      pages.map(({ engine, found }) => [engine, median(found.map(each => each[what]))]),
    );
    const best = Math.max(...PEERS.map(peer => speeds[peer] ?? 0));
    const ratio = speeds[OURS] / best;
    const text = Object.entries(speeds).map(([engine, speed]) => `${engine} ${speed.toFixed(1)}`);
    const verdict =
      best > 0 && speeds[OURS] ? `${ratio.toFixed(2)} x, goal ${GOAL} ${ratio >= GOAL ? 'met' : 'missed'}` : '';
    console.log(`${name} ${type} ${threads} threads ${what.padEnd(10)} tokens/s: ${text.join(', ')}  ${verdict}`);
  }
  await Promise.all(pages.map(({ page }) => page.close()));
}

/** A model that is made here once; it is there under its name only when it is complete. */
async function preparedModel(name, type) {
  const made = wanted => path.join(folder, `${name.replace(':', '-')}-${wanted}.gguf`);
  if (!existsSync(made('F16'))) {
    console.log(`writing ${made('F16')}`);
    writeModel(`${made('F16')}.${process.pid}`, shapeNamed(name));
    renameSync(`${made('F16')}.${process.pid}`, made('F16'));
  }
  if (!existsSync(made(type))) await run(process.execPath, [cli, 'quantize', made('F16'), made(type), '--type', type]);
  return made(type);
}

/** Pages, modules, models and peers, with the headers that shared memory wants. */
async function serve() {
  const bundles = await build({
    absWorkingDir: root,
    entryPoints: { page: 'test/bench/browser/page.mjs', 'engine-thread': 'test/bench/browser/engine-thread.mjs' },
    outdir: 'out/bench',
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    external: ['/peers/*'],
    logLevel: 'error',
  });
  const made = new Map(bundles.outputFiles.map(({ path: file, contents }) => [`/${path.basename(file)}`, contents]));
  made.set('/', '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>');
  const folders = [
    ['/kernels/', path.join(root, 'dist/kernels')],
    ['/models/', folder],
    ['/peers/', path.join(here, 'node_modules')],
  ];
  const contentTypes = { '.wasm': 'application/wasm', '.js': 'text/javascript', '': 'text/html' };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Content-Type', contentTypes[path.extname(pathname)] ?? 'application/octet-stream');
    const [prefix, directory] = folders.find(([start]) => pathname.startsWith(start)) ?? [];
    const file = prefix && path.join(directory, path.normalize(pathname.slice(prefix.length)));
    if (made.has(pathname)) {
      response.end(made.get(pathname));
    } else if (file?.startsWith(directory) && existsSync(file)) {
      response.setHeader('Content-Length', statSync(file).size);
      createReadStream(file).pipe(response);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}
