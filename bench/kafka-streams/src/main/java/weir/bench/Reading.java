package weir.bench;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.TimestampExtractor;

/** weir.bench.Reading of bench/windowed-sum.ts. */
record Reading(String sensor, long at, long value) {
  static Serde<Reading> serde(byte[] header) {
    return Serdes.serdeFrom(
        (topic, reading) -> {
          throw new UnsupportedOperationException("readings are only read");
        },
        (topic, bytes) -> {
          Avro avro = Avro.reading(header, bytes);
          return new Reading(avro.readString(), avro.readLong(), avro.readLong());
        });
  }

  /** Event time, as Weir's streams have it; tells of the first record of each partition. */
  static TimestampExtractor eventTime(Report report) {
    return (ConsumerRecord<Object, Object> record, long partitionTime) -> {
      report.record(record.partition());
      return ((Reading) record.value()).at();
    };
  }
}
