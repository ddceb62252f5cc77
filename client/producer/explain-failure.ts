/** What kafkajs threw, in the client's terms. */
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { ClientError } from '../client-error.ts';

/** What failed, as an error of ours. What is refused (credentials, certificates) will be refused again. */
export function explainFailure(what: string, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause;
  const { code, message } = kafkaFailure(what, cause);
  return new ClientError(code === 'kafka-refused' ? 'refused' : 'kafka-unreachable', message, { cause });
}
