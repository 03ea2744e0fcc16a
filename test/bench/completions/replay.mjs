// Typing, played in real time through the completer of the extension and the real worker. A trace is a piece of a real source file
// that is typed again where it stood, with the times of keys as people have them; it depends on the seed alone:
//   a key           log-normal, median 150 ms in a word, 210 ms behind one (75 words a minute); a line's first 450 ms;
//                   one key in 40 is thought about for 1 to 3 s
//   a wrong key     one in 50, seen after one or two more, taken back with the same speed
//   ghost text      is read for 400 ms; if its first line is what would be typed, it is taken (Tab). Of the rest every other one
//                   is typed along, up to 10 characters, and taken back at once: a model of 5 million parameters is hardly
//                   ever right, and typing along is what a cache is for
// As the editor does, every key withdraws the request before and makes the next one.
import { setTimeout as sleep } from 'node:timers/promises';
import { processorSeconds } from './processor-time.mjs';
import { randomNumbers, sourceTexts } from './texts.mjs';

const READ_MS = 400;
const MOST_ALONG = 10;
const TYPED_CHARACTERS = 160;
const BEFORE = 8192;
const BEHIND = 2048;
const OPTIONS = { language: 'typescript', explicit: false, inComments: false, inStrings: false, multiline: 'auto' };

/** What is typed where: `files` pieces, each behind the 40th line or later. */
export function traces(files, seed) {
  const random = randomNumbers(seed);
  const all = sourceTexts(4000);
  return Array.from({ length: files }, (_, i) => {
    const { name, text } = all[Math.floor(((i + random()) / files) * all.length)];
    const from = text.indexOf('\n', 1500 + Math.floor(random() * (text.length - 3000))) + 1;
    const to = text.indexOf('\n', from + TYPED_CHARACTERS);
    return { name, prefix: text.slice(0, from), typed: text.slice(from, to), suffix: text.slice(to) };
  });
}

export async function replay({ worker, model, Completer, settings, files, seed }) {
  const random = randomNumbers(seed + 1);
  const flights = [];
  const ask = async ({ prefix, suffix }, multiline, signal, onText) => {
    const flight = { tokens: 0, used: false, text: '' };
    flights.push(flight);
    const request = { model, prefix, suffix, multiline, maxTokens: settings.maxTokens, budgetMs: settings.budgetMs };
    const answer = await worker.request('completion/run', request, {
      signal,
      onProgress: text => {
        flight.tokens++;
        flight.text = text;
        onText(text);
      },
    });
    flight.tokens = answer.generatedTokens;
    flight.text = answer.text;
    return { ...answer, flight };
  };
  const seen = { keys: 0, accepted: 0, stale: 0, outcomes: [] };
  const before = processorSeconds(worker.pid);
  const start = performance.now();
  for (const trace of traces(files, seed)) {
    const completer = new Completer(ask, { now: () => performance.now(), wait: waitFor }, () => undefined);
    await play(trace, completer, random, seen);
    completer.reset();
  }
  const seconds = (performance.now() - start) / 1000;
  return { ...seen, flights, seconds, cpuSeconds: processorSeconds(worker.pid) - before };
}

async function play({ prefix, typed, suffix }, completer, random, seen) {
  let done = '';
  let controller = new AbortController();
  const key = text => {
    controller.abort(new Error('the next key'));
    controller = new AbortController();
    seen.keys++;
    done = text;
    const cursor = { prefix: (prefix + text).slice(-BEFORE), suffix: suffix.slice(0, BEHIND) };
    const { signal } = controller;
    completer.typed(cursor);
    return completer.complete(cursor, OPTIONS, signal).then(outcome => {
      if (!outcome) return undefined;
      // What is out of date is not shown.
      if (signal.aborted || done !== text) {
        seen.stale++;
        return undefined;
      }
      seen.outcomes.push(outcome);
      if (outcome.offer && outcome.answer?.flight) outcome.answer.flight.used = true;
      return outcome.offer;
    });
  };
  while (done.length < typed.length) {
    const wrong = random() < 0.02 ? 1 + Math.floor(random() * 2) : 0;
    for (let i = 0; i < wrong; i++) {
      void key(done + 'qx'[i]);
      await sleep(gap(done, random));
    }
    for (let i = 0; i < wrong; i++) {
      void key(done.slice(0, -1));
      await sleep(gap(done, random));
    }
    const offered = key(typed.slice(0, done.length + 1));
    const pause = gap(done, random);
    const read = Math.max(READ_MS, pause);
    const offer = await Promise.race([offered, sleep(pause)]);
    const [line = ''] = (offer?.text ?? '').split('\n');
    if (line.trim() !== '' && typed.startsWith(line, done.length)) {
      await sleep(read);
      seen.accepted++;
      done += line;
    } else if (line.trim() !== '' && random() < 0.5) {
      await sleep(read);
      const before = done;
      for (const character of line.slice(0, MOST_ALONG)) {
        void key(done + character);
        await sleep(gap(done, random));
      }
      done = before;
    }
  }
  controller.abort(new Error('the end'));
}

function gap(before, random) {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  if (random() < 1 / 40) return 1000 + 2000 * random();
  const middle = /(^|\n)$/.test(before) ? 450 : /\W$/.test(before) ? 210 : 150;
  return Math.min(1500, middle * Math.exp(0.4 * normal));
}

async function waitFor(milliseconds, signal) {
  await sleep(milliseconds, undefined, { signal });
}
