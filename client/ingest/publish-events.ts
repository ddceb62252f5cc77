/**
 * Publishes the events of a request and tells what became of each.
 *
 * I1  Events are published in their order. After the first that found no room none is tried: what came after it in its key
 *     would otherwise overtake it.
 * I2  What is told is bounded: every rejected event is named, but beyond 200 problems with one of its own only, in few words.
 * I3  An answer comes within `ackTimeoutMs`. What is not acknowledged by then is told as `unknown-outcome`: it may be written.
 */
import type { Stream } from '#engine/topology/stream.ts';
import { ClientError } from '../client-error.ts';
import type { Client } from '../client.ts';
import type { ParsedEvent } from './parse-events.ts';

/** One thing that is wrong with one event of a request. */
export interface EventProblem {
  /** Of the event in the request, from 0. */
  readonly index: number;
  /** As a path from the event, `disks.0.name`; null where no single field is meant. */
  readonly field: string | null;
  readonly code: string;
  readonly reason: string;
  /** Whether the same event may be taken later. */
  readonly retryable: boolean;
}

export interface PublishResult {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly EventProblem[];
  /** Problems that are left out of `errors`; not there where none is. */
  readonly more?: number;
}

const maxDetailed = 200;
const maxBriefLength = 80;

/** Identity of events that have none of their own. */
export interface RequestIdentity {
  /** Of a request with one event, or the beginning of the ids of several. */
  readonly id: string | undefined;
  readonly source: string;
}

type Outcome = 'accepted' | readonly EventProblem[];

const fieldOf = (problem: string): string | null => /field '([^']*)'/.exec(problem)?.[1] ?? null;

const problemsOf = (index: number, error: ClientError): readonly EventProblem[] =>
  error.problems.map((reason) => ({
    index,
    field: error.code === 'invalid-event' ? fieldOf(reason) : null,
    code: error.code,
    reason,
    retryable: error.retryable,
  }));

/** Resolves when all are settled, or `ackTimeoutMs` is over. Rejects only with what is no ClientError. */
export async function publishEvents(
  client: Client,
  stream: Stream<unknown>,
  events: readonly ParsedEvent[],
  identity: RequestIdentity,
  ackTimeoutMs: number,
): Promise<PublishResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ackTimeoutMs, 'late');
  });
  const outcomes: Promise<Outcome>[] = [];
  let full: ClientError | undefined;
  const isFull = (): ClientError | undefined => full;
  for (const [index, parsed] of events.entries()) {
    if (parsed.outcome === 'invalid') {
      const invalid = new ClientError('invalid-event', '', { problems: parsed.problems });
      outcomes.push(Promise.resolve(problemsOf(index, invalid)));
      continue;
    }
    const refusal = isFull();
    if (refusal !== undefined) {
      outcomes.push(Promise.resolve(problemsOf(index, refusal)));
      continue;
    }
    const id = parsed.id ?? idOf(identity.id, index, events.length);
    const options = { source: parsed.source ?? identity.source, whenFull: 'reject' as const };
    const publishing = client.publish(stream, parsed.event, id === undefined ? options : { ...options, id });
    outcomes.push(
      settled(publishing, index, late, ackTimeoutMs, (error) => {
        full = error;
      }),
    );
    // A refusal for want of room is known one turn of the microtasks later.
    await Promise.resolve();
  }
  const all = await Promise.all(outcomes);
  clearTimeout(timer);
  const rejected = all.filter((outcome) => outcome !== 'accepted');
  return { accepted: all.length - rejected.length, rejected: rejected.length, ...told(rejected) };
}

/** What is said of the problems of each rejected event (I2). */
function told(rejected: readonly (readonly EventProblem[])[]): Pick<PublishResult, 'errors' | 'more'> {
  const errors: EventProblem[] = [];
  let count = 0;
  for (const problems of rejected) {
    count += problems.length;
    const room = maxDetailed - errors.length;
    errors.push(...(room > 0 ? problems.slice(0, room) : problems.slice(0, 1).map(brief)));
  }
  return count === errors.length ? { errors } : { errors, more: count - errors.length };
}

function brief(problem: EventProblem): EventProblem {
  const { reason } = problem;
  return reason.length <= maxBriefLength
    ? problem
    : { ...problem, reason: `${reason.slice(0, maxBriefLength)}...` };
}

function idOf(id: string | undefined, index: number, count: number): string | undefined {
  return id === undefined || count === 1 ? id : `${id}-${index}`;
}

async function settled(
  publishing: Promise<void>,
  index: number,
  late: Promise<'late'>,
  ackTimeoutMs: number,
  onFull: (error: ClientError) => void,
): Promise<Outcome> {
  const published = publishing.then(
    (): Outcome => 'accepted',
    (error: unknown): Outcome => {
      if (!(error instanceof ClientError)) throw error;
      if (error.code === 'buffer-full') onFull(error);
      return problemsOf(index, error);
    },
  );
  const first = await Promise.race([published, late]);
  if (first !== 'late') return first;
  const unknown = `not acknowledged within ${ackTimeoutMs} ms; it may still be written`;
  return problemsOf(index, new ClientError('unknown-outcome', unknown));
}
