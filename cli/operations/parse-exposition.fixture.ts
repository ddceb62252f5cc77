/**
 * A reader of Prometheus's text format 0.0.4 that accepts nothing but what the format allows, and what a scrape needs:
 * every sample belongs to the family declared above it, no series comes twice, histograms add up.
 */

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

const metric = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const help = new RegExp(`^# HELP (${metric}) (.+)$`, 's');
const type = new RegExp(`^# TYPE (${metric}) (counter|gauge|histogram)$`);
const sample = new RegExp(`^(${metric})(?:\\{(.*)\\})? (\\S+)$`, 's');
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const number = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?)|[+-]Inf|NaN)$/;

function valueOf(text: string, line: string): number {
  if (!number.test(text)) throw new Error(`no number: ${line}`);
  return Number(text.replace('Inf', 'Infinity'));
}

function labelsOf(text: string | undefined, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  if (text === undefined) return labels;
  label.lastIndex = 0;
  for (let at = 0; at < text.length; at = label.lastIndex) {
    const found = label.exec(text);
    if (found === null) throw new Error(`no labels: ${line}`);
    const [, name = '', value = '', comma] = found;
    if (name in labels) throw new Error(`label ${name} twice: ${line}`);
    if (comma === ',' && label.lastIndex === text.length) throw new Error(`a label is missing: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

function belongsTo(name: string, family: ParsedFamily): boolean {
  if (family.type !== 'histogram') return name === family.name;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family.name + suffix);
}

/** @throws Error that quotes the first line that is wrong */
export function parseExposition(text: string): ReadonlyMap<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, ParsedFamily>();
  const series = new Set<string>();
  let helped: readonly [string, string] | undefined;
  let current: ParsedFamily | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const isHelp = help.exec(line);
    if (isHelp !== null) {
      helped = [isHelp[1]!, isHelp[2]!];
      continue;
    }
    const isType = type.exec(line);
    if (isType !== null) {
      const name = isType[1]!;
      if (helped?.[0] !== name || families.has(name))
        throw new Error(`a family without help, or twice: ${line}`);
      if ((isType[2] === 'counter') !== name.endsWith('_total'))
        throw new Error(`_total is for counters: ${line}`);
      current = { name, type: isType[2]!, help: helped[1], samples: [] };
      families.set(name, current);
      continue;
    }
    const found = sample.exec(line);
    if (found === null) throw new Error(`neither sample nor comment: ${line}`);
    const parsed = { name: found[1]!, labels: labelsOf(found[2], line), value: valueOf(found[3]!, line) };
    if (current === undefined || !belongsTo(parsed.name, current)) throw new Error(`in no family: ${line}`);
    const key = JSON.stringify([parsed.name, Object.entries(parsed.labels).sort()]);
    if (series.has(key)) throw new Error(`twice: ${line}`);
    series.add(key);
    current.samples.push(parsed);
  }
  for (const family of families.values()) checkHistogram(family);
  return families;
}

function checkHistogram({ name, type: kind, samples }: ParsedFamily): void {
  if (kind !== 'histogram') return;
  const buckets = new Map<string, ParsedSample[]>();
  const counts = new Map<string, number>();
  for (const one of samples) {
    const { le, ...rest } = one.labels;
    const key = JSON.stringify(rest);
    if (one.name === `${name}_bucket`) {
      if (le === undefined) throw new Error(`${name}: a bucket without le`);
      buckets.set(key, [...(buckets.get(key) ?? []), one]);
    } else if (one.name === `${name}_count`) counts.set(key, one.value);
  }
  for (const [key, each] of buckets) {
    const bounds = each.map(({ labels }) => valueOf(labels['le']!, name));
    const ascends = (values: readonly number[]): boolean =>
      values.every((v, i) => i === 0 || v >= values[i - 1]!);
    if (!ascends(bounds) || !ascends(each.map(({ value }) => value)) || bounds.at(-1) !== Infinity)
      throw new Error(`${name} ${key}: the buckets are not cumulative up to +Inf`);
    if (each.at(-1)!.value !== counts.get(key)) throw new Error(`${name} ${key}: count and buckets differ`);
  }
}

/** The value of the only sample with these labels, among others. @throws Error without one, or with several */
export function valueIn(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const values = valuesIn(text, name, labels);
  if (values.length !== 1) throw new Error(`${name} ${JSON.stringify(labels)}: ${values.length} samples`);
  return values[0]!;
}

/** The values of all samples that have these labels, among others. */
export function valuesIn(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number[] {
  const family = name.replace(/_(?:bucket|sum|count)$/, '');
  const families = parseExposition(text);
  const samples = (families.get(name) ?? families.get(family))?.samples ?? [];
  return samples
    .filter(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    )
    .map(({ value }) => value);
}
