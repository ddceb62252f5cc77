/**
 * A task's keyed state and timers, and which keys changed since the last commit. What is not committed is never taken back: a
 * task whose commit fails is taken over anew, from what is committed.
 *
 * I1  States are never changed in place: processors return new ones.
 * I2  A key is in `#touched` exactly when it may differ from what the last commit had.
 * I3  A key's state and timers are one changelog entry: they can never commit apart.
 * I4  A key that was restored and has no timers stays packed until it is looked at: a restart with a million keys decodes only
 *     those that it meets.
 */
import { TimerQueue, type Timer } from './timer-queue.ts';

export type Clock = 'event' | 'wall';

/** What is known of one key. `undefined` parts are absent. */
export interface KeyEntry {
  readonly key: string;
  state: unknown;
  /** Live timers by name, unordered; replaced, never changed in place. */
  timers: readonly Timer[];
  /** The last (ce_source, ce_id) pairs, oldest first, where an input de-duplicates. */
  seen: readonly string[];
  touched: boolean;
  /** Whether the store holds it: a key that was only looked at costs nothing. */
  stored: boolean;
}

/** The plain content of a key, as it lies in the changelog. */
export interface KeyContent {
  readonly key: string;
  readonly state: unknown;
  readonly timers: readonly { readonly name: string; readonly timeMs: number }[];
  readonly seen: readonly string[];
}

const none: readonly never[] = [];

export class KeyStore {
  readonly #entries = new Map<string, KeyEntry>();
  /** As they were restored, by key; never of a key that is in `#entries`. */
  readonly #packed = new Map<string, Buffer>();
  readonly #clockOf: (timer: string) => Clock;
  readonly #unpack: (key: string, bytes: Buffer) => KeyContent;
  #touched: KeyEntry[] = [];
  readonly eventTimers = new TimerQueue();
  readonly wallTimers = new TimerQueue();

  /** @param unpack decodes what `loadPacked` was given */
  constructor(clockOf: (timer: string) => Clock, unpack: (key: string, bytes: Buffer) => KeyContent) {
    this.#clockOf = clockOf;
    this.#unpack = unpack;
  }

  get size(): number {
    return this.#entries.size + this.#packed.size;
  }

  /** The entry of a key; an empty one, not yet in the store, if there is none. */
  entry(key: string): KeyEntry {
    const entry = this.#entries.get(key);
    if (entry !== undefined) return entry;
    const packed = this.#packed.size === 0 ? undefined : this.#packed.get(key);
    return packed === undefined ? emptyEntry(key) : this.#load(key, this.#unpack(key, packed));
  }

  setState(entry: KeyEntry, state: unknown): void {
    this.#touch(entry);
    entry.state = state;
  }

  setSeen(entry: KeyEntry, seen: readonly string[]): void {
    this.#touch(entry);
    entry.seen = seen;
  }

  /** Sets a timer, replacing one of the same name. Setting it to the time it already has changes nothing. */
  setTimer(entry: KeyEntry, name: string, timeMs: number): void {
    const current = timerNamed(entry.timers, name);
    if (current?.timeMs === timeMs) return;
    this.#touch(entry);
    if (current !== undefined) this.#queue(name).kill(current);
    const timer: Timer = { timeMs, key: entry.key, name, live: true };
    entry.timers = [...entry.timers.filter((other) => other !== current), timer];
    this.#queue(name).push(timer);
  }

  clearTimer(entry: KeyEntry, name: string): void {
    const current = timerNamed(entry.timers, name);
    if (current === undefined) return;
    this.#touch(entry);
    this.#queue(name).kill(current);
    entry.timers = entry.timers.filter((other) => other !== current);
  }

  /** Takes the next due timer of a clock out of the store, in (time, key, name) order. */
  takeDue(clock: Clock, limitMs: number): Timer | undefined {
    const timer = (clock === 'event' ? this.eventTimers : this.wallTimers).takeDue(limitMs);
    if (timer === undefined) return undefined;
    const entry = this.entry(timer.key);
    this.#touch(entry);
    entry.timers = entry.timers.filter((other) => other !== timer);
    return timer;
  }

  /** Entries that the open transaction touched, in the order of first touch. */
  get touched(): readonly KeyEntry[] {
    return this.#touched;
  }

  /** What the store holds is committed. */
  commit(): void {
    for (const entry of this.#touched) {
      entry.touched = false;
      this.#dropIfEmpty(entry);
    }
    this.#touched = [];
  }

  /** Puts a key's committed content in, at restore; each key once. */
  load(key: string, content: KeyContent): void {
    this.#load(key, content);
  }

  /** As `load`, with what `unpack` decodes; for keys without timers. `bytes` must not be changed afterwards. */
  loadPacked(key: string, bytes: Buffer): void {
    this.#packed.set(key, bytes);
  }

  /** Has every key written at the next commit, as after a change of the state's schema. */
  touchAll(): void {
    for (const key of [...this.#packed.keys()]) this.entry(key);
    for (const entry of this.#entries.values()) this.#touch(entry);
  }

  /** Every key's content; for snapshots and tests. Order is that of insertion. */
  *contents(): Generator<KeyContent> {
    for (const entry of this.#entries.values()) {
      if (!isEmpty(entry)) yield entry;
    }
    for (const [key, bytes] of this.#packed) yield this.#unpack(key, bytes);
  }

  #load(key: string, content: KeyContent): KeyEntry {
    this.#packed.delete(key);
    const entry = emptyEntry(key);
    entry.state = content.state;
    entry.seen = content.seen;
    entry.timers = content.timers.map((timer) => ({ ...timer, key, live: true }));
    for (const timer of entry.timers) this.#queue(timer.name).push(timer);
    this.#keep(entry);
    return entry;
  }

  #queue(timer: string): TimerQueue {
    return this.#clockOf(timer) === 'event' ? this.eventTimers : this.wallTimers;
  }

  #touch(entry: KeyEntry): void {
    if (entry.touched) return;
    entry.touched = true;
    if (!entry.stored) this.#keep(entry);
    this.#touched.push(entry);
  }

  #keep(entry: KeyEntry): void {
    entry.stored = true;
    this.#entries.set(entry.key, entry);
  }

  #dropIfEmpty(entry: KeyEntry): void {
    if (!isEmpty(entry)) return;
    entry.stored = false;
    this.#entries.delete(entry.key);
  }
}

function emptyEntry(key: string): KeyEntry {
  return {
    key,
    state: undefined,
    timers: none,
    seen: none,
    touched: false,
    stored: false,
  };
}

function timerNamed(timers: readonly Timer[], name: string): Timer | undefined {
  for (let i = 0; i < timers.length; i += 1) {
    if (timers[i]!.name === name) return timers[i];
  }
  return undefined;
}

function isEmpty(entry: KeyContent): boolean {
  return entry.state === undefined && entry.timers.length === 0 && entry.seen.length === 0;
}
