// The form in which messages travel to the inspector. VS Code passes webview messages through JSON, which throws on
// bigint and turns NaN, infinities and -0 into something else; both occur in model metadata. Such a number travels as
// `{ "$": "bigint" | "number", "text": … }`. Nothing else in a message has a member called `$`.
import type { FromInspector, ToInspector } from './inspector-protocol.js';

/** What to hand to `webview.postMessage`. */
export function toWire(message: ToInspector | FromInspector): unknown {
  return encode(message);
}

/** The message that was handed to {@link toWire}; members that were `undefined` are absent. */
export function fromWire(wire: unknown): unknown {
  return decode(wire);
}

function encode(value: unknown): unknown {
  if (typeof value === 'bigint') return { $: 'bigint', text: value.toString() };
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $: 'number', text: Object.is(value, -0) ? '-0' : String(value) };
  }
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, encode(member)]));
  }
  return value;
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (typeof value !== 'object' || value === null) return value;
  if ('$' in value && 'text' in value && typeof value.text === 'string') {
    return value.$ === 'bigint' ? BigInt(value.text) : Number(value.text);
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, decode(member)]));
}
