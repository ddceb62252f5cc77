package weir.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** What the program tells the harness: one line of JSON on standard output for each event. */
final class Report {
  private static final int MAX_PARTITIONS = 1024;
  private final AtomicIntegerArray seen = new AtomicIntegerArray(MAX_PARTITIONS);

  /** {@code fields} are JSON: {@code "name":value} pairs. */
  synchronized void event(String name, String fields) {
    System.out.println("{\"event\":\"" + name + "\",\"atMs\":" + System.currentTimeMillis()
        + (fields.isEmpty() ? "" : "," + fields) + "}");
    System.out.flush();
  }

  /** Tells of the first record of a partition; cheap for all others. */
  void record(int partition) {
    if (seen.getPlain(partition) == 0 && seen.compareAndSet(partition, 0, 1)) {
      event("first-record", "\"partition\":" + partition);
    }
  }

  /** What the process took from its start on. */
  void usage() throws IOException {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    String peak = Files.readString(Path.of("/proc/self/status")).lines()
        .filter(line -> line.startsWith("VmHWM:"))
        .map(line -> line.replaceAll("[^0-9]", ""))
        .findFirst()
        .orElse("0");
    event("closed", "\"cpuSeconds\":" + system.getProcessCpuTime() / 1e9 + ",\"peakKib\":" + peak);
  }
}
