/**
 * A dead letter as it is redriven, and the record that is made of it.
 *
 * I1  Key, value, headers and timestamp are those of the original (the time may be renewed, where that is asked for); two headers are added, or, where it was redriven before,
 *     replaced. So the letter of a redriven record that fails again tells where it came from, and has an origin of its own.
 */
import type { PlacedRecord } from '#engine/kafka/driver/transactional-producer.ts';
import type { Headers } from '#engine/log/log.ts';
import { headerText } from '#engine/task/cloud-events.ts';

/** Where the failed record stood: `<topic>/<partition>/<offset>`. */
const redrivenFromHeader = 'weir_redriven_from';
/** How often the record has been redriven, this time included. */
const redrivenCountHeader = 'weir_redriven_count';

export interface Letter {
  /** `<topic>/<partition>/<offset>`; of what never was on a topic, another unique text. */
  readonly origin: string;
  /** All that could not process it. */
  readonly readers: readonly string[];
  readonly topic: string;
  /** null: it never was on a topic. */
  readonly partition: number | null;
  readonly offset: number | null;
  readonly key: Buffer | null;
  /** null also where the value was too large for a letter. */
  readonly value: Buffer | null;
  /** As the letter has them: values of a repeated header are under `<name>`, `<name>#1`, `<name>#2` ... */
  readonly headers: Readonly<Record<string, Buffer>>;
  readonly recordTimestampMs: number | null;
}

/** What is written again. */
export type Original = Pick<PlacedRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;

/** The headers as they were: those of the letter that were numbered are one repeated header again. */
export function headersOf({ headers }: Pick<Letter, 'headers'>): Headers {
  const restored: [string, Buffer | Buffer[]][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (isNumbered(name, headers)) continue;
    const values = [value];
    for (let i = 1; Object.hasOwn(headers, `${name}#${i}`); i += 1) {
      values.push(headers[`${name}#${i}`]!);
    }
    restored.push([name, values.length === 1 ? value : values]);
  }
  return Object.fromEntries(restored);
}

/** Whether it is a further value of another header: `a#2` where there are `a` and `a#1`. */
function isNumbered(name: string, headers: Letter['headers']): boolean {
  const match = /^(.*)#([1-9]\d*)$/s.exec(name);
  if (match === null) return false;
  const [, base, number] = match;
  if (!Object.hasOwn(headers, base!)) return false;
  for (let i = 1; i < Number(number); i += 1) if (!Object.hasOwn(headers, `${base!}#${i}`)) return false;
  return true;
}

/** The record to write. `letter.partition` is a number. */
export function redrivenRecord(letter: Letter, original: Original): PlacedRecord {
  const before = Number(headerText(original.headers, redrivenCountHeader) ?? '0');
  const count = Number.isSafeInteger(before) && before > 0 ? before + 1 : 1;
  const { key, value, timestampMs, headers } = original;
  return {
    topic: letter.topic,
    partition: letter.partition!,
    key,
    value,
    timestampMs,
    headers: { ...headers, [redrivenFromHeader]: letter.origin, [redrivenCountHeader]: String(count) },
  };
}
