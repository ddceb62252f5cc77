/**
 * Metrics as Prometheus's text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Written here and not with prom-client: what we tell are snapshots of counters that others keep, which its counters cannot
 * be set to; it was last released in 2024 and brings OpenTelemetry's API and a t-digest along. The format is these lines.
 *
 * I1  One HELP and one TYPE line a family, its samples together after them, the text ends with a line feed.
 * I2  No two samples of a family have the same labels, or Prometheus refuses the whole scrape: `renderExposition` throws.
 */

export const expositionContentType = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Observations by upper bounds, not cumulative. */
export interface HistogramSample {
  readonly labels: Labels;
  /** One more than the bounds: the last is of all above. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

export type Family =
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge';
      readonly samples: readonly Sample[];
    }
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'histogram';
      /** Upper bounds, ascending, without the infinite one. */
      readonly bounds: readonly number[];
      readonly samples: readonly HistogramSample[];
    };

const namePattern = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const inValue: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"\n]/g, (character) => inValue[character]!) : value;
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

/** `{a="x",b="y"}`, or nothing without labels. */
function labelText(labels: Labels, bound?: number): string {
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escaped(String(labels[name]))}"`;
  if (bound !== undefined) text += `${text === '' ? '' : ','}le="${numberText(bound)}"`;
  return text === '' ? '' : `{${text}}`;
}

class Lines {
  text = '';
  readonly #seen = new Set<string>();

  add(name: string, value: number, labels: string): void {
    const series = name + labels;
    if (this.#seen.has(series)) throw new RangeError(`metric ${series} has two values`);
    this.#seen.add(series);
    this.text += `${series} ${numberText(value)}\n`;
  }
}

function addHistogram(lines: Lines, name: string, bounds: readonly number[], sample: HistogramSample): void {
  let count = 0;
  for (const [i, bound] of [...bounds, Infinity].entries()) {
    count += sample.buckets[i] ?? 0;
    lines.add(`${name}_bucket`, count, labelText(sample.labels, bound));
  }
  lines.add(`${name}_sum`, sample.sum, labelText(sample.labels));
  lines.add(`${name}_count`, count, labelText(sample.labels));
}

/**
 * The families in their order; one without samples is left out.
 *
 * @throws RangeError for a name that is none, a family that comes twice, or two samples with the same labels (I2)
 */
export function renderExposition(families: readonly Family[]): string {
  const lines = new Lines();
  const names = new Set<string>();
  for (const family of families) {
    const { name, help, type, samples } = family;
    if (!namePattern.test(name) || names.has(name))
      throw new RangeError(`metric ${name} has no name of its own`);
    names.add(name);
    if (samples.length === 0) continue;
    const helpText = help.replace(/[\\\n]/g, (character) => inValue[character]!);
    lines.text += `# HELP ${name} ${helpText}\n# TYPE ${name} ${type}\n`;
    if (family.type === 'histogram')
      for (const sample of family.samples) addHistogram(lines, name, family.bounds, sample);
    else for (const { labels, value } of family.samples) lines.add(name, value, labelText(labels));
  }
  return lines.text;
}
