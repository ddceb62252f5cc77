/** What a check of this machine finds. */

/** `missing`: Weir does not run without it. `optional-missing`: something named in `neededFor` does not. */
export type CheckState = 'ok' | 'optional-missing' | 'missing';

export interface Check {
  readonly name: string;
  readonly neededFor: string;
  readonly state: CheckState;
  /** What is there, or why it is of no use. */
  readonly found: string;
  /** What to do about it; undefined where all is well. */
  readonly remedy?: string;
}
