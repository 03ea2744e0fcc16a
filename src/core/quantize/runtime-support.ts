// Which builds of llama.cpp read which tensor types, as far as public sources say: per type the newest build known not to
// read it, and the oldest known to. Between the two nothing is claimed. Builds have numbers that rise with time (b3887); the
// numbers below are those of dated releases (node-llama-cpp's notes name the build each ships) around the date a type was
// merged, and for MXFP4 that of the build whose users reported "invalid ggml type 39". 0.7.0 (b11669) reads every type here:
// measured. Types without a row are older than the oldest build one would name.
import { ggmlTypeByName } from '../ggml/ggml-type.js';
import type { Problem } from '../problem.js';
import { quote } from '../text/printable.js';
import { plural } from '../text/quantity.js';
import type { Decision } from './choose-types.js';

interface Support {
  /** Newest build known to refuse the type. */
  readonly notIn: number;
  /** Oldest build known to read it. */
  readonly since: number;
}

const SUPPORT: ReadonlyMap<string, Support> = new Map([
  // Pull requests 4773 (merged January 8, 2024) and 4856 (merged January 11) brought them. In the thread of the second a user
  // runs an IQ2_XS model with b1884 on January 16: the oldest build seen to. The other end is reckoned, not seen: some 10
  // builds came out a day (b1961 is of January 24), which puts the first merge near b1800 and b1700 a week or more before it.
  ...['IQ2_XXS', 'IQ2_XS'].map(type => [type, { notIn: 1700, since: 1884 }] as const),
  // January 24 to June 30, 2024.
  ['IQ3_XXS', { notIn: 1961, since: 3265 }],
  // February 5 to June 30, 2024.
  ...['IQ1_S', 'IQ1_M', 'IQ2_S', 'IQ3_S', 'IQ4_NL', 'IQ4_XS', 'BF16'].map(
    type => [type, { notIn: 2060, since: 3265 }] as const,
  ),
  // August 10 to October 5, 2024.
  ...['TQ1_0', 'TQ2_0'].map(type => [type, { notIn: 3543, since: 3887 }] as const),
  // August 5 to October 26, 2025.
  ['MXFP4', { notIn: 6090, since: 6845 }],
  // After December 8, 2025.
  ...['NVFP4', 'Q1_0', 'Q2_0'].map(type => [type, { notIn: 7324, since: 11_669 }] as const),
]);

/** `llama.cpp@b3887` -> 3887; undefined for what names no build. */
export function parseRuntime(text: string): number | undefined {
  const build = /^llama\.cpp@b(\d{1,6})$/i.exec(text.trim())?.[1];
  return build === undefined ? undefined : Number(build);
}

/** What this build of llama.cpp cannot read of a plan, or may not be able to. Nothing without a wish for one. */
export function runtimeProblems(decisions: readonly Decision[], runtime: string | undefined): readonly Problem[] {
  if (runtime === undefined) return [];
  const build = parseRuntime(runtime);
  if (build === undefined) {
    return [
      {
        code: 'plan/unknown-runtime',
        severity: 'error',
        message: `Expected a build of llama.cpp such as llama.cpp@b3887, found ${quote(runtime)}.`,
        hint: 'llama-cli --version names the build; node-llama-cpp and others say in their release notes which they ship.',
      },
    ];
  }
  const counts = new Map<string, number>();
  for (const { toType } of decisions) counts.set(toType, (counts.get(toType) ?? 0) + 1);
  return [...counts].flatMap(([type, count]): readonly Problem[] => {
    const support = SUPPORT.get(type);
    if (!ggmlTypeByName(type) || !support || build >= support.since) return [];
    const cannot = build <= support.notIn;
    const known = `b${support.notIn} does not read it, b${support.since} does`;
    return [
      {
        code: cannot ? 'plan/runtime-cannot-read' : 'plan/runtime-unsure',
        severity: cannot ? 'error' : 'warning',
        message: `llama.cpp b${build} ${cannot ? 'cannot read' : 'may not read'} ${type}, which ${plural(count, 'tensor')} would have (${known}).`,
        hint: 'Choose a file type without it, give these tensors another type by a rule, or use a newer build.',
      },
    ];
  });
}
