// `quantsmith doctor`: what this machine and this installation can do, and why not more. It measures memory bandwidth for
// half a second and loads both builds of the kernels; nothing is written.
import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import path from 'node:path';
import { errorData } from '../../core/problem.js';
import { formatByteRate, formatBytes, plural } from '../../core/text/quantity.js';
import { wasmFeatures, type WasmFeatures } from '../../engine/executors/wasm-features.js';
import type { KernelBackend, KernelOperation } from '../../engine/kernel-backend.js';
import { cpuFeatures } from '../../platform/cpu-features.js';
import { loadBackend } from '../../platform/load-backend.js';
import { engineModulesIn } from '../../platform/load-executor.js';
import { memoryBandwidth } from '../../platform/memory-bandwidth.js';
import { physicalCores } from '../../platform/physical-cores.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { DoctorInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { processorFeatures } from '../machine.js';
import { styleFor, type Style } from '../style.js';
import { table } from '../table.js';

/** operation -> type -> the instruction set whose code runs. */
type KernelChoice = Readonly<Record<KernelOperation, Readonly<Record<string, string>>>>;

type BackendFinding =
  | { readonly available: true; readonly isa: string; readonly isas: readonly string[]; readonly kernels: KernelChoice }
  | { readonly available: false; readonly reason: string; readonly hint?: string };

interface Findings {
  readonly cpu: string;
  readonly architecture: string;
  readonly cores: { readonly physical: number; readonly logical: number };
  readonly features: readonly string[];
  /** What `--backend auto` uses; null if nothing loads. */
  readonly backend: 'native' | 'wasm' | null;
  readonly kernels: KernelChoice;
  readonly backends: { readonly native: BackendFinding; readonly wasm: BackendFinding };
  /** Gigabytes (10^9 bytes) per second. */
  readonly memoryBandwidth: number;
  /** How it was measured: see platform/memory-bandwidth.ts. */
  readonly memoryBandwidthMeasure: { readonly way: 'read' | 'copy'; readonly threads: number };
  /** What this runtime can do, and the modules the engine uses if there are no native kernels. */
  readonly wasm: WasmFeatures & { readonly engine: readonly string[] };
  /** In bytes. */
  readonly memory: { readonly total: number; readonly free: number };
  readonly disk: { readonly path: string; readonly free: number | null };
  readonly node: string;
  readonly platform: string;
}

export async function doctor(invocation: DoctorInvocation, io: CliIo): Promise<ExitCode> {
  const findings = await examine(io);
  await io.stdout.write(invocation.json ? jsonDocument(findings) : findingsText(findings, styleFor(io.stdout, io.env)));
  // Without any kernels nothing can be computed here.
  return findings.backend === null ? EXIT.failure : EXIT.success;
}

async function examine(io: CliIo): Promise<Findings> {
  const { model, architecture, threads: logical } = cpuFeatures();
  const physical = physicalCores();
  const [native, wasm] = [await findBackend('native', io), await findBackend('wasm', io)];
  const chosen = native.available ? native : wasm.available ? wasm : undefined;
  const { bytesPerSecond, way, threads } = memoryBandwidth(path.join(io.dist, 'kernels'), physical);
  return {
    cpu: model,
    architecture,
    cores: { physical, logical },
    features: processorFeatures(),
    backend: native.available ? 'native' : wasm.available ? 'wasm' : null,
    kernels: chosen?.kernels ?? { quantize: {}, dequantize: {}, product: {} },
    backends: { native, wasm },
    memoryBandwidth: Math.round(bytesPerSecond / 1e7) / 100,
    memoryBandwidthMeasure: { way, threads },
    wasm: { ...wasmFeatures(), engine: engineModulesIn(path.join(io.dist, 'kernels')).map(({ name }) => name) },
    memory: { total: totalmem(), free: freemem() },
    disk: { path: io.cwd, free: await diskFree(io.cwd) },
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

async function findBackend(kind: 'native' | 'wasm', io: CliIo): Promise<BackendFinding> {
  try {
    const { backend } = await loadBackend(kind, path.join(io.dist, 'kernels'));
    return { available: true, isa: backend.isa, isas: backend.isas, kernels: kernelChoice(backend) };
  } catch (error) {
    const { message, hint } = errorData(error);
    return { available: false, reason: message, ...(hint === undefined ? {} : { hint }) };
  }
}

function kernelChoice(backend: KernelBackend): KernelChoice {
  const byType = (operation: KernelOperation) =>
    Object.fromEntries(backend.types.map(({ id, name }) => [name, backend.kernelFor(operation, id, backend.isa)]));
  return { quantize: byType('quantize'), dequantize: byType('dequantize'), product: byType('product') };
}

async function diskFree(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}

function findingsText(findings: Findings, style: Style): string {
  const { cpu, cores, features, backends, memory, disk, wasm } = findings;
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  const facts: readonly (readonly [string, string])[] = [
    ['processor', `${cpu} (${findings.architecture}), ${cores.physical} cores, ${cores.logical} threads`],
    ['features', features.length > 0 ? features.join(' ') : 'not told by this system'],
    ['memory', `${formatBytes(memory.free)} free of ${formatBytes(memory.total)}`],
    ['memory bandwidth', bandwidthText(findings)],
    ['disk', disk.free === null ? 'free space not told' : `${formatBytes(disk.free)} free in ${disk.path}`],
    ['native kernels', backendText(backends.native)],
    ['WebAssembly kernels', backendText(backends.wasm)],
    [
      'WebAssembly',
      `simd ${yes(wasm.simd)}, relaxed simd ${yes(wasm.relaxed)}, threads ${yes(wasm.threads)}, memory64 ${yes(wasm.memory64)}`,
    ],
    ['WebAssembly engine', wasm.engine.length > 0 ? wasm.engine.join(', then ') : 'none: no SIMD'],
    ['Node', `${findings.node} on ${findings.platform}`],
    ['used by default', findings.backend ?? 'nothing: no kernels load'],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `${style.bold(name.padEnd(width))}  ${value}\n`).join('');
  const operations = ['quantize', 'dequantize', 'product'] as const;
  const rows = Object.keys(findings.kernels.quantize).map(type => [
    type,
    ...operations.map(operation => findings.kernels[operation][type] ?? ''),
  ]);
  const kernels = table(
    ['type', ...operations].map(title => ({ title })),
    rows,
  );
  return rows.length === 0 ? lines : `${lines}\n${kernels}`;
}

function bandwidthText({ memoryBandwidth: gigabytes, memoryBandwidthMeasure: { way, threads } }: Findings): string {
  return `${formatByteRate(gigabytes * 1e9)} ${way === 'read' ? 'reading' : 'copying'} with ${plural(threads, 'thread')}`;
}

function backendText(finding: BackendFinding): string {
  return finding.available ? `${finding.isa} (of ${finding.isas.join(', ')})` : `no: ${finding.reason}`;
}
