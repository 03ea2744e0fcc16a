// What llama.cpp makes of a GGUF, as JSON: the greedy continuation of each prompt, and the most likely next token at every
// position of a text (the text is given, so one early difference does not hide the rest).
//   node peer.mjs MODEL REQUEST.json     request: { tokens, prompts: string[], text: string }
import { readFileSync } from 'node:fs';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const [modelPath, requestFile] = process.argv.slice(2);
const { tokens, prompts, text } = JSON.parse(readFileSync(requestFile, 'utf8'));
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error, progressLogs: false });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 512, threads: 2 });
const sequence = context.getSequence();

const continuations = [];
for (const prompt of prompts) {
  await sequence.clearHistory();
  const ids = [];
  // topK 1 is the greedy choice; the iterator stops at end-of-generation tokens, so their absence is part of the result.
  for await (const token of sequence.evaluate(model.tokenize(prompt), { temperature: 0, topK: 1 })) {
    ids.push(token);
    if (ids.length >= tokens) break;
  }
  continuations.push({ ids, text: model.detokenize(ids) });
}

await sequence.clearHistory();
const ids = model.tokenize(text).slice(0, 500);
const evaluated = await sequence.controlledEvaluate(
  ids.map(id => [id, { generateNext: { token: true, options: { temperature: 0, topK: 1 } } }]),
);
process.stdout.write(JSON.stringify({ continuations, top: evaluated.map(result => result?.next.token ?? -1) }));
process.exit(0);
