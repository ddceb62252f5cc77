/**
 * What ClickHouse says when it refuses an insert: code, name and text, as its source has them (src/Common/ErrorCodes.cpp and where
 * they are thrown). `{table}` stands for the table.
 */
import type { Fault } from '../integration/faulty-clickhouse.fixture.ts';

export type ClickHouseAnswer = readonly [code: number, name: string, message: string, thrownAs?: string];

/** The same insert may succeed later. */
export const passing: readonly ClickHouseAnswer[] = [
  [3, 'UNEXPECTED_END_OF_FILE', 'Unexpected end of file while reading chunk header of HTTP chunked data'],
  [107, 'FILE_DOESNT_EXIST', 'File store/1f2/data.bin does not exist'],
  [159, 'TIMEOUT_EXCEEDED', 'Timeout exceeded: elapsed 30000.31 ms, maximum: 30000 ms'],
  [
    173,
    'CANNOT_ALLOCATE_MEMORY',
    'Allocator: Cannot malloc 1.00 GiB., errno: 12, strerror: Cannot allocate memory',
  ],
  [198, 'DNS_ERROR', 'Not found address of host: node-2'],
  [
    201,
    'QUOTA_EXCEEDED',
    'Quota for user `weir` for 3600s has been exceeded: written_bytes = 9/8. Interval will end at 08:00',
  ],
  [202, 'TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many simultaneous queries. Maximum: 1000'],
  [203, 'NO_FREE_CONNECTION', 'All connections of the pool are busy'],
  [
    209,
    'SOCKET_TIMEOUT',
    'Timeout exceeded while reading from socket (10.0.0.7:9000, 300000 ms)',
    'DB::NetException',
  ],
  [
    210,
    'NETWORK_ERROR',
    'Connection reset by peer, while writing to socket (10.0.0.7:9000)',
    'DB::NetException',
  ],
  [225, 'NO_ZOOKEEPER', 'Cannot get ZooKeeper: session has expired'],
  [236, 'ABORTED', 'Server is shutting down'],
  [241, 'MEMORY_LIMIT_EXCEEDED', 'Memory limit (total) exceeded: would use 9.31 GiB, maximum: 9.00 GiB'],
  [242, 'TABLE_IS_READ_ONLY', 'Table is in readonly mode: replica path /clickhouse/tables/1/{table}'],
  [243, 'NOT_ENOUGH_SPACE', 'Cannot reserve 1.00 MiB, not enough space'],
  [
    252,
    'TOO_MANY_PARTS',
    "Too many parts (3001 with average size of 1.20 MiB) in table '{table}'. Merges are processing significantly slower than inserts",
  ],
  [
    244,
    'UNEXPECTED_ZOOKEEPER_ERROR',
    'Unexpected ZooKeeper error while adding block 7 with ID x: Session expired',
  ],
  [279, 'ALL_CONNECTION_TRIES_FAILED', 'All connection tries failed. Log: Connection refused (node-2:9000)'],
  [285, 'TOO_FEW_LIVE_REPLICAS', 'Number of alive replicas (1) is less than requested quorum (2/3)'],
  [286, 'UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE', 'Quorum for previous write has not been satisfied yet'],
  [319, 'UNKNOWN_STATUS_OF_INSERT', 'Unknown status of part, client must retry. Reason: Connection loss'],
  [394, 'QUERY_WAS_CANCELLED', 'Query was cancelled'],
  [425, 'SYSTEM_ERROR', 'Cannot write: the disk answers with an error'],
  [439, 'CANNOT_SCHEDULE_TASK', 'Cannot schedule a task: no free thread (timeout=0) (threads=10000)'],
  [
    473,
    'DEADLOCK_AVOIDED',
    'WRITE locking attempt on "{table}" has timed out! (120000ms) Possible deadlock avoided',
  ],
  [499, 'S3_ERROR', 'Message: Please reduce your request rate, Key: store/1f2/data.bin'],
  [745, 'SERVER_OVERLOADED', 'CPU is overloaded, CPU is waiting for execution way more than executing'],
  [999, 'KEEPER_EXCEPTION', 'Connection loss, path /clickhouse/tables/1', 'Coordination::Exception'],
  [1000, 'POCO_EXCEPTION', 'Connection reset by peer', 'Poco::Exception'],
  [
    75,
    'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
    'Cannot write to file, errno: 28, strerror: No space left on device',
  ],
];

/** A row is refused, the others are not. */
export const ofOneRow: readonly ClickHouseAnswer[] = [
  [6, 'CANNOT_PARSE_TEXT', "Cannot parse string 'x' as UInt32: while pushing to view"],
  [27, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', 'Cannot parse input: expected { before: x'],
  [38, 'CANNOT_PARSE_DATE', 'Cannot parse date: value is too short'],
  [41, 'CANNOT_PARSE_DATETIME', 'Cannot parse DateTime: x'],
  [69, 'ARGUMENT_OUT_OF_BOUND', 'Date interval is out of bounds'],
  [72, 'CANNOT_PARSE_NUMBER', 'Unsigned type must not contain - symbol'],
  [117, 'INCORRECT_DATA', 'Not all data was read'],
  [128, 'TOO_LARGE_ARRAY_SIZE', 'Too large array size: 2000000000'],
  [131, 'TOO_LARGE_STRING_SIZE', 'Too large string size'],
  [153, 'ILLEGAL_DIVISION', 'Division by zero: while pushing to view'],
  [321, 'VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE', 'Value is out of range of data type'],
  [349, 'CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN', 'Cannot convert NULL value to non-Nullable type'],
  [407, 'DECIMAL_OVERFLOW', 'Decimal math overflow'],
  [
    469,
    'VIOLATED_CONSTRAINT',
    'Constraint `good` for table {table} is violated at row 1. Expression: (count < 7)',
  ],
];

/** Waiting does not help, and no other row would go in: each names what is wrong. */
export const forGood: readonly ClickHouseAnswer[] = [
  [16, 'NO_SUCH_COLUMN_IN_TABLE', 'No such column count in table {table}'],
  [47, 'UNKNOWN_IDENTIFIER', 'Missing columns: `count` while processing: `count`, in table {table}'],
  [53, 'TYPE_MISMATCH', 'Type mismatch for column count of {table}: cannot convert Int32 to UUID'],
  [60, 'UNKNOWN_TABLE', 'Table {table} does not exist'],
  [81, 'UNKNOWN_DATABASE', 'Database of {table} does not exist'],
  [164, 'READONLY', 'weir: Cannot execute query in readonly mode'],
  [
    497,
    'ACCESS_DENIED',
    "weir: Not enough privileges. To execute this query, it's necessary to have the grant INSERT(id, at, count) ON {table}",
  ],
  [
    516,
    'AUTHENTICATION_FAILED',
    'weir: Authentication failed: password is incorrect, or there is no user with such name',
  ],
];

/** The other meaning of code 252. */
export const tooManyPartitions: ClickHouseAnswer = [
  252,
  'TOO_MANY_PARTS',
  "Too many partitions for single INSERT block (more than 100). The limit is controlled by 'max_partitions_per_insert_block' setting",
];

export const answering = ([code, name, message, thrownAs]: ClickHouseAnswer, table: string): Fault => ({
  kind: 'answer',
  code,
  name,
  message: message.replaceAll('{table}', table),
  ...(thrownAs === undefined ? {} : { thrownAs }),
});
