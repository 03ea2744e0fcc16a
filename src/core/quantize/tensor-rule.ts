// A rule as text, one syntax for command line and editor: `PATTERN=TYPE`, where PATTERN is a glob on the whole name or a
// regular expression between slashes. The type comes after the last `=`.
import { compilePattern } from './tensor-pattern.js';
import type { TensorRule } from './quantization-plan.js';

export type ParsedRule =
  { readonly ok: true; readonly rule: TensorRule } | { readonly ok: false; readonly message: string };

/** `label` names the rule in reports. Whether the type exists is the plan's to say. */
export function parseTensorRule(text: string, label: string): ParsedRule {
  const equals = text.lastIndexOf('=');
  const written = text.slice(0, equals).trim();
  const type = text.slice(equals + 1).trim();
  if (equals < 0 || written === '' || type === '')
    return { ok: false, message: "Expected PATTERN=TYPE, for example '*.attn_v.weight=Q6_K'." };
  const isRegex = written.length >= 3 && written.startsWith('/') && written.endsWith('/');
  const kind = isRegex ? 'regex' : 'glob';
  const pattern = isRegex ? written.slice(1, -1) : written;
  const compiled = compilePattern(kind, pattern);
  if (compiled.ok) return { ok: true, rule: { kind, pattern, type, label } };
  return { ok: false, message: `${compiled.message.charAt(0).toUpperCase()}${compiled.message.slice(1)}.` };
}
