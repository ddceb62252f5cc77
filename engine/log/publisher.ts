/**
 * The seam between Weir's log and the programs at its edges: agents and simulators publish events, and actuators
 * subscribe to commands, without knowing whether the topics lie in this process or on Kafka.
 *
 * I1  `publish` resolves once the event is accepted, and waits while the log has no room: back-pressure reaches the source.
 * I2  Events of one key that one caller publishes one after another (awaiting each) keep their order.
 * I3  A subscriber sees each event at least once; (`ce_source`, `ce_id`), or an id in the value, tells repetitions.
 */
import type { Stream } from '../topology/stream.ts';

/** What identifies an event across repetitions (CloudEvents 1.0). Left out, the runtime makes an id of its own. */
export interface PublishOptions {
  /** `ce_source`: who saw it, as a URI reference: `/agents/host-io/<host>`. */
  readonly source?: string;
  /** `ce_id`: unique within its source. Publishing the same id again is a repetition of the same event. */
  readonly id?: string;
}

export interface Publisher {
  /** Rejects only if the event was not accepted (invalid value, log closed); `retryable` on the error says whether to try again. */
  publish<T>(stream: Stream<T>, event: T, options?: PublishOptions): Promise<void>;
}

export interface Subscription {
  /** Stops the delivery; resolves when no call of the handler is under way. */
  stop(): Promise<void>;
}

export interface Subscriber {
  /** Calls `onEvent` with each event, one at a time within a key. The next one waits for its promise. */
  subscribe<T>(stream: Stream<T>, onEvent: (event: T) => Promise<void> | void): Promise<Subscription>;
}

/** A program at the edge while it runs. */
export interface Running<Stats> {
  /** Stops and flushes: what was already measured or promised is published first. Idempotent; never rejects. */
  stop(): Promise<void>;
  /** Resolves after `stop`, or rejects with the error that ended the program. */
  readonly done: Promise<void>;
  /** Counts as of now. */
  stats(): Stats;
}
