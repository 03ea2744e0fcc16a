// A server that plays a part: it answers each request by a script, and remembers what it was asked.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
  /** Resolves when the client has gone away before the answer was complete. */
  readonly gone: Promise<void>;
}

export type Play = (response: ServerResponse, received: Received) => unknown;

export interface PlayedServer {
  readonly address: string;
  readonly received: readonly Received[];
  close(): Promise<void>;
}

/** Plays by path, `METHOD /path`; everything else is a 404. */
export async function playServer(parts: Readonly<Record<string, Play>>): Promise<PlayedServer> {
  const received: Received[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const piece of request.setEncoding('utf8')) text += String(piece);
    const { method = '', url = '', headers } = request;
    const entry: Received = {
      ...{ method, path: url, authorization: headers.authorization },
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      gone: new Promise(resolve =>
        response.on('close', () => {
          if (!response.writableEnded) resolve();
        }),
      ),
    };
    received.push(entry);
    const part = parts[`${method} ${url}`];
    if (part) await part(response, entry);
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found');
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

export const json =
  (value: unknown, status = 200): Play =>
  response =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

/** Writes a stream piece by piece, each alone on its way. */
export const stream =
  (type: string, pieces: readonly (string | Uint8Array)[], end: 'end' | 'destroy' | 'open' = 'end'): Play =>
  async response => {
    response.writeHead(200, { 'content-type': type });
    for (const piece of pieces) {
      response.write(piece);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    if (end === 'end') response.end();
    if (end === 'destroy') response.destroy();
  };

export const sse = (...events: readonly unknown[]): string[] =>
  events.map(event => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`);
