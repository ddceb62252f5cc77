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

/** What is wrong with a stream. @param at what messages call it */
export function streamProblems(stream: unknown, at: string): readonly string[] {
  if (!isFields(stream))
    return [`${at} must be one such as linkStates of weir/schemas/migration, not ${kindOf(stream)}`];
  const { topic, name, schema, key, time }: Partial<Record<keyof Stream<unknown>, unknown>> = stream;
  const fieldOf = (value: unknown): unknown => (isFields(value) ? value['field'] : undefined);
  const unit = isFields(time) ? time['unit'] : undefined;
  return [
    ...text(topic, `${at}.topic`),
    ...text(name, `${at}.name`),
    ...(isFields(schema) ? [] : [`${at}.schema must be an object, not ${kindOf(schema)}`]),
    ...text(fieldOf(key), `${at}.key.field`),
    ...text(fieldOf(time), `${at}.time.field`),
    ...oneOf(['millis', 'micros'] satisfies Stream<unknown>['time']['unit'][])(unit, `${at}.time.unit`),
  ];
}

/** @param call that got it. @throws ClientError 'invalid-config' */
export function requireStream(call: string, stream: unknown): void {
  requireNone(call, streamProblems(stream, 'stream'));
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
