/** A topic as an app needs it: how it is created, and what must be so where it exists already. */

/** What the setting of an existing topic must be. */
export type Requirement =
  | { readonly setting: string; readonly equals: string; readonly because: string }
  /** A number; -1 of the retention settings, which is no limit, is enough for any. */
  | { readonly setting: string; readonly atLeast: number; readonly because: string };

export interface PlannedTopic {
  readonly topic: string;
  /** For messages: `stream`, `table`, `changelog of <processor>`, `journal of <processor>`. */
  readonly what: string;
  readonly partitions: number;
  /** Replicas of each partition; three, or as many as there are brokers, when it is left out. */
  readonly replication?: number;
  /** Topic settings that it is created with. */
  readonly settings: Readonly<Record<string, string>>;
  readonly requirements: readonly Requirement[];
}
