// The engines of the race, each in a page of its own: load(options) makes one ready, and what it returns times a prompt and the
// tokens after it. Loading is not timed. The prompt is 256 tokens from an empty text; generation takes the likeliest token.
import { readModel } from '../../../src/core/gguf/shards.ts';
import { engineModules } from '../../../src/engine/executors/wasm-features.ts';
import { WasmExecutor } from '../../../src/engine/executors/wasm.ts';
import { createModelSession } from '../../../src/engine/model-session.ts';

const blobOf = async url => (await fetch(url)).blob();

/** A Blob as a ByteSource. */
const blobSource = (name, blob) => ({
  name,
  size: blob.size,
  read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
});

/** Threads as Web Workers. A worker has no event for its end: what ends it unasked is an error. */
const startThread = (onMessage, onDeath) => {
  const worker = new Worker('/engine-thread.js');
  worker.onmessage = ({ data }) => onMessage(data);
  worker.onerror = event => onDeath(event.message || 'it could not be started');
  return {
    post: message => worker.postMessage(message),
    hold: () => undefined,
    terminate: async () => worker.terminate(),
  };
};

const largest = logits => logits.reduce((best, value, i) => (value > logits[best] ? i : best), 0);

const ENGINES = {
  quantsmith: async ({ model: url, threads, context }) => {
    const source = blobSource('model.gguf', await blobOf(url));
    const { value: model } = await readModel(() => Promise.resolve(source), 'model.gguf', { arrayHead: 1024 });
    const modules = engineModules(async file => new Uint8Array(await (await fetch(`/kernels/${file}`)).arrayBuffer()));
    const executor = new WasmExecutor(modules, startThread, { isaIndex: () => -1 });
    const options = { context, batch: 512, cacheType: 'f16', threads };
    const { session } = await createModelSession(
      model,
      { sources: [source], paths: ['model.gguf'] },
      executor,
      options,
    );
    return {
      build: modules[0].name,
      run: async ({ ids, generate }) => {
        session.truncate(0, 0);
        const start = performance.now();
        let logits = await session.step({ tokens: Int32Array.from(ids) });
        const middle = performance.now();
        for (let i = 0; i < generate; i++) logits = await session.step({ tokens: Int32Array.of(largest(logits)) });
        const end = performance.now();
        return { prompt: (1000 * ids.length) / (middle - start), generation: (1000 * generate) / (end - middle) };
      },
    };
  },

  // 2.3.1: takes token ids.
  'wllama-2.3.1': async ({ model, threads, context }) => {
    const { Wllama } = await import('/peers/wllama-with-kernels/esm/index.js');
    const wllama = new Wllama(
      {
        'single-thread/wllama.wasm': '/peers/wllama-with-kernels/esm/single-thread/wllama.wasm',
        'multi-thread/wllama.wasm': '/peers/wllama-with-kernels/esm/multi-thread/wllama.wasm',
      },
      { suppressNativeLog: true },
    );
    await wllama.loadModel([await blobOf(model)], { n_threads: threads, n_ctx: context, n_batch: 512 });
    await wllama.samplingInit({ temp: 0 });
    return {
      build: 'llama.cpp with its WebAssembly kernels',
      run: async ({ ids, generate }) => {
        await wllama.kvClear();
        const start = performance.now();
        await wllama.decode(ids, {});
        const middle = performance.now();
        for (let i = 0; i < generate; i++) {
          const { token } = await wllama.samplingSample();
          await wllama.decode([token], {});
        }
        const end = performance.now();
        return { prompt: (1000 * ids.length) / (middle - start), generation: (1000 * generate) / (end - middle) };
      },
    };
  },

  // 3.8.1: takes a text, and times itself; the first new token is the prompt's.
  'wllama-3.8.1': async ({ model, threads, context }) => {
    const { Wllama } = await import('/peers/@wllama/wllama/esm/index.js');
    const wllama = new Wllama({ default: '/peers/@wllama/wllama/esm/wasm/wllama.wasm' }, { suppressNativeLog: true });
    const options = { n_threads: threads, n_gpu_layers: 0, n_ctx: context, n_parallel: 1 };
    await wllama.loadModel([await blobOf(model)], options);
    return {
      build: 'llama.cpp without them',
      run: async ({ text, generate }) => {
        // It fails at text that is not UTF-8, which made-up weights write: the same token every time.
        const logit_bias = [[300, 1000]];
        const sampling = {
          max_tokens: generate + 1,
          temperature: 0,
          ignore_eos: true,
          cache_prompt: false,
          logit_bias,
        };
        const { timings } = await wllama.createCompletion({ prompt: text, ...sampling });
        const { prompt_n, prompt_ms, predicted_n, predicted_ms } = timings;
        return {
          tokens: prompt_n,
          prompt: (1000 * prompt_n) / prompt_ms,
          generation: (1000 * (predicted_n - 1)) / predicted_ms,
        };
      },
    };
  },
};

window.load = async options => {
  window.engine = await ENGINES[options.engine](options);
  return { build: window.engine.build, isolated: crossOriginIsolated, userAgent: navigator.userAgent };
};
