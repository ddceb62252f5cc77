package weir.bench;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.kafka.common.errors.SerializationException;

/**
 * Avro's binary encoding of the benchmarks' events, behind the 10-byte header of a single-object frame, written by hand:
 * the fastest way for the peer, as Weir's own codec is compiled too. The headers are arguments, for they hold the
 * fingerprints that the harness computes.
 *
 * @see <a href="https://avro.apache.org/docs/1.12.0/specification/#binary-encoding">Avro, binary encoding</a>
 */
final class Avro {
  private static final int HEADER_BYTES = 10;
  private static final int MAX_VARINT_BYTES = 10;

  private final byte[] header;
  private byte[] bytes;
  private int at;

  private Avro(byte[] header, byte[] bytes) {
    this.header = header;
    this.bytes = bytes;
  }

  static byte[] header(String hexadecimal) {
    byte[] header = HexFormat.of().parseHex(hexadecimal);
    if (header.length != HEADER_BYTES) {
      throw new IllegalArgumentException("a single-object header has 10 bytes, not " + header.length);
    }
    return header;
  }

  /** Reads an event; fails when it was written by another schema. */
  static Avro reading(byte[] header, byte[] bytes) {
    if (bytes.length < HEADER_BYTES || !Arrays.equals(bytes, 0, HEADER_BYTES, header, 0, HEADER_BYTES)) {
      throw new SerializationException("the event does not begin with " + HexFormat.of().formatHex(header));
    }
    Avro avro = new Avro(header, bytes);
    avro.at = HEADER_BYTES;
    return avro;
  }

  /** Writes an event into a buffer that is used again; one for each serializer, which has one thread. */
  static Avro writing(byte[] header) {
    return new Avro(header, new byte[64]);
  }

  Avro begin() {
    System.arraycopy(header, 0, bytes, 0, HEADER_BYTES);
    at = HEADER_BYTES;
    return this;
  }

  long readLong() {
    long value = 0;
    int shift = 0;
    byte part;
    do {
      part = bytes[at++];
      value |= (long) (part & 0x7f) << shift;
      shift += 7;
    } while (part < 0);
    return (value >>> 1) ^ -(value & 1);
  }

  String readString() {
    int length = (int) readLong();
    String value = new String(bytes, at, length, StandardCharsets.UTF_8);
    at += length;
    return value;
  }

  Avro writeLong(long value) {
    reserve(MAX_VARINT_BYTES);
    long rest = (value << 1) ^ (value >> 63);
    while ((rest & ~0x7fL) != 0) {
      bytes[at++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    bytes[at++] = (byte) rest;
    return this;
  }

  Avro writeString(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    writeLong(utf8.length);
    reserve(utf8.length);
    System.arraycopy(utf8, 0, bytes, at, utf8.length);
    at += utf8.length;
    return this;
  }

  byte[] end() {
    return Arrays.copyOf(bytes, at);
  }

  private void reserve(int count) {
    if (at + count > bytes.length) {
      bytes = ByteBuffer.allocate(Math.max(bytes.length * 2, at + count)).put(bytes, 0, at).array();
    }
  }
}
