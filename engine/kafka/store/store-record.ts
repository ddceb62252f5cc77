/** What a store says of itself, written with each transaction: whose it is, up to where it reaches, since when, in which boot. */

/** A store with another one is not this task's. Plain text, compared as it is. */
export interface StoreIdentity {
  readonly clusterId: string;
  readonly changelogTopic: string;
  /** Of that topic since it was made: one that was made anew has another. */
  readonly topicId: string;
  readonly partition: string;
  /** Of the entries: another one says that they can no longer be read. */
  readonly format: string;
}

export interface StoreRecord {
  readonly identity: StoreIdentity;
  readonly offset: number;
  /** When the content was last known to be complete, by this machine's clock. */
  readonly completeAtMs: number;
  readonly boot: string;
}

/** Of the file: raise it with any change of record-format.ts or of the fields here. */
const layout = 2;
const identityFields = ['clusterId', 'changelogTopic', 'topicId', 'partition', 'format'] as const;

export function formatRecord(record: StoreRecord): string {
  return JSON.stringify({ layout, ...record });
}

/** Undefined when it is of another layout. */
export function parseRecord(text: string): StoreRecord | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isObject(parsed) || parsed['layout'] !== layout || !isObject(parsed['identity'])) return undefined;
  const { identity, offset, completeAtMs, boot } = parsed;
  if (identityFields.some((field) => typeof identity[field] !== 'string')) return undefined;
  if (!Number.isSafeInteger(offset) || typeof completeAtMs !== 'number' || typeof boot !== 'string')
    return undefined;
  return parsed as unknown as StoreRecord;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The first field in which two identities differ. */
export function difference(one: StoreIdentity, other: StoreIdentity): keyof StoreIdentity | undefined {
  return identityFields.find((field) => one[field] !== other[field]);
}
