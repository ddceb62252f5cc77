/** The builder of each ClickHouse type. */
import type { ValueType } from '../value-type.ts';
import type { ColumnBuilder } from './column-builder.ts';
import { ArrayBuilder, MapBuilder, NullableBuilder, TupleBuilder } from './composite-builders.ts';
import { DecimalBuilder } from './decimal.ts';
import { LowCardinalityBuilder } from './low-cardinality.ts';
import * as scalar from './scalar-builders.ts';
import { UuidBuilder } from './uuid.ts';

export function builderFor(type: ValueType): ColumnBuilder {
  switch (type.kind) {
    case 'String':
      return new scalar.StringBuilder();
    case 'Int32':
      return new scalar.Int32Builder();
    case 'Int64':
      return new scalar.Int64Builder();
    case 'Float32':
      return new scalar.Float32Builder();
    case 'Float64':
      return new scalar.Float64Builder();
    case 'Bool':
      return new scalar.BoolBuilder();
    case 'UUID':
      return new UuidBuilder();
    case 'Date32':
      return new scalar.Date32Builder();
    case 'FixedString':
      return new scalar.FixedStringBuilder(type.bytes);
    case 'DateTime64':
      return scalar.dateTime64Builder(type.precision);
    case 'Decimal':
      return new DecimalBuilder(type.precision, type.scale);
    case 'LowCardinality':
      return new LowCardinalityBuilder(type.nullable);
    case 'Nullable':
      return new NullableBuilder(builderFor(type.of));
    case 'Array':
      return new ArrayBuilder(builderFor(type.of));
    case 'Map':
      return new MapBuilder(builderFor(type.value));
    case 'Tuple':
      return new TupleBuilder(type.elements.map(({ name, type: of }) => [name, builderFor(of)] as const));
  }
}
