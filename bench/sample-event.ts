/** Plausible events of any schema: numbers and texts that vary from event to event as telemetry does. */
import type { AvroObject, AvroSchema, Stream } from '#engine/topology/stream.ts';

interface Field {
  readonly name: string;
  readonly type: AvroSchema;
}

/** The n-th event of a stream. */
export function sampleEvent(stream: Stream<unknown>, n: number): Readonly<Record<string, unknown>> {
  return recordOf(stream.schema, n);
}

function recordOf(schema: AvroObject, n: number): Record<string, unknown> {
  const fields = schema['fields'] as readonly Field[];
  return Object.fromEntries(fields.map(({ name, type }, i) => [name, valueOf(type, n + 31 * i)]));
}

function valueOf(schema: AvroSchema, n: number): unknown {
  if (typeof schema === 'string') return primitive(schema, n);
  if (Array.isArray(schema)) {
    const other = (schema as readonly AvroSchema[]).find((branch) => branch !== 'null')!;
    return n % 10 === 0 ? null : valueOf(other, n);
  }
  const object = schema as AvroObject;
  switch (object.type) {
    case 'record':
      return recordOf(object, n);
    case 'enum': {
      const symbols = object['symbols'] as readonly string[];
      return symbols[n % symbols.length];
    }
    case 'array':
      return [valueOf(object['items'] as AvroSchema, n)];
    case 'map':
      return { site: valueOf(object['values'] as AvroSchema, n) };
    default:
      return String(object['logicalType']).startsWith('timestamp')
        ? 1_795_000_000_000 + n
        : valueOf(object.type, n);
  }
}

function primitive(type: string, n: number): unknown {
  switch (type) {
    case 'string':
      return `host-${n % 500}`;
    case 'boolean':
      return n % 3 === 0;
    case 'int':
    case 'long':
      return (n * 7919) % 1_000_003;
    case 'float':
    case 'double':
      return ((n * 7919) % 1_000_003) / 17;
    case 'bytes':
      return Buffer.from(`value ${n}`);
    default:
      throw new TypeError(`the benchmark has no sample of type ${type}`);
  }
}
