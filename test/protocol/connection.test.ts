// The connection as a conversation: each test drives both ends over a pair of transports in memory and compares the log of
// everything sent and settled with the text beside it. `>` is client to server, `<` server to client, `=` what the caller saw.
import { describe, expect, test } from 'vitest';
import { QuantsmithError, errorData, type ErrorData } from '../../src/core/problem.js';
import { ConnectionClient, ConnectionServer, type Handlers, type Transport } from '../../src/protocol/connection.js';

interface Requests {
  echo: { params: { text: string }; result: { text: string }; progress: never };
  slow: { params: { steps: number }; result: string; progress: number };
  stubborn: { params: null; result: string; progress: never };
  fail: { params: { how: 'coded' | 'plain' | 'string' | 'unsendable' }; result: unknown; progress: never };
}
interface Notifications {
  hello: { name: string };
  unheard: null;
}

class Ends {
  readonly log: string[] = [];
  now = 0;
  readonly #queue: (() => void)[] = [];
  readonly client: ConnectionClient<Requests, Notifications>;
  readonly server: ConnectionServer<Requests, Notifications>;
  readonly toServer: Transport;
  readonly toClient: Transport;
  readonly #closers: ((reason: ErrorData) => void)[] = [];
  /** Resolves `slow` steps one by one. */
  readonly steps: (() => void)[] = [];

