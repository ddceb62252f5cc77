/**
 * A ClickHouse exception as HTTP clients see it: a number, a name and a text.
 *
 * I1. The text always has the form `Code: N. DB::Exception: ... (NAME)`, which clients parse.
 * I2. The status of a code is the one that ClickHouse itself gives
 *     (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp), or the status chosen here where the real server
 *     answers from its HTTP layer.
 */

/** Codes that this server raises itself; all others come from the engine. Source: src/Common/ErrorCodes.cpp. */
export const exceptionNames = {
  36: 'BAD_ARGUMENTS',
  48: 'NOT_IMPLEMENTED',
  62: 'SYNTAX_ERROR',
  115: 'UNKNOWN_SETTING',
  159: 'TIMEOUT_EXCEEDED',
  164: 'READONLY',
  202: 'TOO_MANY_SIMULTANEOUS_QUERIES',
  210: 'NETWORK_ERROR',
  216: 'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING',
  236: 'ABORTED',
  243: 'NOT_ENOUGH_SPACE',
  290: 'LIMIT_EXCEEDED',
  354: 'ZLIB_INFLATE_FAILED',
  372: 'SESSION_NOT_FOUND',
  373: 'SESSION_IS_LOCKED',
  497: 'ACCESS_DENIED',
  516: 'AUTHENTICATION_FAILED',
  1000: 'POCO_EXCEPTION',
  1001: 'STD_EXCEPTION',
} as const;

/** A code that this server raises itself. */
export type OwnExceptionCode = keyof typeof exceptionNames;

const statusByCode: ReadonlyMap<number, number> = new Map([
  ...[36, 427, 6, 25, 26, 38, 41, 72, 675, 676, 27, 376, 15, 44, 8, 168, 167, 61, 62, 117, 53, 321].map(
    (code): [number, number] => [code, 400],
  ),
  ...[10, 46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 204, 511].map((code): [number, number] => [code, 404]),
  ...[192, 193, 497, 512, 516].map((code): [number, number] => [code, 403]),
  [194, 401],
  [223, 413],
  [48, 501],
  [76, 503],
  [209, 503],
  [439, 503],
  [159, 408],
  [381, 411],
]);

/** HTTP status that ClickHouse gives to an exception code; 500 for those without one of their own. */
export function httpStatusOf(code: number): number {
  return statusByCode.get(code) ?? 500;
}

/** An exception on its way to the client. */
export class ServerException extends Error {
  readonly code: number;
  readonly httpStatus: number;

  constructor(code: number, message: string, httpStatus: number = httpStatusOf(code)) {
    super(message);
    this.name = 'ServerException';
    this.code = code;
    this.httpStatus = httpStatus;
  }
}

/** An exception raised by this server and not by the engine. `httpStatus` only where the HTTP layer answers. */
export function exception(code: OwnExceptionCode, text: string, httpStatus?: number): ServerException {
  const message = `Code: ${String(code)}. DB::Exception: ${text} (${exceptionNames[code]})`;
  return new ServerException(code, message, httpStatus);
}

const engineError = /Code: (\d+)\. DB::Exception: /;
const noSpace = /No space left on device|errno: 28\b|ENOSPC|EDQUOT|Code: 243\./;

/**
 * Turn whatever the engine or the file system threw into a ServerException.
 * The engine repeats the code when an exception passed through two of its layers; the repetition is dropped.
 */
export function exceptionOf(error: unknown): ServerException {
  if (error instanceof ServerException) return error;
  let text = error instanceof Error ? error.message : String(error);
  if (noSpace.test(text)) {
    return exception(
      243,
      `Not enough space on the disk of the data directory: nothing of this request was stored; ` +
        `free some space and send it again. ${text.slice(0, 500)}`,
    );
  }
  const first = engineError.exec(text);
  if (first === null) return exception(1001, `std::exception. ${text}`);
  text = text.slice(first.index);
  const inner =
    /^Code: (\d+)\. DB::Exception: (Code: \1\. DB::Exception: [^]*?\([A-Z_]+\))(?: \(version [^)]*\))/.exec(
      text,
    );
  if (inner?.[2] !== undefined) text = inner[2];
  text = text.replace(/: In scope SELECT formatQuerySingleLine\([^]*\)\. \(/, '. (');
  return new ServerException(Number(first[1]), text);
}
