// A server on loopback that completes as llama-server does, and wants a key if it is given one.
import { createServer } from 'node:http';

/** @returns {Promise<{ address: string, requests: { path: string, key: string | undefined }[], close(): Promise<void> }>} */
export async function startCompletingServer({ key, text }) {
  const requests = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url, key: request.headers.authorization });
    request.resume();
    const answer = (status, type, body) => response.writeHead(status, { 'content-type': type }).end(body);
    if (request.url === '/health') return answer(200, 'application/json', '{"status":"ok"}');
    if (key !== undefined && request.headers.authorization !== `Bearer ${key}`) {
      return answer(401, 'application/json', '{"error":{"code":401,"message":"Invalid API Key"}}');
    }
    if (request.url === '/v1/models') return answer(200, 'application/json', '{"data":[{"id":"coder"}]}');
    const events = [{ content: text }, { content: '', stop: true, stop_type: 'eos', prompt: '<P>…<S>…<M>' }];
    answer(200, 'text/event-stream', events.map(event => `data: ${JSON.stringify(event)}\n\n`).join(''));
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise(resolve => server.close(resolve));
    },
  };
}
