/** What runs the brokers of a local Kafka: a container engine or a Java of this machine. */
import { LocalError } from '../local-error.ts';
import { resolveKafka } from './artifacts.ts';
import { dockerObstacle } from './docker.ts';
import { dockerRuntime, type RuntimeSteps } from './docker-runtime.ts';
import { findJava } from './java.ts';
import { javaRuntime } from './java-runtime.ts';
import type { KafkaRuntime, KafkaRuntimeName } from './kafka-runtime.ts';

/** `auto`: Docker where an engine answers that can run brokers, else Java. */
export type RuntimeChoice = KafkaRuntimeName | 'auto';

async function java(version: string, steps: RuntimeSteps): Promise<KafkaRuntime> {
  return javaRuntime(await findJava(), await resolveKafka(version, process.env, steps));
}

/** Java, where Docker is of no use: without Java either, both reasons are told. */
async function javaAfter(obstacle: string, version: string, steps: RuntimeSteps): Promise<KafkaRuntime> {
  try {
    return await java(version, steps);
  } catch (error) {
    if (!(error instanceof LocalError) || !['no-java', 'no-maven'].includes(error.code)) throw error;
    const message = `${error.message}; or run a Docker engine, which is of no use now: ${obstacle}`;
    throw new LocalError(error.code, message, { cause: error });
  }
}

/**
 * The runtime, with what it needs fetched. With `auto`, an image that cannot be fetched is no error where Java will do.
 *
 * @throws LocalError `no-java`, `no-maven`, `no-docker`, `download` or `checksum`
 */
export async function chooseRuntime(
  choice: RuntimeChoice,
  version: string,
  steps: RuntimeSteps,
): Promise<KafkaRuntime> {
  if (choice === 'java') return java(version, steps);
  if (choice === 'docker') return dockerRuntime(version, steps);
  const obstacle = await dockerObstacle();
  if (obstacle !== undefined) return javaAfter(obstacle, version, steps);
  try {
    return await dockerRuntime(version, steps);
  } catch (error) {
    if (!(error instanceof LocalError)) throw error;
    steps.onStep('Docker has not the image: using Java');
    return javaAfter(error.message, version, steps);
  }
}
