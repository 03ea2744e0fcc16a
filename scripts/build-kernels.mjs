// Builds the C++ kernels from one set of sources: dist/kernels/kernels.node (this machine's compiler), and the WebAssembly
// modules of the table WASM_BUILDS below (clang as WebAssembly, from npm).
//   node scripts/build-kernels.mjs [--native] [--wasm] [--require-native]      default: both
//
// No compiler is not an error: the product then runs on WebAssembly, and one line says so. Objects are cached under
// dist/.kernels by a hash of their sources and flags; a build without changes takes a fraction of a second.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { wasmCompiler } from './wasm-compiler.mjs';

const root = path.resolve(import.meta.dirname, '..');
const kernels = path.join(root, 'kernels');
const defaultOutput = path.join(root, 'dist/kernels');
const cache = path.join(root, 'dist/.kernels');

// Contraction to fused multiply-add would change bytes in 248 of 1,545 reference records; math-errno only adds calls.
const COMMON = [
  '-std=c++20',
  '-O3',
  '-ffp-contract=off',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-math-errno',
  '-Wall',
  '-Wextra',
  '-Ikernels', // includes are written from this folder
];
// What the executor needs, without a binding: decoders, products, the program. The encoders that dispatch.cc names as well
// are not linked where no binding exports them.
const ENGINE_SOURCES = [
  'dispatch.cc',
  'quant/codebooks/grids.cc',
  'dequantize/ref.cc',
  'product/dispatch.cc',
  'product/grids.cc',
  'product/ref.cc',
  'vector/ref.cc',
  'exec/verify.cc',
  'exec/operations.cc',
  'exec/products.cc',
  'exec/attention.cc',
  'exec/session.cc',
];
const SHARED_SOURCES = [...ENGINE_SOURCES, 'quant/codebooks/neighbours.cc', 'quantize/ref.cc'];

/** Folders with a file per instruction set, <operation>/<isa>.cc, where there is one. */
const OPERATIONS = ['quantize', 'dequantize', 'product', 'vector'];

const AVX512 = ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx2', '-mf16c'];

/** Flags per instruction set of a processor family; an operation without a file for one is served by a lesser one. */
const ISAS = {
  x64: {
    sse2: [],
    avx2: ['-mavx2', '-mf16c'],
    avx512: AVX512,
    avx512vnni: [...AVX512, '-mavx512vnni'],
  },
  arm64: { neon: [] },
};

/**
 * The sources of the kernels for a processor as Node names it, without a binding, and the flags of each.
 * @param {string} arch
 * @param {{ quiet: string[] }} compiler
 */
export function kernelUnits(arch, compiler) {
  const units = SHARED_SOURCES.map(source => ({ source, flags: [...COMMON, ...compiler.quiet] }));
  for (const [isa, extra] of Object.entries(ISAS[arch] ?? {})) {
    for (const operation of OPERATIONS) {
      const source = `${operation}/${isa}.cc`;
      if (existsSync(path.join(kernels, source))) {
        units.push({ source, flags: [...COMMON, ...extra, ...compiler.quiet] });
      }
    }
  }
  return units;
}

/** @typedef {{ ok: boolean, fresh: boolean, message: string }} Outcome */

/**
 * @param {{ native?: boolean, wasm?: boolean, output?: string, log?: (line: string) => void }} options
 * @returns {Promise<{ native?: Outcome, wasm?: Outcome }>} what was built; never rejects for a missing or failing compiler
 */
