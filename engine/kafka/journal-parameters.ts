/**
 * The parameters that a task runs with, beside its order journal: a header of each chunk's record. Processes are configured
 * one by one; what was in force when a chunk was processed is known for certain only there.
 */
import { EngineError } from '../engine-error.ts';
import { headerText } from '../task/cloud-events.ts';
import type { Headers } from '../log/log.ts';
import type { Parameters } from '../topology/processor.ts';

const header = 'weir_parameters';
const none: Headers = {};

/** Headers of a task's journal records; none for a processor without parameters. */
export function journalHeaders(inForce: Parameters): Headers {
  return Object.keys(inForce).length === 0 ? none : { [header]: JSON.stringify(inForce) };
}

/**
 * What a journal record says; undefined when it says nothing.
 *
 * @param place names the record in errors
 * @throws EngineError `recording`
 */
export function journalParameters(headers: Headers, place: string): Parameters | undefined {
  const text = headerText(headers, header);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (isParameters(parsed)) return parsed;
  } catch (cause) {
    throw new EngineError('recording', `${place}: its header ${header} is no JSON: ${text}`, { cause });
  }
  throw new EngineError('recording', `${place}: its header ${header} holds no parameters: ${text}`);
}

function isParameters(value: unknown): value is Parameters {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((one) => ['string', 'number', 'boolean'].includes(typeof one));
}
