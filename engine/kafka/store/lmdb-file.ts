/** An LMDB file, read page by page through the page cache and not through LMDB: what is damaged in it can do no harm. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Damage, damageUnless, metaOf, pageBytes, type Meta } from './lmdb-format.ts';

const readAheadBytes = 1024 * 1024;

/** Reads a whole file once, in order: pages in the order of a tree come from memory then, and not one by one from the disk. */
export async function readAhead(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(readAheadBytes);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
    }
  } finally {
    await file.close();
  }
}

export class LmdbFile {
  readonly #fd: number;
  /** Whole pages in the file. */
  readonly pages: number;

  /** @throws the system's errors (ENOENT, EACCES, EISDIR ...) */
  constructor(path: string) {
    this.#fd = openSync(path, 'r');
    this.pages = Math.floor(fstatSync(this.#fd).size / pageBytes);
  }

  /** Fills `into` from where page `number` begins. @throws Damage where the file is shorter */
  read(number: number, into: Buffer): void {
    damageUnless(
      number >= 0 && number < this.pages,
      `page ${number} is not in the file of ${this.pages} pages`,
    );
    const bytes = readSync(this.#fd, into, 0, into.length, number * pageBytes);
    if (bytes !== into.length) throw new Damage(`page ${number} is cut off`);
  }

  /** The newest snapshot, which is the one that LMDB takes. @throws Damage */
  snapshot(): Meta {
    const page = Buffer.allocUnsafe(pageBytes);
    const [zero, one] = [0, 1].map((number) => {
      this.read(number, page);
      return metaOf(page, number);
    }) as [Meta, Meta];
    const [older, newer] = zero.transaction > one.transaction ? [one, zero] : [zero, one];
    damageUnless(newer.transaction - older.transaction <= 1, 'a meta page is out of step');
    return newer;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
