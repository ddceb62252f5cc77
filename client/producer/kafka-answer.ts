/**
 * What a broker's error code means for a batch (https://kafka.apache.org/protocol#protocol_error_codes).
 *
 * | answer     | was it written?          | what follows                                                            |
 * | ---------- | ------------------------ | ----------------------------------------------------------------------- |
 * | written    | yes, or long ago         | acknowledge it                                                          |
 * | moved      | perhaps                  | look the leader up, send it again, the same bytes                       |
 * | again      | perhaps                  | send it again, the same bytes                                           |
 * | not-yet    | not by this request      | send it again, the same bytes                                           |
 * | unsequenced| no                       | the broker lost what it knew of this producer: a new id, sequence 0     |
 * | too-large  | not by this request      | halve it; a single record is refused                                    |
 * | bad-record | not by this request      | refuse the records that are named, send the others again                |
 * | refused    | not by this request      | refuse its records                                                      |
 *
 * "Not by this request": an earlier one with the same batch, whose answer was lost, may have written it. Brokers look at sizes
 * and times before they look whether they have the batch already, so they refuse then what they have: the outcome is unknown.
 *
 * A broker that was the leader answers `moved` also for a batch that it has appended, and that waited for the other replicas.
 */

export type Answer =
  'written' | 'moved' | 'again' | 'not-yet' | 'unsequenced' | 'too-large' | 'bad-record' | 'refused';

const named: ReadonlyMap<number, { readonly name: string; readonly answer: Answer }> = new Map(
  (
    [
      [-1, 'UNKNOWN_SERVER_ERROR', 'again'],
      [0, 'NONE', 'written'],
      [2, 'CORRUPT_MESSAGE', 'again'],
      [3, 'UNKNOWN_TOPIC_OR_PARTITION', 'moved'],
      [5, 'LEADER_NOT_AVAILABLE', 'moved'],
      [6, 'NOT_LEADER_OR_FOLLOWER', 'moved'],
      [7, 'REQUEST_TIMED_OUT', 'again'],
      [8, 'BROKER_NOT_AVAILABLE', 'moved'],
      [9, 'REPLICA_NOT_AVAILABLE', 'moved'],
      [10, 'MESSAGE_TOO_LARGE', 'too-large'],
      [13, 'NETWORK_EXCEPTION', 'again'],
      [14, 'COORDINATOR_LOAD_IN_PROGRESS', 'again'],
      [15, 'COORDINATOR_NOT_AVAILABLE', 'again'],
      [16, 'NOT_COORDINATOR', 'again'],
      [17, 'INVALID_TOPIC_EXCEPTION', 'refused'],
      [18, 'RECORD_LIST_TOO_LARGE', 'too-large'],
      [19, 'NOT_ENOUGH_REPLICAS', 'not-yet'],
      [20, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'again'],
      [29, 'TOPIC_AUTHORIZATION_FAILED', 'refused'],
      [31, 'CLUSTER_AUTHORIZATION_FAILED', 'refused'],
      [32, 'INVALID_TIMESTAMP', 'bad-record'],
      [41, 'NOT_CONTROLLER', 'again'],
      [44, 'POLICY_VIOLATION', 'refused'],
      [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'unsequenced'],
      [46, 'DUPLICATE_SEQUENCE_NUMBER', 'written'],
      [47, 'INVALID_PRODUCER_EPOCH', 'unsequenced'],
      [56, 'KAFKA_STORAGE_ERROR', 'moved'],
      [59, 'UNKNOWN_PRODUCER_ID', 'unsequenced'],
      [74, 'FENCED_LEADER_EPOCH', 'moved'],
      [75, 'UNKNOWN_LEADER_EPOCH', 'moved'],
      [87, 'INVALID_RECORD', 'bad-record'],
      [89, 'THROTTLING_QUOTA_EXCEEDED', 'not-yet'],
    ] as const
  ).map(([code, name, answer]) => [code, { name, answer }]),
);

/** Of a code that is not known here nothing good can be said: its records are refused. */
export const answerOf = (errorCode: number): Answer => named.get(errorCode)?.answer ?? 'refused';

/** The code's name and number. */
export const errorName = (errorCode: number): string =>
  `${named.get(errorCode)?.name ?? 'error'} (${errorCode})`;
