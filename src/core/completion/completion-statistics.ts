// What completions were good for, per model: counts, and the last latencies. Only numbers, never text or names of files; bounded,
// so that they can be kept for years; and what is read back may be anything, because an older version or a person wrote it.
import { formatInteger } from '../text/quantity.js';
import { printable } from '../text/printable.js';

const COUNTS = [
  'shown',
  'accepted',
  'partlyAccepted',
  'offers',
  'cached',
  'nothing',
  'failed',
  'generated',
  'used',
] as const;
const LATENCIES = ['first', 'total', 'cachedTotal'] as const;

type Count = (typeof COUNTS)[number];
type Latency = (typeof LATENCIES)[number];

/**
 * `shown`: texts that were offered, each once; `offers`: answers with a text, of which `cached` came from earlier ones, as when
 * somebody types along. `generated` and `used` are tokens.
 */
export type ModelStatistics = Readonly<Record<Count, number>> &
  Readonly<Record<Latency, readonly number[]>> & {
    /** The day of the first of them, as in 2026-01-31. */
    readonly since: string;
  };

/** What is kept: models by name, the last used last. */
export type StoredStatistics = Readonly<Record<string, ModelStatistics>>;

export interface Answered {
  readonly isOffer: boolean;
  readonly isFailure: boolean;
  /** The text was not offered before. */
  readonly isNew: boolean;
  readonly isCached: boolean;
  readonly firstMs: number | undefined;
  readonly totalMs: number;
}

const MOST_MODELS = 12;
/** Enough for a 95th percentile; some days of work. */
const MOST_LATENCIES = 200;

export class CompletionStatistics {
  readonly #models = new Map<string, ModelStatistics>();

  constructor(stored?: unknown) {
    if (typeof stored !== 'object' || stored === null) return;
    for (const [model, value] of Object.entries(stored).slice(-MOST_MODELS)) this.#models.set(model, readModel(value));
  }

  get stored(): StoredStatistics {
    return Object.fromEntries(this.#models);
  }

  answered(model: string, day: string, { isOffer, isFailure, isNew, isCached, firstMs, totalMs }: Answered): void {
    const kind = isFailure ? 'failed' : 'nothing';
    if (!isOffer) {
      this.#add(model, day, { [kind]: 1 });
      return;
    }
    const counts = { offers: 1, ...(isNew ? { shown: 1 } : {}), ...(isCached ? { cached: 1 } : {}) };
    const latencies = isCached
      ? { cachedTotal: totalMs }
      : { total: totalMs, ...(firstMs === undefined ? {} : { first: firstMs }) };
    this.#add(model, day, counts, latencies);
  }

  count(model: string, day: string, what: 'accepted' | 'partlyAccepted' | 'generated' | 'used', by = 1): void {
    this.#add(model, day, { [what]: by });
  }

  reset(): void {
    this.#models.clear();
  }

  /** For people, as plain text. */
  report(): string {
    const models = [...this.#models].reverse();
    if (models.length === 0) return 'No completion was asked for yet.\n';
    const parts = models.map(([model, facts]) => `${printable(model)}, since ${facts.since}\n\n${modelReport(facts)}`);
    return `Completions on this machine. These numbers are kept here and sent nowhere.\n\n${parts.join('\n\n')}\n`;
  }

  #add(
    model: string,
    day: string,
    counts: Partial<Record<Count, number>>,
    latencies: Partial<Record<Latency, number>> = {},
  ): void {
    const before = this.#models.get(model) ?? { ...readModel(undefined), since: day };
    const after = { ...before };
    for (const name of COUNTS) after[name] = before[name] + (counts[name] ?? 0);
    for (const name of LATENCIES) {
      const value = latencies[name];
      if (value !== undefined) after[name] = [...before[name], Math.round(value)].slice(-MOST_LATENCIES);
    }
    this.#models.delete(model);
    this.#models.set(model, after);
    for (const oldest of this.#models.keys()) {
      if (this.#models.size <= MOST_MODELS) break;
      this.#models.delete(oldest);
    }
  }
}

/** The value below which a share of the values lies; undefined of none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

function modelReport(facts: ModelStatistics): string {
  const { shown, accepted, partlyAccepted, offers, cached, nothing, failed, generated, used } = facts;
  const share = (part: number, whole: number): string =>
    whole === 0 ? formatInteger(part) : `${formatInteger(part)} (${Math.round((100 * part) / whole)} %)`;
  const latency = (values: readonly number[]): string => {
    const [half, most] = [percentile(values, 0.5), percentile(values, 0.95)];
    return half === undefined || most === undefined
      ? 'none yet'
      : `half within ${formatInteger(half)} ms, 95 % within ${formatInteger(most)} ms (the last ${formatInteger(values.length)})`;
  };
  const rows = [
    ['Shown', formatInteger(shown)],
    ['Accepted', share(accepted, shown)],
    ['Accepted in part', share(partlyAccepted, shown)],
    ['Nothing to show', share(nothing, nothing + offers + failed)],
    ['Failed', formatInteger(failed)],
    ['Answered from earlier texts', share(cached, offers)],
    ['First text', latency(facts.first)],
    ['Whole text', latency(facts.total)],
    ['From earlier texts', latency(facts.cachedTotal)],
    ['Tokens generated', formatInteger(generated)],
    ['Tokens wasted', share(Math.max(0, generated - used), generated)],
  ] as const;
  return rows.map(([name, value]) => `  ${`${name}:`.padEnd(30)}${value}`).join('\n');
}

function readModel(value: unknown): ModelStatistics {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const number = (field: unknown): number => (typeof field === 'number' && field >= 0 && field < 1e15 ? field : 0);
  const numbers = (field: unknown): readonly number[] =>
    Array.isArray(field) ? field.slice(-MOST_LATENCIES).map(number) : [];
  const { since } = fields;
  return {
    ...(Object.fromEntries(COUNTS.map(name => [name, number(fields[name])])) as Record<Count, number>),
    ...(Object.fromEntries(LATENCIES.map(name => [name, numbers(fields[name])])) as Record<Latency, readonly number[]>),
    since: typeof since === 'string' && /^\d{4}-\d\d-\d\d$/.test(since) ? since : 'an unknown day',
  };
}
