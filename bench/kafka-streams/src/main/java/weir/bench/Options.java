package weir.bench;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** The program's arguments: {@code --name=value}; {@code --streams.<setting>=value} goes to Kafka Streams as it is. */
final class Options {
  private static final String STREAMS_PREFIX = "--streams.";
  private final Map<String, String> values = new HashMap<>();
  private final Properties streams = new Properties();

  Options(String[] arguments, int from) {
    for (int i = from; i < arguments.length; i++) {
      String argument = arguments[i];
      int equals = argument.indexOf('=');
      if (!argument.startsWith("--") || equals < 0) {
        throw new IllegalArgumentException("not an option of the form --name=value: " + argument);
      }
      String value = argument.substring(equals + 1);
      if (argument.startsWith(STREAMS_PREFIX)) {
        streams.setProperty(argument.substring(STREAMS_PREFIX.length(), equals), value);
      } else {
        values.put(argument.substring(2, equals), value);
      }
    }
  }

  String text(String name) {
    String value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException("--" + name + "=... is missing");
    }
    return value;
  }

  long number(String name) {
    return Long.parseLong(text(name));
  }

  byte[] header(String name) {
    return Avro.header(text(name));
  }

  Properties streams() {
    return streams;
  }
}
