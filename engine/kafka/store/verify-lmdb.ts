/**
 * Proves that an LMDB file is whole before LMDB opens it, since LMDB believes what it maps: a damaged page would end the process
 * (SIGSEGV, SIGBUS, a failed assertion), or be read as somebody's state.
 *
 * Walks the newest snapshot from its meta page: both trees (entries, free pages), every node, every checksum.
 *
 * I1  Of a file that passes, LMDB reads no page and writes over none that was not looked at: each page is used once, or free,
 *     never both; none lies outside the file; offsets and sizes stay within their page; no page is newer than the snapshot
 *     (LMDB would write into its read-only map).
 * I2  Keys ascend within and between pages, and the counts are those of the meta page: no entry is missing or hidden.
 * I3  It takes turns of `sliceMs` on the main thread and memory for one page: a worker goes on beating meanwhile.
 *
 * What it cannot see: an older, whole version of a page in the place of a newer one. Only a crash of the machine does that, and
 * shutdown-mark.ts knows of those.
 *
 * Measured: 1,000,000 entries of 60 bytes, written at random (170 MB), in 0.26 s when they are in the page cache.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LmdbFile } from './lmdb-file.ts';
import {
  damageUnless,
  nodeFlags,
  nodeHeaderBytes,
  noPage,
  pageBytes,
  pageFlags,
  pageHeaderBytes,
  u16,
  u32,
  u64,
  type Meta,
  type Tree,
} from './lmdb-format.ts';
import { isIntact, recordKey } from './record-format.ts';

const sliceMs = 4;
/** LMDB's cursors hold no deeper tree (CURSOR_STACK). */
const maxDepth = 32;

export interface Verified {
  /** The number of the newest transaction in the file. */
  readonly transaction: number;
  readonly entries: number;
  /** The value under `recordKey`, as it lies in the file. */
  readonly record: Buffer | undefined;
}

/** A page still to be looked at, and between which keys its own must be (from `low`, before `high`). */
interface Step {
  readonly page: number;
  readonly depth: number;
  readonly low: Buffer | undefined;
  readonly high: Buffer | undefined;
}

/** @throws Damage; the system's errors */
export async function verifyLmdb(path: string): Promise<Verified> {
  const file = new LmdbFile(path);
  try {
    const verification = new Verification(file, file.snapshot());
    await verification.run();
    return verification.result();
  } finally {
    file.close();
  }
}

class Verification {
  readonly #file: LmdbFile;
  readonly #meta: Meta;
  /** One byte for each page: 0 unseen, 1 used, 2 free. */
  readonly #seen: Uint8Array;
  readonly #page = Buffer.allocUnsafeSlow(pageBytes);
  #record: Buffer | undefined;
  #counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };

  constructor(file: LmdbFile, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
    // The last pages may be free and never have been written; a damaged number would ask for all memory.
    damageUnless(
      meta.lastPage >= 1 && meta.lastPage <= 4 * file.pages + 65_536 && file.pages >= 2,
      `the last page is ${meta.lastPage} in a file of ${file.pages}`,
    );
    this.#seen = new Uint8Array(meta.lastPage + 1);
    this.#seen.fill(1, 0, 2);
  }