export async function buildKernels({ native = true, wasm = true, output = defaultOutput, log = console.log } = {}) {
  mkdirSync(output, { recursive: true });
  mkdirSync(cache, { recursive: true });
  const results = {};
  for (const [name, wanted, build] of [
    ['native', native, buildNative],
    ['wasm', wasm, buildWasm],
  ]) {
    if (!wanted) continue;
    const start = performance.now();
    let outcome;
    try {
      outcome = await build(output, count =>
        log(`kernels ${name}: compiling ${count} files${count > 20 ? ' (some minutes)' : ''}`),
      );
    } catch (error) {
      outcome = { ok: false, fresh: false, message: error.message };
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    log(`kernels ${name}: ${outcome.message} (${seconds} s)`);
    results[name] = outcome;
  }
  return results;
}

// ---- native ----

/** @param {string} output @param {(count: number) => void} starts told how many files are compiled, before they are */
async function buildNative(output, starts) {
  const target = path.join(output, 'kernels.node');
  const compiler = await findCompiler();
  if (!compiler) {
    rmSync(target, { force: true });
    return failure('no C++ compiler (clang++ or g++; CXX names another): WebAssembly will be used');
  }
  const napi = createRequire(import.meta.url)('node-api-headers').include_dir;
  const addonFlags = [
    '-fPIC',
    '-fvisibility=hidden',
    '-fvisibility-inlines-hidden',
    '-ffunction-sections',
    `-I${napi}`,
  ];
  const units = [
    ...kernelUnits(process.arch, compiler),
    ...['machine/read-bandwidth.cc', 'bindings/napi.cc', 'bindings/napi-engine.cc'].map(source => ({
      source,
      flags: COMMON,
    })),
  ].map(unit => ({
    source: unit.source,
    flags: [...unit.flags, ...addonFlags],
  }));
  // Undefined napi_* symbols are found in the running process.
  const linkFlags = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-Wl,--gc-sections', '-Wl,-s'];
  const objects = units.map(unit => {
    const hash = digest(compiler.version, unit.flags.join(' '), hashOfUnit(unit.source));
    return { ...unit, object: path.join(cache, `${unit.source.replaceAll('/', '-')}.${hash}.o`) };
  });
  const stamp = digest(objects.map(unit => unit.object).join(), linkFlags.join(' '));
  if (isFresh(target, stamp)) return { ok: true, fresh: true, message: `up to date (${compiler.name})` };

  const stale = objects.filter(unit => !existsSync(unit.object));
  if (stale.length > 0) starts(stale.length);
  try {
    await inParallel(stale, async ({ source, flags: unitFlags, object }) => {
      const temporary = `${object}.${process.pid}.tmp`;
      await run(compiler.command, [...unitFlags, '-c', path.join('kernels', source), '-o', temporary]);
      renameSync(temporary, object);
    });
    const temporary = `${target}.${process.pid}.tmp`;
    await run(compiler.command, ['-shared', ...linkFlags, ...objects.map(unit => unit.object), '-o', temporary]);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(target, { force: true });
    const reason = error.message.split('\n').find(line => /error/i.test(line)) ?? error.message.split('\n')[0];
    return failure(`${compiler.name} failed, WebAssembly will be used: ${reason}`);
  }
  writeStamp(target, stamp);
  removeOldObjects(/(?<!\.wasm)\.o$/, objects);
  return {
    ok: true,
    fresh: false,
    message: `built with ${compiler.name}, ${stale.length} of ${objects.length} units compiled`,
  };
}

/** The first compiler that answers: `candidates`, or CXX, or clang++, g++. */
export async function findCompiler(candidates = process.env.CXX ? [process.env.CXX] : ['clang++', 'g++']) {
  for (const command of candidates) {
    try {
      const version = await run(command, ['--version']);
      const name = version.split('\n')[0];
      // g++ 12 warns about its own AVX-512 headers (an uninitialized variable that is there on purpose), and for arm64
      // it does not see that the first try of a search sets the best one. It also says that vector types are passed
      // otherwise without AVX: they are passed between inlined functions of one file only.
      const quiet = /clang/i.test(version) ? [] : ['-Wno-uninitialized', '-Wno-maybe-uninitialized', '-Wno-psabi'];
      return { command, name, version, quiet };
    } catch {
      // Not there, or not a compiler: the next one.
    }
  }
  return undefined;
}

// ---- WebAssembly ----

const WASM_FLAGS = [
  ...COMMON,
  '-msimd128',
  '-mbulk-memory',
  '-nostdlib',
  '-nostdinc++',
  '-ffreestanding',
  '-fvisibility=hidden',
  // There is no runtime library to lock with. The engine has no static that its threads could initialize at once.
  '-fno-threadsafe-statics',
];
// The stack lies below the data so that an overflow traps (the stacks of other threads: engine/executors/wasm-memory.ts).
const WASM_LINK = ['-Wl,--no-entry', '-Wl,--stack-first', '-Wl,-z,stack-size=131072', '-Wl,--strip-all'];
// Threads: every thread is an instance of its own over one imported memory, with a stack pointer that it sets first.
const THREADS = ['-matomics'];
const THREADS_LINK = [
  '-Wl,--import-memory',
  '-Wl,--shared-memory',
  '-Wl,--initial-memory=1048576', // engine/executors/wasm-module.ts makes it
  '-Wl,--export=__stack_pointer',
];
const WASM_SOURCES = ['dequantize/simd128.cc', 'product/simd128.cc', 'vector/simd128.cc', 'bindings/wasm-engine.cc'];
// Without -O3's unrolling (lanes-simd128.h asks for it where it pays): half of 592 KB.
const UNIT_FLAGS = { 'product/simd128.cc': ['-O2'] };
const GIB = 2 ** 30;
const memory = bytes => `-Wl,--max-memory=${bytes}`;

/**
 * The modules: `kernels.wasm` has everything and runs wherever there is SIMD; the others have the executor alone, with
 * threads, and the loader (platform/load-executor.ts) takes the best one that the runtime accepts. Relaxed SIMD is a
 * module of its own because a runtime without it refuses a module that contains it anywhere. Explicit bounds checks make
 * 64-bit memories slower than 32-bit ones, so they are for models above 4 GiB. A runtime gives them 16 GiB at most.
 */
const WASM_BUILDS = {
  'kernels.wasm': {
    target: 'wasm32',
    sources: [...SHARED_SOURCES, 'quantize/simd128.cc', 'bindings/wasm.cc'],
    flags: [],
    link: ['-Wl,--export=__heap_base', memory(4 * GIB)],
  },
  'engine.wasm': {
    target: 'wasm32',
    sources: ENGINE_SOURCES,
    flags: THREADS,
    link: [...THREADS_LINK, memory(4 * GIB)],
  },
  'engine-relaxed.wasm': {
    target: 'wasm32',
    sources: ENGINE_SOURCES,
    flags: [...THREADS, '-mrelaxed-simd'],
    link: [...THREADS_LINK, memory(4 * GIB)],
  },
  'engine64.wasm': {
    target: 'wasm64',
    sources: ENGINE_SOURCES,
    flags: [...THREADS, '-mrelaxed-simd'],
    link: [...THREADS_LINK, memory(16 * GIB)],
  },
};

/** @param {string} output @param {(count: number) => void} starts */
async function buildWasm(output, starts) {
  const compilerPackage = path.join(root, 'node_modules/@yowasp/clang/package.json');
  if (!existsSync(compilerPackage)) {
    return failure('the package @yowasp/clang is missing: run npm ci');
  }
  const { version } = JSON.parse(readFileSync(compilerPackage, 'utf8'));
  const modules = Object.entries(WASM_BUILDS).map(([name, build]) => {
    const flags = [`--target=${build.target}-unknown-unknown`, ...WASM_FLAGS, ...build.flags];
    const link = [...WASM_LINK, ...build.link];
    const units = [...build.sources, ...WASM_SOURCES].map(source => {
      const unitFlags = [...flags, ...(UNIT_FLAGS[source] ?? [])];
      const hash = digest(version, unitFlags.join(' '), hashOfUnit(source));
      const object = path.join(cache, `${source.replaceAll('/', '-')}.${hash}.wasm.o`);
      return { source, flags: unitFlags, object };
    });
    const target = path.join(output, name);
    return { name, target, flags, link, units, stamp: digest(units.map(unit => unit.object).join(), link.join(' ')) };
  });
  const staleModules = modules.filter(({ target, stamp }) => !isFresh(target, stamp));
  if (staleModules.length === 0) return { ok: true, fresh: true, message: `up to date (clang ${version})` };

  const units = modules.flatMap(module => module.units);
  const stale = units.filter(unit => !existsSync(unit.object));
  if (stale.length > 0) starts(stale.length);
  const { clang, close } = wasmCompiler({ kernels: readTree(kernels) }, stale.length);
  const sizes = [];
  try {
    await Promise.all(
      stale.map(async ({ source, flags, object }) => {
        const files = await clang([...flags, '-c', `kernels/${source}`, '-o', 'unit.o']);
        writeWhole(object, files['unit.o']);
      }),
    );
    for (const { name, target, flags, link, units, stamp } of staleModules) {
      const inputs = Object.fromEntries(units.map(({ object }, i) => [`${i}.o`, readFileSync(object)]));
      const files = await clang([...flags, ...link, ...Object.keys(inputs), '-o', name], inputs);
      const module = files[name];
      // Not whether it is valid: this runtime may lack a feature of it. The tests load each.
      writeWhole(target, module);
      writeStamp(target, stamp);
      sizes.push(`${name} ${Math.round(module.length / 1024)} KB`);
    }
    removeOldObjects(/\.wasm\.o$/, units);
    return {
      ok: true,
      fresh: false,
      message: `built with clang ${version}, ${stale.length} of ${units.length} units compiled: ${sizes.join(', ')}`,
    };
  } catch (error) {
    for (const { target } of staleModules) rmSync(target, { force: true });
    return failure(`clang ${version} failed:\n${error.message}`);
  } finally {
    await close();
  }
}

/** The C++ files of a folder as the nested object @yowasp/clang takes. */
function readTree(folder) {
  const tree = {};
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) tree[entry.name] = readTree(file);
    else if (/\.(cc|h|inc)$/.test(entry.name)) tree[entry.name] = readFileSync(file, 'utf8');
  }
  return tree;
}