  constructor() {
    const receivers: Record<'>' | '<', (message: unknown) => void> = { '>': () => undefined, '<': () => undefined };
    const transport = (out: '>' | '<', into: '>' | '<'): Transport => ({
      send: message => {
        const copy: unknown = structuredClone(message);
        this.log.push(`${out} ${JSON.stringify(copy)}`);
        this.#queue.push(() => {
          receivers[out](copy);
        });
      },
      onMessage: listener => void (receivers[into] = listener),
      onClose: listener => void this.#closers.push(listener),
    });
    this.toServer = transport('>', '<');
    this.toClient = transport('<', '>');
    const handlers: Handlers<Requests> = {
      echo: ({ text }) => ({ text }),
      slow: async ({ steps }, { signal, progress }) => {
        for (let step = 1; step <= steps; step++) {
          await new Promise<void>((resolve, reject) => {
            this.steps.push(resolve);
            signal.addEventListener('abort', () => {
              reject(signal.reason as Error);
            });
          });
          progress(step);
        }
        return 'done';
      },
      stubborn: async (_params, { signal }) => {
        await new Promise<void>(resolve => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
        return 'finished all the same';
      },
      fail: ({ how }) => {
        if (how === 'coded') throw new QuantsmithError('io/read', 'The disk said no.', 'Try another disk.');
        if (how === 'plain') throw new TypeError('x is not a function');
        if (how === 'unsendable') return () => 0;
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- what badly behaved code does
        throw 'a string';
      },
    };
    const log = (side: string) => (text: string) => this.log.push(`# ${side}: ${text}`);
    this.client = new ConnectionClient(this.toServer, log('client'));
    this.server = new ConnectionServer(this.toClient, handlers, log('server'), () => this.now);
  }

  close(reason: ErrorData): void {
    this.log.push('-- closed');
    for (const closer of this.#closers) closer(reason);
  }

  raw(to: 'server' | 'client', message: unknown): void {
    (to === 'server' ? this.toServer : this.toClient).send(message);
  }

  ask<M extends keyof Requests>(method: M, params: Requests[M]['params'], signal?: AbortSignal): void {
    this.client
      .request(method, params, { signal, onProgress: value => this.log.push(`= ${method} progress ${String(value)}`) })
      .then(
        result => this.log.push(`= ${method} ${JSON.stringify(result)}`),
        (error: unknown) => this.log.push(`= ${method} rejected ${JSON.stringify(errorData(error))}`),
      );
  }

  /** Delivers messages, in order, until nothing more happens. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      await new Promise(resolve => setImmediate(resolve));
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        next();
        quiet = 0;
        await Promise.resolve();
      }
    }
  }

  async step(afterMs: number): Promise<void> {
    this.now += afterMs;
    this.steps.shift()?.();
    await this.settle();
  }
}

async function check(drive: (ends: Ends) => Promise<void> | void, expected: string): Promise<void> {
  const ends = new Ends();
  await drive(ends);
  await ends.settle();
  expect(ends.log.join('\n')).toBe(expected.replace(/^ +/gm, '').trim());
}

describe('a request', () => {
  test('is answered by its result', () =>
    check(
      ends => {
        ends.ask('echo', { text: 'a' });
        ends.ask('echo', { text: 'b' });
      },
      `> {"id":1,"method":"echo","params":{"text":"a"}}
       > {"id":2,"method":"echo","params":{"text":"b"}}
       < {"id":1,"result":{"text":"a"}}
       < {"id":2,"result":{"text":"b"}}
       = echo {"text":"a"}
       = echo {"text":"b"}`,
    ));

  test('fails with the code, message and hint of the other end', () =>
    check(
      async ends => {
        for (const how of ['coded', 'plain', 'string', 'unsendable'] as const) {
          ends.ask('fail', { how });
          await ends.settle();
        }
      },
      `> {"id":1,"method":"fail","params":{"how":"coded"}}
       < {"id":1,"error":{"code":"io/read","message":"The disk said no.","hint":"Try another disk."}}
       = fail rejected {"code":"io/read","message":"The disk said no.","hint":"Try another disk."}
       > {"id":2,"method":"fail","params":{"how":"plain"}}
       < {"id":2,"error":{"code":"internal","message":"x is not a function"}}
       = fail rejected {"code":"internal","message":"x is not a function"}
       > {"id":3,"method":"fail","params":{"how":"string"}}
       < {"id":3,"error":{"code":"internal","message":"a string"}}
       = fail rejected {"code":"internal","message":"a string"}
       > {"id":4,"method":"fail","params":{"how":"unsendable"}}
       < {"id":4,"error":{"code":"internal","message":"The result of fail could not be sent: () => 0 could not be cloned."}}
       = fail rejected {"code":"internal","message":"The result of fail could not be sent: () => 0 could not be cloned."}`,
    ));

  test('that nobody knows is refused, also when an object has the name by inheritance', () =>
    check(
      async ends => {
        ends.ask('toString' as 'echo', { text: '' });
        await ends.settle();
      },
      `> {"id":1,"method":"toString","params":{"text":""}}
       < {"id":1,"error":{"code":"protocol/unknown-method","message":"This end does not know the request toString.","hint":"The two ends are from different versions: reload the window."}}
       = toString rejected {"code":"protocol/unknown-method","message":"This end does not know the request toString.","hint":"The two ends are from different versions: reload the window."}`,
    ));
});

test('progress belongs to its request and is sent at most every 100 ms', () =>
  check(
    async ends => {
      ends.ask('slow', { steps: 4 });
      await ends.settle();
      for (const after of [0, 99, 1, 250]) await ends.step(after);
    },
    `> {"id":1,"method":"slow","params":{"steps":4}}
     < {"method":"$/progress","params":{"id":1,"value":1}}
     = slow progress 1
     < {"method":"$/progress","params":{"id":1,"value":3}}
     = slow progress 3
     < {"method":"$/progress","params":{"id":1,"value":4}}
     < {"id":1,"result":"done"}
     = slow progress 4
     = slow "done"`,
  ));

describe('cancelling', () => {
  test('asks the other end, whose answer settles the request', () =>
    check(
      async ends => {
        const controller = new AbortController();
        ends.ask('slow', { steps: 2 }, controller.signal);
        await ends.settle();
        controller.abort();
      },
      `> {"id":1,"method":"slow","params":{"steps":2}}
       > {"method":"$/cancel","params":{"id":1}}
       < {"id":1,"error":{"code":"cancelled","message":"Cancelled."}}
       = slow rejected {"code":"cancelled","message":"Cancelled."}`,
    ));

  test('before the request is sent sends nothing', () =>
    check(ends => {
      ends.ask('echo', { text: 'a' }, AbortSignal.abort());
    }, `= echo rejected {"code":"cancelled","message":"Cancelled."}`));

  test('too late changes nothing: the result stands', () =>
    check(
      async ends => {
        const controller = new AbortController();
        ends.ask('stubborn', null, controller.signal);
        await ends.settle();
        controller.abort();
        await ends.settle();
        controller.abort();
        ends.raw('server', { method: '$/cancel', params: { id: 1 } });
      },
      `> {"id":1,"method":"stubborn","params":null}
       > {"method":"$/cancel","params":{"id":1}}
       < {"id":1,"result":"finished all the same"}
       = stubborn "finished all the same"
       > {"method":"$/cancel","params":{"id":1}}`,
    ));
});

describe('closing', () => {
  const gone = { code: 'worker/gone', message: 'The worker was killed (SIGKILL).', hint: 'Try again.' };

  test('rejects every open request and every later one; the handlers are told to stop; nothing more is sent', () =>
    check(
      async ends => {
        ends.ask('slow', { steps: 1 });
        ends.ask('stubborn', null);
        await ends.settle();
        ends.close(gone);
        await ends.settle();
        ends.ask('echo', { text: 'a' });
        ends.server.notify('hello', { name: 'x' });
        await ends.step(1000);
      },
      `> {"id":1,"method":"slow","params":{"steps":1}}
       > {"id":2,"method":"stubborn","params":null}
       -- closed
       = slow rejected {"code":"worker/gone","message":"The worker was killed (SIGKILL).","hint":"Try again."}
       = stubborn rejected {"code":"worker/gone","message":"The worker was killed (SIGKILL).","hint":"Try again."}
       = echo rejected {"code":"worker/gone","message":"The worker was killed (SIGKILL).","hint":"Try again."}`,
    ));

  test('by dispose of the client: a late response is not looked at, a cancel is not sent', () =>
    check(
      async ends => {
        const controller = new AbortController();
        ends.ask('echo', { text: 'a' }, controller.signal);
        ends.client.dispose();
        controller.abort();
        await ends.settle();
      },
      `> {"id":1,"method":"echo","params":{"text":"a"}}
       = echo rejected {"code":"worker/gone","message":"The connection was closed."}
       < {"id":1,"result":{"text":"a"}}`,
    ));
});

test('notifications reach their listener', () =>
  check(
    ends => {
      ends.client.onNotification('hello', ({ name }) => ends.log.push(`= hello ${name}`));
      ends.server.notify('hello', { name: 'world' });
      ends.server.notify('unheard', null);
    },
    `< {"method":"hello","params":{"name":"world"}}
     < {"method":"unheard","params":null}
     = hello world
     # client: ignored the notification unheard: nobody listens`,
  ));

test('what is malformed is ignored and logged; what is open goes on', () =>
  check(
    async ends => {
      ends.ask('slow', { steps: 1 });
      await ends.settle();
      for (const message of [
        null,
        7,
        'text',
        [],
        {},
        { id: 'x', method: 'echo' },
        { id: 1, method: 'echo' },
        { method: '$/cancel' },
      ]) {
        ends.raw('server', message);
      }
      for (const message of [
        null,
        [1n],
        { id: 1 },
        { id: 1, error: 'oops' },
        { id: 99, result: 0 },
        { method: '$/progress' },
      ]) {
        ends.toClient.send(typeof message === 'object' && Array.isArray(message) ? ['1n'] : message);
      }
      await ends.settle();
      await ends.step(0);
    },
    `> {"id":1,"method":"slow","params":{"steps":1}}
     > null
     > 7
     > "text"
     > []
     > {}
     > {"id":"x","method":"echo"}
     > {"id":1,"method":"echo"}
     > {"method":"$/cancel"}
     < null
     < ["1n"]
     < {"id":1}
     < {"id":1,"error":"oops"}
     < {"id":99,"result":0}
     < {"method":"$/progress"}
     # server: ignored a malformed message: null
     # server: ignored a malformed message: 7
     # server: ignored a malformed message: "text"
     # server: ignored a malformed message: []
     # server: ignored a malformed message: {}
     # server: ignored a malformed message: {"id":"x","method":"echo"}
     # server: ignored a second request with the id 1 (echo)
     # server: ignored a malformed message: {"method":"$/cancel"}
     # client: ignored a message that is no object: null
     # client: ignored a message that is no object: ["1n"]
     # client: ignored a malformed message: {"id":1}
     # client: ignored a malformed message: {"id":1,"error":"oops"}
     # client: ignored a response to request 99, which is not open
     < {"method":"$/progress","params":{"id":1,"value":1}}
     < {"id":1,"result":"done"}
     = slow progress 1
     = slow "done"`,
  ));
