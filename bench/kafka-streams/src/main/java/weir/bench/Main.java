package weir.bench;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.StateRestoreListener;

/**
 * {@code <windowed-sum|alarms> --name=value ...}: runs a topology exactly once until SIGTERM, and prints lines of JSON:
 * {@code ready}, {@code first-record} of each partition, {@code restore-begin} and {@code restore-end} of each store's
 * partition, {@code closed} with its own CPU seconds and peak memory.
 */
public final class Main {
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(20);

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Options options = new Options(arguments, 1);
    Report report = new Report();
    StreamsBuilder builder = new StreamsBuilder();
    switch (arguments[0]) {
      case "windowed-sum" -> WindowedSum.build(builder, options, report);
      case "alarms" -> Alarms.build(builder, options, report);
      default -> throw new IllegalArgumentException("unknown topology " + arguments[0]);
    }
    Properties settings = settings(options);
    KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
    streams.setGlobalStateRestoreListener(restoreListener(report));
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) {
        report.event("ready", "");
      }
    });
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      Runtime.getRuntime().halt(1);
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        // Otherwise its next start waits until the group gives this member up, 45 s later.
        boolean closed = streams.close(
            CloseOptions.timeout(CLOSE_TIMEOUT)
                .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        report.event("stopped", "\"inTime\":" + closed);
        report.usage();
      } catch (Exception error) {
        error.printStackTrace();
      } finally {
        ended.countDown();
      }
    }));
    streams.start();
    ended.await();
  }

  private static Properties settings(Options options) {
    Properties settings = new Properties();
    settings.setProperty(StreamsConfig.APPLICATION_ID_CONFIG, options.text("app"));
    settings.setProperty(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.text("bootstrap"));
    settings.setProperty(StreamsConfig.STATE_DIR_CONFIG, options.text("state-dir"));
    settings.setProperty(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.setProperty(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.text("commit-ms"));
    settings.setProperty(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.text("threads"));
    settings.setProperty(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, options.text("cache-bytes"));
    settings.setProperty(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    // Final results leave when their window closes, not up to a second later.
    settings.setProperty(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION, "0");
    settings.putAll(options.streams());
    return settings;
  }

  private static StateRestoreListener restoreListener(Report report) {
    return new StateRestoreListener() {
      @Override
      public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
        report.event("restore-begin", place(partition) + ",\"from\":" + from + ",\"to\":" + to);
      }

      @Override
      public void onBatchRestored(TopicPartition partition, String store, long end, long count) {}

      @Override
      public void onRestoreEnd(TopicPartition partition, String store, long count) {
        report.event("restore-end", place(partition) + ",\"records\":" + count);
      }
    };
  }

  private static String place(TopicPartition partition) {
    return "\"topic\":\"" + partition.topic() + "\",\"partition\":" + partition.partition();
  }
}
