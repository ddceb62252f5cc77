/** Which cluster this is: what is kept of one says nothing about another. */
import { Kafka } from 'kafkajs';
import { kafkaFailure } from './connection-failure.ts';
import { kafkajsConfig, type KafkaConnection } from './connection.ts';

/** @throws EngineError `kafka-unreachable` or `kafka-refused` */
export async function clusterIdOf(connection: KafkaConnection): Promise<string> {
  const admin = new Kafka(kafkajsConfig(connection)).admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).clusterId;
  } catch (error) {
    throw kafkaFailure('the cluster cannot be described', error);
  } finally {
    await admin.disconnect();
  }
}
