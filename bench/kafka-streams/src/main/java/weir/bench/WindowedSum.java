package weir.bench;

import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** weir.bench.WindowSum of bench/windowed-sum.ts, and the topology that gives it. */
record WindowedSum(String sensor, long windowStart, long total) {
  private static final long VERSION = 1;

  static Serde<WindowedSum> serde(byte[] header) {
    Avro avro = Avro.writing(header);
    return Serdes.serdeFrom(
        (topic, sum) -> {
          // Producers of several threads share the serde.
          synchronized (avro) {
            return avro.begin()
                .writeString(sum.sensor)
                .writeLong(sum.windowStart)
                .writeLong(sum.total)
                .writeLong(VERSION)
                .end();
          }
        },
        (topic, bytes) -> {
          throw new UnsupportedOperationException("sums are only written");
        });
  }

  /**
   * A tumbling sum per sensor in an in-memory store. {@code --emit}: {@code update} gives every update that leaves the
   * cache; {@code close} gives a window once, when it closes, as Weir does, by the emit strategy (which switches the cache
   * off); {@code suppress} does so by suppression behind the cache.
   */
  static void build(StreamsBuilder builder, Options options, Report report) {
    Duration size = Duration.ofMillis(options.number("window-ms"));
    String emit = options.text("emit");
    Consumed<String, Reading> readings =
        Consumed.with(Serdes.String(), Reading.serde(options.header("input-header")))
            .withTimestampExtractor(Reading.eventTime(report));
    TimeWindowedKStream<String, Reading> windowed = builder.stream(options.text("input"), readings)
        .groupByKey(Grouped.with(Serdes.String(), null))
        .windowedBy(TimeWindows.ofSizeWithNoGrace(size));
    if (emit.equals("close")) {
      windowed = windowed.emitStrategy(EmitStrategy.onWindowClose());
    }
    // Retention as the DSL would choose it, but for its minimum of a day: the store holds open windows only.
    Materialized<String, Long, WindowStore<Bytes, byte[]>> store =
        Materialized.<String, Long>as(
                Stores.inMemoryWindowStore("sums", size.multipliedBy(2), size, false))
            .withKeySerde(Serdes.String())
            .withValueSerde(Serdes.Long());
    if (options.number("cache-bytes") == 0) {
      store = store.withCachingDisabled();
    }
    KTable<Windowed<String>, Long> sums =
        windowed.aggregate(() -> 0L, (sensor, reading, total) -> total + reading.value(), store);
    if (emit.equals("suppress")) {
      sums = sums.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()));
    }
    KStream<String, WindowedSum> results = sums.toStream()
        .map((window, total) -> org.apache.kafka.streams.KeyValue.pair(
            window.key(), new WindowedSum(window.key(), window.window().start(), total)));
    results.to(
        options.text("output"),
        Produced.with(Serdes.String(), serde(options.header("output-header"))));
  }
}
