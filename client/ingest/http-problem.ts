/** What keeps a whole request from being taken, as it is answered. */

export type ProblemCode =
  | 'not-found'
  | 'method-not-allowed'
  | 'unauthorized'
  | 'forbidden'
  | 'unknown-topic'
  | 'unsupported-media-type'
  | 'invalid-body'
  | 'invalid-header'
  | 'too-large'
  | 'too-many-records'
  | 'too-many-requests'
  | 'unavailable'
  | 'internal';

export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ProblemCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}
