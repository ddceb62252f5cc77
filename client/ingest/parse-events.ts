/**
 * The events of a body, by its content type.
 *
 * | content type                          | body                                                                      |
 * | ------------------------------------- | ------------------------------------------------------------------------- |
 * | application/json                      | an event, or an array of events (engine/codec/json-event.ts says how)      |
 * | application/x-ndjson, application/jsonl | an event on each line                                                    |
 * | application/avro                      | one event in Avro's single-object encoding, or in Confluent's framing      |
 * | application/cloudevents+json          | a CloudEvent whose `data` is the event; its `id` and `source` are kept     |
 * | application/cloudevents-batch+json    | an array of those                                                          |
 *
 * I1  An event that is wrong spoils no other of its body.
 * Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
 */
import { CodecError } from '#engine/codec/codec-error.ts';
import type { EventCodec } from '#engine/codec/event-codec.ts';
import { isObject } from '#engine/codec/check-value.ts';
import { eventFromJson } from '#engine/codec/json-event.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { HttpProblem } from './http-problem.ts';

/** An event of a body, or why it is none. */
export type ParsedEvent =
  | {
      readonly outcome: 'event';
      readonly event: object;
      readonly id: string | undefined;
      readonly source: string | undefined;
    }
  | { readonly outcome: 'invalid'; readonly problems: readonly string[] };

const jsonTypes = ['application/json'] as const;
const lineTypes = ['application/x-ndjson', 'application/jsonl'] as const;
const avroTypes = ['application/avro'] as const;
const cloudEventTypes = ['application/cloudevents+json'] as const;
const cloudBatchTypes = ['application/cloudevents-batch+json'] as const;
const allTypes = [...jsonTypes, ...lineTypes, ...avroTypes, ...cloudEventTypes, ...cloudBatchTypes] as const;

export type ContentType = (typeof allTypes)[number];

/** @throws HttpProblem 415 */
export function contentTypeOf(header: string | undefined): ContentType {
  const [type = '', ...parameters] = (header ?? '').split(';').map((part) => part.trim().toLowerCase());
  const known = allTypes.find((one) => one === type);
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  const isUtf8 = charset === undefined || charset.replaceAll('"', '') === 'utf-8';
  if (known !== undefined && isUtf8) return known;
  throw new HttpProblem(
    415,
    'unsupported-media-type',
    `Content-Type '${header ?? ''}' is not taken: send ${allTypes.join(', ')}, text in UTF-8`,
  );
}

/** @throws HttpProblem 400 when the body as a whole cannot be read, 413 when it has more than `maxRecords` */
export function parseEvents(
  stream: Stream<unknown>,
  codec: EventCodec<unknown>,
  type: ContentType,
  body: Buffer,
  maxRecords: number,
): readonly ParsedEvent[] {
  switch (type) {
    case 'application/avro':
      return [parsed(() => eventOf(codec.decode(body) as object))];
    case 'application/x-ndjson':
    case 'application/jsonl':
      return parseLines(stream, textOf(body), maxRecords);
    case 'application/json': {
      const json = jsonOf(textOf(body));
      const items = bounded(Array.isArray(json) ? json : [json], maxRecords);
      return items.map((item) => parsed(() => eventOf(eventFromJson(stream, item) as object)));
    }
    case 'application/cloudevents+json':
      return [parsed(() => cloudEvent(stream, jsonOf(textOf(body))))];
    case 'application/cloudevents-batch+json': {
      const json = jsonOf(textOf(body));
      if (!Array.isArray(json)) throw new HttpProblem(400, 'invalid-body', 'the body is not a JSON array');
      return bounded(json, maxRecords).map((item) => parsed(() => cloudEvent(stream, item)));
    }
  }
}

const eventOf = (event: object, id?: string, source?: string): ParsedEvent => ({
  outcome: 'event',
  event,
  id,
  source,
});

function parsed(parse: () => ParsedEvent): ParsedEvent {
  try {
    return parse();
  } catch (error) {
    if (error instanceof CodecError) return { outcome: 'invalid', problems: error.problems };
    throw error;
  }
}

function parseLines(stream: Stream<unknown>, text: string, maxRecords: number): readonly ParsedEvent[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return bounded(lines, maxRecords).map((line) => {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch (error) {
      return { outcome: 'invalid', problems: [`not JSON: ${(error as SyntaxError).message}`] };
    }
    return parsed(() => eventOf(eventFromJson(stream, json) as object));
  });
}

function bounded<T>(items: readonly T[], maxRecords: number): readonly T[] {
  if (items.length === 0) throw new HttpProblem(400, 'invalid-body', 'the body has no event');
  if (items.length <= maxRecords) return items;
  throw new HttpProblem(
    413,
    'too-many-records',
    `the body has ${items.length} events, at most ${maxRecords} are taken at once`,
  );
}

function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    // The only thing that can fail here is that it is none.
    throw new HttpProblem(400, 'invalid-body', 'the body is not UTF-8');
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new HttpProblem(400, 'invalid-body', `the body is not JSON: ${(error as SyntaxError).message}`);
  }
}

/** The longest id and source that are taken, in characters. */
const maxAttributeLength = 256;

/** Why text cannot be an id or a source; undefined when it can. Printable ASCII without blanks: they become headers. */
export function attributeProblem(name: string, text: string): string | undefined {
  if (text.length > 0 && text.length <= maxAttributeLength && /^[\x21-\x7e]+$/.test(text)) return undefined;
  return `${name}: expected 1 to ${maxAttributeLength} printable ASCII characters without blanks`;
}

function cloudEvent(stream: Stream<unknown>, json: unknown): ParsedEvent {
  if (!isObject(json)) return { outcome: 'invalid', problems: ['expected a CloudEvent as an object'] };
  const { specversion, id, source, type, data } = json;
  const problems: string[] = [];
  if (specversion !== '1.0') problems.push(`field 'specversion': expected "1.0"`);
  for (const [name, text] of [
    ['id', id],
    ['source', source],
  ] as const) {
    const problem = typeof text === 'string' ? attributeProblem(`field '${name}'`, text) : undefined;
    if (typeof text !== 'string') problems.push(`field '${name}': expected a string`);
    else if (problem !== undefined) problems.push(problem);
  }
  if (type !== stream.name) problems.push(`field 'type': expected "${stream.name}"`);
  if (data === undefined) problems.push(`field 'data': expected the event as an object`);
  if (problems.length > 0) return { outcome: 'invalid', problems };
  return eventOf(eventFromJson(stream, data) as object, id as string, source as string);
}
