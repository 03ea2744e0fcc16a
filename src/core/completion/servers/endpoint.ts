// The address of a server, as a user writes it. Code and a key go there, so it is taken as it stands or not at all.
import { QuantsmithError } from '../../problem.js';
import { printable } from '../../text/printable.js';
import type { ServerProtocol } from './server-protocol.js';

export interface Endpoint {
  /** Without a slash at its end. */
  readonly base: string;
  /** Whose a key is. */
  readonly origin: string;
  /** With the port, as people call it. */
  readonly host: string;
  /** What is sent leaves this machine, and everybody on the way can read it. */
  readonly isClear: boolean;
}

/** @throws QuantsmithError `server/no-endpoint`, `server/bad-endpoint` */
export function parseEndpoint(text: string, { kind, label, endpoint: byDefault }: ServerProtocol): Endpoint {
  const wanted = text.trim() === '' ? byDefault : text.trim();
  if (wanted === '') {
    throw new QuantsmithError(
      'server/no-endpoint',
      `No address is set for the ${label}.`,
      'Set quantsmith.completions.endpoint, for example to http://127.0.0.1:8000/v1.',
    );
  }
  // A host and port without a scheme; `localhost:` alone would be one.
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(wanted) ? wanted : `http://${wanted}`;
  let url: URL;
  try {
    url = new URL(whole);
  } catch {
    throw bad(wanted, 'it is no address');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw bad(wanted, 'it must begin with http:// or https://');
  if (url.username !== '' || url.password !== '') {
    throw bad(wanted, 'it holds a name or password; use "Quantsmith: Set Completion Server Key…"');
  }
  if (url.search !== '' || url.hash !== '') throw bad(wanted, 'it must end with its path');
  const path = url.pathname.replace(/\/+$/, '');
  // The clients of OpenAI's interface count this as part of the address, and people leave it out.
  const base = url.origin + (kind === 'openai' && path === '' ? '/v1' : path);
  return { base, origin: url.origin, host: url.host, isClear: url.protocol === 'http:' && !isLoopback(url.hostname) };
}

/** Whether a host, as a URL has it, is this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || /^127(\.\d+){3}$/.test(host) || host === '[::1]';
}

function bad(text: string, why: string): QuantsmithError {
  return new QuantsmithError(
    'server/bad-endpoint',
    `"${printable(withoutSecrets(text), { limit: 200 })}" cannot be the address of a server: ${why}.`,
    'Set quantsmith.completions.endpoint, for example to http://127.0.0.1:8080.',
  );
}

/** A password in an address is shown to nobody. */
function withoutSecrets(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//…@');
}
