/**
 * What an audit of a partition counts: each offset that has a record, rows or letters is told to it once.
 *
 * I1  Compaction takes a record away once its key has a later one, its row stays: on a compacted topic a row without a record
 *     is no fault. Whether compaction or something else is why, nobody can tell any more: it is counted apart.
 */
import type { Stream } from '#engine/topology/stream.ts';

export interface AuditCounts {
  /** Committed records of the topic. */
  readonly expected: number;
  /** Of them, those with a row. */
  readonly present: number;
  /** Of those without a row, those with a dead letter of the sink's. */
  readonly deadLetters: number;
  /** Neither. */
  readonly missing: number;
  readonly firstMissing: number | null;
  /** Rows beyond the first of the same offset. */
  readonly duplicates: number;
  readonly firstDuplicate: number | null;
  /** Records that have a row and a dead letter of the sink's. */
  readonly rowsAndLetters: number;
  readonly firstRowAndLetter: number | null;
  /** Dead letters beyond the first of the same record by the same reader. */
  readonly lettersTwice: number;
  readonly firstLetterTwice: number | null;
  /**
   * Rows of offsets that are no committed record (but on a compacted topic), or that lie past the position and no promise
   * covers.
   */
  readonly unexpected: number;
  readonly firstUnexpected: number | null;
  /** Of a compacted topic: offsets with a row that are no record any more. */
  readonly compacted: number;
}

export class Tally {
  readonly #isCompacted: boolean;
  #expected = 0;
  #present = 0;
  #deadLetters = 0;
  #compacted = 0;
  readonly #missing = new First();
  readonly #doubled = new First();
  readonly #both = new First();
  readonly #lettersTwice = new First();
  readonly #unexpected = new First();

  constructor({ kind }: Pick<Stream<unknown>, 'kind'>) {
    this.#isCompacted = kind === 'table';
  }

  /** Letters of one reader of one record. */
  letters(offset: number, count: number): void {
    if (count > 1) this.#lettersTwice.add(offset, count - 1);
  }

  /** An offset that has a committed record. */
  expect(offset: number, rows: number, hasLetter: boolean): void {
    this.#expected += 1;
    if (rows > 0) this.#present += 1;
    else if (hasLetter) this.#deadLetters += 1;
    else this.#missing.add(offset, 1);
    if (rows > 0 && hasLetter) this.#both.add(offset, 1);
    if (rows > 1) this.#doubled.add(offset, rows - 1);
  }

  /** An offset that has rows and no committed record, where all that are kept were read. */
  withoutRecord(offset: number, rows: number): void {
    if (!this.#isCompacted) {
      this.#unexpected.add(offset, rows);
      return;
    }
    this.#compacted += 1;
    if (rows > 1) this.#doubled.add(offset, rows - 1);
  }

  /** Rows past the position that no promise covers. */
  beyond(firstOffset: number, rows: number): void {
    this.#unexpected.add(firstOffset, rows);
  }

  result(): AuditCounts {
    return {
      expected: this.#expected,
      present: this.#present,
      deadLetters: this.#deadLetters,
      missing: this.#missing.count,
      firstMissing: this.#missing.first,
      duplicates: this.#doubled.count,
      firstDuplicate: this.#doubled.first,
      rowsAndLetters: this.#both.count,
      firstRowAndLetter: this.#both.first,
      lettersTwice: this.#lettersTwice.count,
      firstLetterTwice: this.#lettersTwice.first,
      unexpected: this.#unexpected.count,
      firstUnexpected: this.#unexpected.first,
      compacted: this.#compacted,
    };
  }
}

/** How many, and the smallest. */
class First {
  count = 0;
  first: number | null = null;

  add(offset: number, count: number): void {
    this.count += count;
    this.first = Math.min(offset, this.first ?? Infinity);
  }
}