  async run(): Promise<void> {
    const { main, free } = this.#meta;
    await this.#walk(main, (keyStart, keyLength, dataAt) => {
      this.#takeEntry(keyStart, keyLength, dataAt);
    });
    await this.#walk(free, (keyStart, keyLength, dataAt) => {
      this.#takeFreePages(keyStart, keyLength, dataAt);
    });
  }

  result(): Verified {
    return { transaction: this.#meta.transaction, entries: this.#meta.main.entries, record: this.#record };
  }

  async #walk(tree: Tree, onEntry: (node: number, keyLength: number, flags: number) => void): Promise<void> {
    this.#counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
    const numeric = tree === this.#meta.free;
    damageUnless(
      (tree.root === noPage) === (tree.depth === 0),
      'a tree has a root and no depth, or the reverse',
    );
    damageUnless(tree.depth <= maxDepth, `a tree of depth ${tree.depth}`);
    const steps: Step[] =
      tree.root === noPage ? [] : [{ page: tree.root, depth: 1, low: undefined, high: undefined }];
    let sliceEnd = performance.now() + sliceMs;
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      const isLeaf = step.depth === tree.depth;
      const nodes = this.#readTreePage(step.page, isLeaf ? pageFlags.leaf : pageFlags.branch);
      this.#checkKeys(step, nodes, isLeaf, numeric);
      if (isLeaf) this.#takeLeaf(nodes, onEntry);
      else this.#pushChildren(step, nodes, steps);
      if (performance.now() > sliceEnd) {
        await nextTurn();
        sliceEnd = performance.now() + sliceMs;
      }
    }
    const { branchPages, leafPages, overflowPages, entries } = this.#counts;
    damageUnless(
      branchPages === tree.branchPages &&
        leafPages === tree.leafPages &&
        overflowPages === tree.overflowPages &&
        entries === tree.entries,
      `a tree has ${entries} entries on ${leafPages} leaves and should have ${tree.entries} on ${tree.leafPages}`,
    );
  }

  #mark(first: number, count: number, as: 1 | 2): void {
    damageUnless(
      first >= 2 && count >= 1 && first + count - 1 <= this.#meta.lastPage,
      `pages ${first} to ${first + count - 1} are outside of the snapshot`,
    );
    for (let page = first; page < first + count; page += 1) {
      damageUnless(this.#seen[page] === 0, `page ${page} is used twice, or is free and used`);
      this.#seen[page] = as;
    }
  }

  /** Reads a page of a tree. @returns how many nodes it has, each of which lies within it */
  #readTreePage(number: number, flags: number): number {
    const page = this.#page;
    this.#mark(number, 1, 1);
    this.#file.read(number, page);
    this.#checkHeader(page, number, flags);
    const lower = u16(page, 20);
    const upper = u16(page, 22);
    const room = pageBytes - pageHeaderBytes;
    damageUnless(lower % 2 === 0 && lower <= upper && upper <= room, `page ${number} has odd bounds`);
    const nodes = lower >> 1;
    const isLeaf = flags === pageFlags.leaf;
    damageUnless(nodes >= (isLeaf ? 1 : 2), `page ${number} has ${nodes} nodes`);
    let bytes = 0;
    for (let i = 0; i < nodes; i += 1) {
      const offset = u16(page, pageHeaderBytes + 2 * i);
      damageUnless(
        offset >= upper && offset % 2 === 0 && offset + nodeHeaderBytes <= room,
        `page ${number} has node ${i} at ${offset}`,
      );
      const size = (nodeBytes(page, pageHeaderBytes + offset, isLeaf) + 1) & ~1;
      damageUnless(offset + size <= room, `page ${number} has a node ${i} of ${size} bytes`);
      bytes += size;
    }
    damageUnless(bytes === room - upper, `page ${number} has nodes one over the other`);
    this.#counts[isLeaf ? 'leafPages' : 'branchPages'] += 1;
    return nodes;
  }

  #checkHeader(page: Buffer, number: number, flags: number): void {
    damageUnless(u64(page, 0) === number, `page ${number} says that it is another`);
    damageUnless(u16(page, 18) === flags, `page ${number} has flags ${u16(page, 18)}`);
    damageUnless(u64(page, 8) <= this.#meta.transaction, `page ${number} is newer than its snapshot`);
  }

  #nodeAt(i: number): number {
    return pageHeaderBytes + u16(this.#page, pageHeaderBytes + 2 * i);
  }

  #keyAt(i: number): Buffer {
    const node = this.#nodeAt(i);
    return this.#page.subarray(node + nodeHeaderBytes, node + nodeHeaderBytes + u16(this.#page, node + 6));
  }

  #checkKeys({ page, low, high }: Step, nodes: number, isLeaf: boolean, numeric: boolean): void {
    // The first key of a branch page stands for "everything before the second", and is not looked at by LMDB.
    const first = isLeaf ? 0 : 1;
    for (let i = first; i < nodes; i += 1) {
      const node = this.#nodeAt(i);
      const length = u16(this.#page, node + 6);
      damageUnless(numeric ? length === 8 : length > 0, `page ${page} has a key of ${length} bytes`);
      if (i > first)
        damageUnless(
          compareNodes(this.#page, this.#nodeAt(i - 1), node, numeric) < 0,
          `page ${page} is not in order`,
        );
    }
    if (low !== undefined)
      damageUnless(compareKeys(this.#keyAt(first), low, numeric) >= 0, `page ${page} begins too early`);
    if (high !== undefined)
      damageUnless(compareKeys(this.#keyAt(nodes - 1), high, numeric) < 0, `page ${page} ends too late`);
  }

  #pushChildren({ depth, low, high }: Step, nodes: number, steps: Step[]): void {
    const separators = Array.from({ length: nodes }, (_, i) => (i === 0 ? low : Buffer.from(this.#keyAt(i))));
    for (let i = nodes - 1; i >= 0; i -= 1) {
      const node = this.#nodeAt(i);
      const child = u32(this.#page, node) + u16(this.#page, node + 4) * 0x100000000;
      steps.push({ page: child, depth: depth + 1, low: separators[i], high: separators[i + 1] ?? high });
    }
  }

  #takeLeaf(nodes: number, onEntry: (node: number, keyLength: number, flags: number) => void): void {
    for (let i = 0; i < nodes; i += 1) {
      const node = this.#nodeAt(i);
      onEntry(node, u16(this.#page, node + 6), u16(this.#page, node + 4));
      this.#counts.entries += 1;
    }
  }

  #takeEntry(node: number, keyLength: number, flags: number): void {
    const page = this.#page;
    const start = node + nodeHeaderBytes;
    const size = u32(page, node);
    const bytes =
      flags === nodeFlags.inline
        ? page.subarray(start, start + keyLength + size)
        : Buffer.concat([
            page.subarray(start, start + keyLength),
            this.#overflow(start + keyLength, size, flags),
          ]);
    damageUnless(isIntact(bytes, keyLength), 'an entry does not have its checksum');
    if (keyLength === 1 && bytes[0] === recordKey[0]) this.#record = Buffer.from(bytes.subarray(1));
  }

  #takeFreePages(node: number, keyLength: number, flags: number): void {
    const size = u32(this.#page, node);
    const at = node + nodeHeaderBytes + keyLength;
    const list =
      flags === nodeFlags.inline ? this.#page.subarray(at, at + size) : this.#overflow(at, size, flags);
    const transaction = u64(this.#page, node + nodeHeaderBytes);
    damageUnless(
      transaction >= 1 && transaction <= this.#meta.transaction,
      'pages were freed by no transaction',
    );
    damageUnless(size >= 8 && size % 8 === 0, 'a list of free pages has no length');
    const length = u64(list, 0);
    damageUnless(length >= 0 && 8 * (length + 1) <= size, 'a list of free pages is cut off');
    for (let i = 1; i <= length; i += 1) {
      const high = u32(list, 8 * i + 4);
      let count = 1;
      if (high >= 0x80000000) {
        // lmdb-js: minus the length of a run, whose first page follows.
        damageUnless(high === 0xffffffff && i < length, 'a list of free pages has an odd run');
        count = 0x100000000 - u32(list, 8 * i);
        i += 1;
      }
      const first = u64(list, 8 * i);
      if (first !== 0) this.#mark(first, count, 2);
    }
  }

  /** What lies on overflow pages, by the MDB_ovpage at `at` of the page in hand. */
  #overflow(at: number, size: number, flags: number): Buffer {
    damageUnless(flags === nodeFlags.overflow, `a node has flags ${flags}`);
    const first = u64(this.#page, at);
    const pages = u64(this.#page, at + 16);
    // More than it takes where a shorter value was written over a longer one.
    damageUnless(pages * pageBytes >= pageHeaderBytes + size, 'an entry has too few pages');
    damageUnless(
      u64(this.#page, at + 8) <= this.#meta.transaction,
      `page ${first} is newer than its snapshot`,
    );
    this.#mark(first, pages, 1);
    damageUnless(first + pages <= this.#file.pages, `page ${first} is not in the file`);
    const bytes = Buffer.allocUnsafe(pageHeaderBytes + size);
    this.#file.read(first, bytes);
    this.#checkHeader(bytes, first, pageFlags.overflow);
    damageUnless(u32(bytes, 20) === pages, `page ${first} says that it is ${u32(bytes, 20)}`);
    this.#counts.overflowPages += pages;
    return bytes.subarray(pageHeaderBytes);
  }
}

/** Bytes of a node on its page. */
function nodeBytes(page: Buffer, node: number, isLeaf: boolean): number {
  const keyEnd = nodeHeaderBytes + u16(page, node + 6);
  if (!isLeaf) return keyEnd;
  return keyEnd + (u16(page, node + 4) === nodeFlags.inline ? u32(page, node) : 24);
}

function compareNodes(page: Buffer, one: number, other: number, numeric: boolean): number {
  const [a, b] = [one + nodeHeaderBytes, other + nodeHeaderBytes];
  if (numeric) return u64(page, a) - u64(page, b);
  const [aLength, bLength] = [u16(page, one + 6), u16(page, other + 6)];
  const common = Math.min(aLength, bLength);
  for (let i = 0; i < common; i += 1) {
    const difference = page[a + i]! - page[b + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

function compareKeys(a: Buffer, b: Buffer, numeric: boolean): number {
  return numeric ? u64(a, 0) - u64(b, 0) : Buffer.compare(a, b);
}
