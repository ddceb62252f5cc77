/**
 * A task's timers of one clock, in the order (time, key, name).
 *
 * I1  A (key, name) has at most one live timer; the owner marks a replaced or cleared one dead, the queue skips it later.
 * I2  The order of firing follows from the live timers alone, not from the order in which they were set.
 */

export interface Timer {
  readonly timeMs: number;
  readonly key: string;
  readonly name: string;
  /** False once cleared, replaced or fired. */
  live: boolean;
}

/** True when `a` fires before `b`. Keys and names compare by UTF-16 code units. */
export function firesBefore(a: Timer, b: Timer): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  if (a.key !== b.key) return a.key < b.key;
  return a.name < b.name;
}

/** A binary min-heap with lazy deletion. Its size is bounded: dead timers are swept out when they outnumber live ones. */
export class TimerQueue {
  #heap: Timer[] = [];
  #dead = 0;

  push(timer: Timer): void {
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
  }

  /** Marks a timer dead; it will not fire. */
  kill(timer: Timer): void {
    if (!timer.live) return;
    timer.live = false;
    this.#dead += 1;
    if (this.#dead > 64 && this.#dead * 2 > this.#heap.length) this.#sweep();
  }

  /** Removes and returns the first live timer at or before `limitMs`, now dead; undefined when there is none. */
  takeDue(limitMs: number): Timer | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.timeMs <= limitMs; first = this.#heap[0]) {
      this.#removeFirst();
      if (first.live) {
        first.live = false;
        return first;
      }
      this.#dead -= 1;
    }
    return undefined;
  }

  /** A lower bound of the next timer's time: cheap, and exact but for dead timers. Infinity when empty. */
  get nextTimeMs(): number {
    return this.#heap[0]?.timeMs ?? Infinity;
  }

  get liveCount(): number {
    return this.#heap.length - this.#dead;
  }

  /** Timers that take memory, dead ones included. */
  get heldCount(): number {
    return this.#heap.length;
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((timer) => timer.live);
    this.#dead = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i -= 1) this.#down(i);
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
  }

  #up(index: number): void {
    const heap = this.#heap;
    const timer = heap[index]!;
    let i = index;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!firesBefore(timer, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = timer;
  }

  #down(index: number): void {
    const heap = this.#heap;
    const timer = heap[index]!;
    let i = index;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && firesBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!firesBefore(heap[child]!, timer)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = timer;
  }
}