// ---- shared ----

const failure = message => ({ ok: false, fresh: false, message });

function digest(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 20);
}

/**
 * A hash over a source and every header and table it includes, directly or not. Includes are written from `kernels/`, so
 * a quoted name is a file there, whether a condition would leave it out or not.
 * @param {string} source
 */
function hashOfUnit(source) {
  const files = new Map();
  const visit = file => {
    if (files.has(file) || !existsSync(path.join(kernels, file))) return;
    const text = readFileSync(path.join(kernels, file), 'utf8');
    files.set(file, text);
    for (const [, included] of text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) visit(included);
  };
  visit(source);
  return digest(...[...files].sort(([a], [b]) => (a < b ? -1 : 1)).flat());
}

const stampFile = target => path.join(cache, `${digest(target)}.stamp`);

function isFresh(target, stamp) {
  return existsSync(target) && existsSync(stampFile(target)) && readFileSync(stampFile(target), 'utf8') === stamp;
}

const writeStamp = (target, stamp) => writeFileSync(stampFile(target), stamp);

/** Removes objects whose names end as `pattern` says and that are not among `current`. */
function removeOldObjects(pattern, current) {
  const names = current.map(unit => path.basename(unit.object));
  for (const file of readdirSync(cache)) {
    if (pattern.test(file) && !names.includes(file)) rmSync(path.join(cache, file), { force: true });
  }
}

function writeWhole(file, bytes) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, bytes);
  renameSync(temporary, file);
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: root, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr.trim() || error.message));
      else resolve(stdout);
    });
  });
}

async function inParallel(items, work) {
  const queue = [...items];
  const workers = Array.from({ length: os.availableParallelism() }, async () => {
    for (let item = queue.shift(); item; item = queue.shift()) await work(item);
  });
  await Promise.all(workers);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const flags = process.argv.slice(2);
  const known = ['--native', '--wasm', '--require-native'];
  const unknown = flags.filter(flag => !known.includes(flag));
  if (unknown.length > 0) {
    console.error(`unknown option ${unknown.join(' ')}; there are ${known.join(' ')}`);
    process.exit(2);
  }
  const both = !flags.includes('--native') && !flags.includes('--wasm');
  const results = await buildKernels({
    native: both || flags.includes('--native') || flags.includes('--require-native'),
    wasm: both || flags.includes('--wasm'),
  });
  // Without native kernels the product still works; without WebAssembly it does not everywhere.
  if (results.wasm?.ok === false || (flags.includes('--require-native') && !results.native?.ok)) process.exitCode = 1;
}
