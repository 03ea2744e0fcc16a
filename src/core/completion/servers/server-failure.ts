// What a failure of a server means, and what to do about it. Each is one of few codes, by which the status says why nothing
// appeared; what the server itself says is quoted, never trusted.
import type { ErrorData } from '../../problem.js';
import { printable } from '../../text/printable.js';
import type { Endpoint } from './endpoint.js';
import { objectAt, stringAt, type JsonObject, type ServerProtocol } from './server-protocol.js';

/** Who was asked what. */
export interface Asked {
  readonly protocol: ServerProtocol;
  readonly endpoint: Endpoint;
  readonly model: string;
  /** Relative to the endpoint. */
  readonly path: string;
}

/** An answer that is no success. */
export interface BadStatus {
  readonly status: number;
  /** Where it redirects to. */
  readonly location?: string;
  /** The beginning of its body. */
  readonly body: string;
}

const MODEL_MISSING = /model.*(not found|not exist|unknown|no such)|(no such|unknown|invalid) model/i;
const NO_FILLING = /\b(insert|infill|suffix|fim)\b/i;

/** What an HTTP status says. */
export function statusFailure({ status, location, body }: BadStatus, asked: Asked): ErrorData {
  const { protocol, endpoint, path, model } = asked;
  const said = errorMessage(body);
  const quoted = said === undefined ? '' : `: ${said}`;
  if (status < 200 || (status >= 300 && status < 400)) {
    const to = location === undefined ? '' : ` to ${printable(location, { limit: 200 })}`;
    return {
      code: 'server/redirect',
      message: `${endpoint.base} redirects${to}. That is not followed: code and key would go where nobody sent them.`,
      hint: 'Set quantsmith.completions.endpoint to the address where the server really is.',
    };
  }
  if (status === 401 || status === 403) {
    return {
      code: 'server/unauthorized',
      message: `${endpoint.host} refuses the key, or wants one (${status}${quoted}).`,
      hint: 'Use "Quantsmith: Set Completion Server Key…".',
    };
  }
  if (status < 500 && said !== undefined && MODEL_MISSING.test(said)) return noSuchModel(said, model);
  if (status === 404 || status === 405) {
    return {
      code: 'server/not-found',
      message: `There is no /${path} at ${endpoint.base} (${status}${quoted}), which every ${protocol.label} has.`,
      hint: 'Check quantsmith.completions.endpoint (the path, too) and quantsmith.completions.engine.',
    };
  }
  if (status === 501 || (status !== 503 && said !== undefined && NO_FILLING.test(said))) {
    return cannotFill(`${status}${quoted}`, protocol);
  }
  if (status === 503 && said !== undefined && /load/i.test(said)) return loading(endpoint);
  if (status === 429 || status === 503) {
    return {
      code: 'server/busy',
      message: `${endpoint.host} has no time for a completion now (${status}${quoted}).`,
      hint: 'It is asked again with one of the next completions.',
    };
  }
  if (status === 502 || status === 504) return unreachable(endpoint, protocol, `a gateway there answers ${status}`);
  return {
    code: 'server/refused',
    message: `${endpoint.host} answers ${status}${quoted}.`,
    hint: 'See what the server writes into its own log.',
  };
}

/** What an event in the middle of an answer says about an error; undefined if it is none. */
export function eventFailure(event: JsonObject, { endpoint, protocol, model }: Asked): ErrorData | undefined {
  if (event['error'] === undefined && event['object'] !== 'error') return undefined;
  const said = errorMessage(JSON.stringify(event)) ?? 'without saying why';
  if (MODEL_MISSING.test(said)) return noSuchModel(said, model);
  if (NO_FILLING.test(said)) return cannotFill(said, protocol);
  return {
    code: 'server/refused',
    message: `${endpoint.host} gave up: ${said}.`,
    hint: 'See what the server writes into its own log.',
  };
}

const CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be looked up',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  ECONNRESET: 'it ended the connection',
  UND_ERR_SOCKET: 'it ended the connection',
  EPROTO: 'it does not speak HTTPS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak HTTPS',
};

/** What it means that there is no answer at all. @param code of the error, as Node calls it */
export function connectionFailure(code: string, detail: string, { endpoint, protocol }: Asked): ErrorData {
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    return {
      code: 'server/certificate',
      message: `The certificate of ${endpoint.host} is not trusted (${code}).`,
      hint: "Add its authority to the system's, or use its right name in quantsmith.completions.endpoint.",
    };
  }
  return unreachable(endpoint, protocol, CONNECTION[code] ?? printable(`${code} ${detail}`.trim(), { limit: 200 }));
}

export function timeoutFailure(seconds: number, { endpoint }: Asked): ErrorData {
  return {
    code: 'server/timeout',
    message: `${endpoint.host} said nothing for ${seconds} s.`,
    hint: 'It may be reading a long prompt with little computing power, or hang.',
  };
}

export function contentTypeFailure(found: string | null, expected: string, { endpoint, path }: Asked): ErrorData {
  return {
    code: 'server/content-type',
    message: `${endpoint.base}/${path} answers with ${found === null ? 'no content type' : printable(found, { limit: 80 })}; ${expected} is expected.`,
    hint: 'Another program may listen there: check quantsmith.completions.endpoint and quantsmith.completions.engine.',
  };
}

export function brokenOffFailure({ endpoint }: Asked): ErrorData {
  return {
    code: 'server/broken-off',
    message: `${endpoint.host} ended the connection in the middle of an answer.`,
    hint: 'It may have crashed or been restarted; see its log.',
  };
}

function unreachable({ base }: Endpoint, { label }: ServerProtocol, why: string): ErrorData {
  return {
    code: 'server/unreachable',
    message: `No ${label} answers at ${base}: ${why}.`,
    hint: 'Start it, or set quantsmith.completions.endpoint to where it is.',
  };
}

function loading({ host }: Endpoint): ErrorData {
  return {
    code: 'server/loading',
    message: `${host} is still loading its model.`,
    hint: 'It is asked again with one of the next completions.',
  };
}

function noSuchModel(said: string, model: string): ErrorData {
  return {
    code: 'server/no-such-model',
    message: `The server has no model "${printable(model, { limit: 100 })}": ${said}.`,
    hint: 'Set quantsmith.completions.serverModel to one of its models.',
  };
}

function cannotFill(said: string, { kind }: ServerProtocol): ErrorData {
  return {
    code: 'server/cannot-fill',
    message: `The server's model cannot fill in a middle (${said}).`,
    hint:
      kind === 'llama-server'
        ? 'Start llama-server with a code model that was trained for it.'
        : 'Use another model, or choose the prompt by quantsmith.completions.fimFamily.',
  };
}

/** What an error's body says, on one line and without a full stop. */
function errorMessage(body: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // A page for people says too much and too little.
    if (body.trim() === '' || body.trim().startsWith('<')) return undefined;
    return oneLine(body);
  }
  const nested = objectAt(value, 'error') ?? objectAt(value, 'detail');
  const said =
    stringAt(nested, 'message') ??
    ['error', 'message', 'detail'].map(key => stringAt(value, key)).find(text => text !== undefined);
  return said === undefined ? undefined : oneLine(said);
}

function oneLine(text: string): string {
  return printable(text.trim().replace(/\s+/g, ' ').replace(/\.$/, ''), { limit: 300 });
}
