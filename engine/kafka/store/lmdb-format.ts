/**
 * The file format of LMDB as lmdb 3.5.6 writes it on 64-bit little-endian machines: data version 2, which has no description but
 * its source (mdb.c: MDB_page_header, MDB_node, MDB_ovpage, MDB_db, MDB_meta). Read here with bounds checks, because LMDB itself
 * follows damaged page numbers and offsets out of its map and takes the process with it.
 */

export const pageBytes = 4096;
export const pageHeaderBytes = 24;
export const nodeHeaderBytes = 8;
export const magic = 0xbeefc0de;
export const dataVersion = 2;
/** md_root of an empty tree. */
export const noPage = -1;

export const pageFlags = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
export const nodeFlags = { inline: 0, overflow: 1 } as const;

/** Damage found in a file; the message says where. */
export class Damage extends Error {
  override readonly name = 'Damage';
}

export function damageUnless(sound: boolean, what: string): asserts sound {
  if (!sound) throw new Damage(what);
}

export function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

/** -1 for all bits set; NaN beyond 2^53, which compares with nothing and so is in no range. */
export function u64(bytes: Uint8Array, at: number): number {
  const low = u32(bytes, at);
  const high = u32(bytes, at + 4);
  if (high === 0xffffffff && low === 0xffffffff) return noPage;
  return high < 0x200000 ? high * 0x100000000 + low : NaN;
}

/** One B-tree (MDB_db). */
export interface Tree {
  readonly pad: number;
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  readonly root: number;
}

function treeAt(page: Uint8Array, at: number): Tree {
  return {
    pad: u32(page, at),
    flags: u16(page, at + 4),
    depth: u16(page, at + 6),
    branchPages: u64(page, at + 8),
    leafPages: u64(page, at + 16),
    overflowPages: u64(page, at + 24),
    entries: u64(page, at + 32),
    root: u64(page, at + 40),
  };
}

/** One of the two meta pages (MDB_meta): a snapshot. */
export interface Meta {
  readonly mapBytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: number;
}

/** MDB_INTEGERKEY, and MDB_CREATE as lmdb-js leaves it. */
const freeTreeFlags = 0x4008;
const maxMapBytes = 2 ** 46;

/** @throws Damage */
export function metaOf(page: Uint8Array, number: number): Meta {
  const place = `meta page ${number}`;
  damageUnless(
    u64(page, 0) === number && u16(page, 18) === pageFlags.meta,
    `${place} has another page's header`,
  );
  damageUnless(u32(page, 24) === magic, `${place} is not LMDB's`);
  damageUnless(u32(page, 28) === dataVersion, `${place} has data version ${u32(page, 28)}`);
  damageUnless(u64(page, 32) === 0, `${place} wants a fixed address`);
  const meta = {
    mapBytes: u64(page, 40),
    free: treeAt(page, 48),
    main: treeAt(page, 96),
    lastPage: u64(page, 144),
    transaction: u64(page, 152),
  };
  damageUnless(
    meta.mapBytes >= 2 * pageBytes && meta.mapBytes <= maxMapBytes,
    `${place} has an odd map size`,
  );
  damageUnless(meta.free.pad === pageBytes, `${place} has pages of ${meta.free.pad} bytes`);
  damageUnless(
    (meta.free.flags & ~freeTreeFlags) === 0 && (meta.free.flags & 8) !== 0,
    `${place} has odd flags`,
  );
  damageUnless(meta.main.flags === 0 && meta.main.pad === 0, `${place} has odd flags of its tree`);
  // Transaction n writes page n % 2; in a new file both say 0.
  damageUnless(
    meta.transaction === 0 || (meta.transaction > 0 && meta.transaction % 2 === number),
    `${place} has another's transaction`,
  );
  return meta;
}
