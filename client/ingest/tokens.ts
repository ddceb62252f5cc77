/**
 * Who may write: bearer tokens (RFC 6750), each with a name and perhaps with the topics that it is for.
 *
 * I1  Comparing takes the same time whatever is presented: digests of equal length are compared, all of them each time.
 * I2  A token is never printed; messages name its line or its name.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Secret } from '#engine/kafka/connection-secret.ts';
import { ClientError } from '../client-error.ts';

export interface IngestToken {
  /** Appears in `ce_source` and in messages. */
  readonly name: string;
  readonly secret: Secret;
  /** Beginnings of the topics that it may write; all topics when left out. */
  readonly topicPrefixes?: readonly string[];
}

const shortestToken = 16;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** The characters of RFC 6750's b64token. */
const tokenPattern = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Tokens from text: on each line a name, a token and the beginnings of topics that it may write, if not all. Empty lines and
 * lines that begin with `#` are left out. `place` names the text in errors.
 *
 * @throws ClientError 'invalid-config'
 */
export function parseTokens(text: string, place: string): readonly IngestToken[] {
  const tokens: IngestToken[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [name, token, ...topicPrefixes] = line
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '');
    if (name === undefined || name.startsWith('#')) continue;
    const problem = problemOf(name, token, tokens);
    if (problem !== undefined)
      throw new ClientError('invalid-config', `${place}, line ${index + 1}: ${problem}`);
    const secret = new Secret(token!);
    tokens.push({ name, secret, ...(topicPrefixes.length === 0 ? {} : { topicPrefixes }) });
  }
  if (tokens.length === 0)
    throw new ClientError('invalid-config', `${place} has no token: write lines of <name> <token>`);
  return tokens;
}

function problemOf(
  name: string,
  token: string | undefined,
  before: readonly IngestToken[],
): string | undefined {
  if (!namePattern.test(name)) return 'a name has letters, digits, dots, dashes and underscores';
  if (token === undefined) return `'${name}' has no token: write <name> <token> [<topic prefix> ...]`;
  if (token.length < shortestToken || !tokenPattern.test(token))
    return (
      `the token of '${name}' must have ${shortestToken} or more of A-Z a-z 0-9 . _ ~ + / - ; ` +
      `make one with: openssl rand -hex 32`
    );
  if (before.some((other) => other.name === name)) return `'${name}' is there twice`;
  if (before.some((other) => other.secret.reveal() === token)) return `'${name}' has the token of another`;
  return undefined;
}

/**
 * Tokens from the environment: `WEIR_INGEST_TOKENS` has their text, or `WEIR_INGEST_TOKENS_FILE` names its file; undefined
 * when neither is set.
 *
 * @throws ClientError 'invalid-config'
 */
export async function tokensFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly IngestToken[] | undefined> {
  const { WEIR_INGEST_TOKENS: text, WEIR_INGEST_TOKENS_FILE: file } = environment;
  if (text !== undefined && file !== undefined)
    throw new ClientError(
      'invalid-config',
      'WEIR_INGEST_TOKENS and WEIR_INGEST_TOKENS_FILE are both set: unset one',
    );
  if (text !== undefined) return parseTokens(text, 'WEIR_INGEST_TOKENS');
  return file === undefined ? undefined : readTokens(file);
}

/** Tokens from a file. @throws ClientError 'invalid-config' */
export async function readTokens(file: string): Promise<readonly IngestToken[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ClientError('invalid-config', `the file of tokens cannot be read: ${why}`, { cause });
  }
  return parseTokens(text, file);
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Finds the token that an `Authorization` header presents; undefined when it is none of them. */
export function authenticator(
  tokens: readonly IngestToken[],
): (header: string | undefined) => IngestToken | undefined {
  const known = tokens.map((token) => ({ token, digest: digestOf(token.secret.reveal()) }));
  return (header) => {
    const presented = digestOf(/^Bearer +([^ ]+) *$/i.exec(header ?? '')?.[1] ?? '');
    let found: IngestToken | undefined;
    for (const { token, digest } of known) if (timingSafeEqual(digest, presented)) found = token;
    return found;
  };
}

/** Whether a token may write a topic. */
export const mayWrite = ({ topicPrefixes }: IngestToken, topic: string): boolean =>
  topicPrefixes === undefined || topicPrefixes.some((prefix) => topic.startsWith(prefix));
