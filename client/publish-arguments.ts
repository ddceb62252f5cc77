/** What a program hands over with its events, checked: the stream, the identity, how long to wait. */
import type { Stream } from '#engine/topology/stream.ts';
import type { WhenFull } from './client-config.ts';
import { ClientError } from './client-error.ts';
import {
  isFields,
  kindOf,
  oneOf,
  requireNone,
  requireOptions,
  text,
  uriReference,
  wholeFrom,
} from './option-checks.ts';

const identityChecks = { id: text, source: uriReference };
const publishChecks = { ...identityChecks, whenFull: oneOf(['wait', 'reject'] satisfies WhenFull[]) };

/** Kafka's clients and registries keep ids as int32. */
const confluentIdCheck = wholeFrom(0, 2 ** 31 - 1);

/** @param call that got it. @throws ClientError 'invalid-config' */
export function requireStream(call: string, stream: Stream<unknown>): void {
  const given: unknown = stream;
  if (!isFields(given))
    requireNone(call, [
      `stream must be one such as linkStates of weir/schemas/migration, not ${kindOf(given)}`,
    ]);
  const { topic, name, schema, key, time }: Partial<Record<keyof Stream<unknown>, unknown>> = stream;
  const fieldOf = (value: unknown): unknown => (isFields(value) ? value['field'] : undefined);
  requireNone(call, [
    ...text(topic, 'stream.topic'),
    ...text(name, 'stream.name'),
    ...(isFields(schema) ? [] : [`stream.schema must be an object, not ${kindOf(schema)}`]),
    ...text(fieldOf(key), 'stream.key.field'),
    ...text(fieldOf(time), 'stream.time.field'),
    ...oneOf(['millis', 'micros'] satisfies Stream<unknown>['time']['unit'][])(
      isFields(time) ? time['unit'] : undefined,
      'stream.time.unit',
    ),
  ]);
}

/** @throws ClientError 'invalid-config' */
export function requirePublishOptions(options: unknown): void {
  requireOptions('publish', options, publishChecks);
}

/** @throws ClientError 'invalid-config' */
export function requireIdentity(identity: unknown): void {
  requireOptions('encodeEvent', identity, identityChecks, ['id', 'source']);
}

/** @throws ClientError 'invalid-config' */
export function requireConfluentId(topic: string, confluentId: unknown): void {
  if (confluentId !== undefined)
    requireNone(topic, confluentIdCheck(confluentId, 'the id in the schema registry'));
}

/** Why nothing can wait so long; undefined where it can, for ever (Infinity) too. @param call that got it */
export function timeoutProblem(call: string, timeoutMs: unknown): ClientError | undefined {
  if (typeof timeoutMs === 'number' && !Number.isNaN(timeoutMs)) return undefined;
  const given = Number.isNaN(timeoutMs) ? 'NaN' : kindOf(timeoutMs);
  return new ClientError(
    'invalid-config',
    `${call}: timeoutMs must be a number of milliseconds, not ${given}`,
  );
}
