/**
 * Events over HTTP into a run (client/ingest), beside its agents.
 *
 * I1  Tokens come from a file or the environment (WEIR_INGEST_TOKENS_FILE, WEIR_INGEST_TOKENS); without them it listens on this
 *     machine only.
 * I2  Weir's own topics (`weir.*`) cannot be written: announcements and dead letters are the engine's.
 */
import { createClient } from '#client/client.ts';
import { startIngest } from '#client/ingest/start-ingest.ts';
import { tokensFromEnvironment } from '#client/ingest/tokens.ts';
import { weirApp } from '../app.ts';
import type { LogEntry } from '../operations/logger.ts';
import type { Notes } from './notes.ts';
import type { Targets } from './targets.ts';

export interface IngestSettings {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface RunIngest {
  readonly url: string;
  /** Takes no more, and delivers what it has taken. @param hurry cuts the wait short */
  stop(hurry: AbortSignal): Promise<void>;
}

const stopMs = 10_000;
const stopInHurryMs = 400;

/** @throws ClientError `invalid-config`, `insecure-listen`, `listen` */
export async function startRunIngest(
  { host, port }: IngestSettings,
  { targets, notes }: { readonly targets: Targets; readonly notes: Pick<Notes, 'tell' | 'trouble'> },
): Promise<RunIngest> {
  const tokens = await tokensFromEnvironment(targets.environment);
  const client = createClient({
    ...targets.connection,
    source: '/weir/ingest',
    onTrouble: (error) => {
      notes.trouble(entryOf(error));
    },
  });
  try {
    const ingest = await startIngest({
      client,
      streams: weirApp.streams.filter(({ topic }) => !topic.startsWith('weir.')),
      host,
      port,
      ...(tokens === undefined ? {} : { tokens }),
      onFailure: (error) => {
        notes.tell(entryOf(error));
      },
    });
    return {
      url: ingest.url,
      stop: async (hurry) => {
        const timeoutMs = hurry.aborted ? stopInHurryMs : stopMs;
        await ingest.stop(timeoutMs);
        await client.close(timeoutMs);
      },
    };
  } catch (error) {
    await client.close(1_000);
    throw error;
  }
}

function entryOf(error: unknown): LogEntry {
  const message = `events over HTTP: ${error instanceof Error ? error.message : String(error)}`;
  return { level: 'warn', component: 'ingest', code: 'ingest', message };
}
