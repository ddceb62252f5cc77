package weir.bench;

import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The topology of the benchmarks of latency and restore, as bench/alarms.ts: counts the readings of each sensor, and answers
 * one with a negative value by a command (weir.bench.Command).
 */
final class Alarms {
  private static final String STORE = "counts";

  private Alarms() {}

  record Command(String sensor, long at, long value, long count) {
    static Serde<Command> serde(byte[] header) {
      Avro avro = Avro.writing(header);
      return Serdes.serdeFrom(
          (topic, command) -> {
            synchronized (avro) {
              return avro.begin()
                  .writeString(command.sensor)
                  .writeLong(command.at)
                  .writeLong(command.value)
                  .writeLong(command.count)
                  .end();
            }
          },
          (topic, bytes) -> {
            throw new UnsupportedOperationException("commands are only written");
          });
    }
  }

  /** {@code --store}: {@code memory}, or {@code rocksdb}, which Kafka Streams keeps on disk between runs. */
  static void build(StreamsBuilder builder, Options options, Report report) {
    boolean onDisk = options.text("store").equals("rocksdb");
    StoreBuilder<KeyValueStore<String, Long>> store = Stores.keyValueStoreBuilder(
        onDisk ? Stores.persistentKeyValueStore(STORE) : Stores.inMemoryKeyValueStore(STORE),
        Serdes.String(),
        Serdes.Long());
    builder.addStateStore(options.number("cache-bytes") == 0 ? store : store.withCachingEnabled());
    Consumed<String, Reading> readings =
        Consumed.with(Serdes.String(), Reading.serde(options.header("input-header")))
            .withTimestampExtractor(Reading.eventTime(report));
    builder.stream(options.text("input"), readings)
        .process(Count::new, STORE)
        .to(
            options.text("output"),
            Produced.with(Serdes.String(), Command.serde(options.header("output-header"))));
  }

  private static final class Count implements Processor<String, Reading, String, Command> {
    private ProcessorContext<String, Command> context;
    private KeyValueStore<String, Long> counts;

    @Override
    public void init(ProcessorContext<String, Command> context) {
      this.context = context;
      this.counts = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, Reading> record) {
      Long before = counts.get(record.key());
      long count = before == null ? 1 : before + 1;
      counts.put(record.key(), count);
      Reading reading = record.value();
      if (reading.value() < 0) {
        context.forward(record.withValue(
            new Command(reading.sensor(), reading.at(), reading.value(), count)));
      }
    }
  }
}
