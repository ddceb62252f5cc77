/** What every run of Kafka Streams is told, whatever its topology. */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { singleObjectHeader } from '#engine/codec/framing.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { Stream } from '#engine/topology/stream.ts';

/** JVM settings, chosen from a few noisy runs on two busy cores by CPU time and memory. See docs/benchmarks.md. */
export const bestJvm: readonly string[] = ['-Xmx512m', '-XX:+UseParallelGC'];

/** Larger batches than by default took less CPU in the one run that compared them (8.2 s for 10.3 to 10.7 s). */
const bestSettings: Readonly<Record<string, string | number>> = {
  'streams.producer.batch.size': 131_072,
  'streams.producer.linger.ms': 20,
};

/** The first bytes of an event, in hexadecimal. */
function headerOf(stream: Stream<unknown>): string {
  const { writer } = eventCodec(stream, new WriterSchemas());
  return singleObjectHeader(writer.fingerprint).toString('hex');
}

/** Where it reads and writes, and the headers of its events. */
export function streamsOptions(
  bootstrapServers: string,
  app: string,
  input: Stream<unknown>,
  output: Stream<unknown>,
): Readonly<Record<string, string | number>> {
  return {
    bootstrap: bootstrapServers,
    app,
    input: input.topic,
    'input-header': headerOf(input),
    output: output.topic,
    'output-header': headerOf(output),
    ...bestSettings,
  };
}
