/**
 * Generated from the .avsc files beside it by `npm run generate`. Change those, not this file.
 */

import type { RecordSchema, Stream } from '#engine/topology/stream.ts';

/** An actuator's answer to a command. */
export interface Acknowledgement {
  /** The command answered. */
  readonly command_id: string;
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** Host of the actuator. */
  readonly host: string;
  /**
   * Newest path epoch that the actuator knows after this: the command's when applied, the newer one that it saw when
   * rejected.
   */
  readonly path_epoch: number;
  /**
   * applied (also when it had been applied before); rejected_stale: a newer epoch has been seen; failed: tried, and
   * did not work.
   */
  readonly outcome: AcknowledgementOutcome;
  /** In words; empty when applied as asked. */
  readonly detail: string;
  /** When the actuator finished; its own clock. */
  readonly at: number;
}

/** What became of the command. */
export type AcknowledgementOutcome = 'applied' | 'rejected_stale' | 'failed';

/** Something about a virtual device or its migration that a person should know. */
export interface Alert {
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** What it is about; see docs/migration.md. */
  readonly kind: AlertKind;
  /** info: recorded, acted on; warning: look soon; critical: traffic or data at risk. */
  readonly severity: AlertSeverity;
  /** Host that it is about. */
  readonly host: string;
  /** The migration that it is about; null where it is about no migration. */
  readonly migration_uid: string | null;
  /** Path epoch that it is about. */
  readonly path_epoch: number;
  /** What was seen, what was expected, and what was done, in words. */
  readonly detail: string;
  /** The input record that led to it; for a time-out, the record that started the wait. */
  readonly cause: AlertCause;
  /** Event time. */
  readonly at: number;
}

/** Position of the input record that led to this one. */
export interface AlertCause {
  /** Topic of the record. */
  readonly topic: string;
  /** Partition of the record. */
  readonly partition: number;
  /** Offset of the record in its partition; -1 where there is none. */
  readonly offset: number;
}

/** What it is about; see docs/migration.md. */
export type AlertKind =
  | 'mac_on_two_hosts'
  | 'stale_epoch'
  | 'out_of_order'
  | 'illegal_arc'
  | 'no_replug'
  | 'will_not_converge'
  | 'flapping'
  | 'no_path'
  | 'command_unacknowledged'
  | 'command_rejected'
  | 'command_failed'
  | 'clock_skew'
  | 'device_error';

/** How urgent. */
export type AlertSeverity = 'info' | 'warning' | 'critical';

/**
 * A command to the actuator of a virtual device. Repeated with the same command_id until acknowledged: applying it
 * twice is applying it once.
 */
export interface Command {
  /** Deterministic identity: the same decision has the same id in a replay and in a re-issue. */
  readonly command_id: string;
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** switch_interface: let data transfers use the interface named in `to`. */
  readonly kind: CommandKind;
  /** Interface to use from now on. */
  readonly to: CommandTo;
  /** Epoch of this switch. An actuator that has seen a newer one rejects the command as stale. */
  readonly path_epoch: number;
  /** The input record that demanded the switch. */
  readonly cause: CommandCause;
  /** Why, in words. */
  readonly reason: string;
  /** 1 for the first issue, 2 and so on for repetitions. */
  readonly attempt: number;
  /** Event time of the decision, or of the repetition. */
  readonly issued_at: number;
}

/** Position of the input record that led to this one. */
export interface CommandCause {
  /** Topic of the record. */
  readonly topic: string;
  /** Partition of the record. */
  readonly partition: number;
  /** Offset of the record in its partition; -1 where there is none. */
  readonly offset: number;
}

/** What to do. */
export type CommandKind = 'switch_interface';

/** Interface to use. */
export type CommandTo = 'primary' | 'standby';

/** State of processor migration.device-failover, for one device. */
export interface DeviceState {
  /** VM of the newest report. */
  readonly vm_id: string;
  /** Newest report for each interface and host, in order of first report. */
  readonly links: readonly LinkEntry[];
  /**
   * Largest epoch under which a host has held a working primary; claims under an older one are stale. -1 before the
   * first.
   */
  readonly fence_epoch: number;
  /** Host that holds the primary; empty before the first. */
  readonly owner_host: string;
  /** Whether the primary was usable after the newest report. */
  readonly primary_up: boolean;
  /** Event time of the last change of primary_up. */
  readonly primary_since: number;
  /** Path decided last. */
  readonly active: DeviceStateActive;
  /** Event time of that decision. */
  readonly active_since: number;
  /** Largest epoch seen or issued. */
  readonly path_epoch: number;
  /** RFC 2439 figure of merit as of penalty_at. */
  readonly penalty: number;
  /** When the penalty was computed last. */
  readonly penalty_at: number;
  /** Whether the last flap met the ceiling. */
  readonly penalty_capped: boolean;
  /** Whether a return to primary is suppressed. */
  readonly suppressed: boolean;
  /** The record that the newest decision or running wait goes back to. */
  readonly cause: DeviceStateCause;
  /** The command that waits for its acknowledgement. */
  readonly pending: PendingCommand | null;
  /** The newest migration of the device. */
  readonly migration: MigrationProgress | null;
}

/** Path decided. */
export type DeviceStateActive = 'none' | 'primary' | 'standby';

/** Position of the input record that led to this one. */
export interface DeviceStateCause {
  /** Topic of the record. */
  readonly topic: string;
  /** Partition of the record. */
  readonly partition: number;
  /** Offset of the record in its partition; -1 where there is none. */
  readonly offset: number;
}

/** Newest report of one host on one interface. */
export interface LinkEntry {
  /** Which interface. */
  readonly interface: LinkEntryInterface;
  /** Reporting host. */
  readonly host: string;
  /** MAC address. */
  readonly mac: string;
  /** Plugged in. */
  readonly attached: boolean;
  /** Has carrier. */
  readonly link_up: boolean;
  /** Epoch of the report. */
  readonly path_epoch: number;
  /** Time of the report. */
  readonly observed_at: number;
}

/** Which interface. */
export type LinkEntryInterface = 'primary' | 'standby';

/**
 * What a host sees of one interface of a virtual device. Sent on every change, and repeated at will: a repetition
 * changes nothing.
 */
export interface LinkState {
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** MAC address of the interface, lower-case hexadecimal with colons. */
  readonly mac: string;
  /** Host that reports this: the one that the interface is, or was, attached on. */
  readonly host: string;
  /** primary: the fast path (directly assigned hardware); standby: the software interface. */
  readonly interface: LinkStateInterface;
  /** Whether the interface is plugged into the VM on this host. */
  readonly attached: boolean;
  /** Whether the link has carrier (operational state up). */
  readonly link_up: boolean;
  /**
   * Newest path epoch that this host knows for the device (from commands applied, or given to it when it took the
   * device over). Rises with every switch; a claim under an older epoch than the newest holder's is stale.
   */
  readonly path_epoch: number;
  /** When the host saw this state; its own clock. */
  readonly observed_at: number;
}

/** Which of the two interfaces. */
export type LinkStateInterface = 'primary' | 'standby';

/** Forecast. */
export type MigrationPrediction = 'yes' | 'no' | 'unknown';

/** A migration under way, or the last one. */
export interface MigrationProgress {
  /** The migration. */
  readonly uid: string;
  /** Source. */
  readonly source_node: string;
  /** Target. */
  readonly target_node: string;
  /** Device state on the source, empty before its first report. */
  readonly source_state: string;
  /** Time of that report. */
  readonly source_at: number;
  /** Device state on the target, empty before its first report. */
  readonly target_state: string;
  /** Time of that report. */
  readonly target_at: number;
  /** First report. */
  readonly started_at: number;
  /** When the source device stopped. */
  readonly stopped_at: number | null;
  /** When the target device ran. */
  readonly running_at: number | null;
  /** Whether pre-copy was forecast to converge. */
  readonly prediction: MigrationPrediction;
  /** Forecast downtime. */
  readonly expected_downtime_ms: number | null;
  /** Whether its outcome has been told. */
  readonly ended: boolean;
}

/** How a migration of a virtual device ended. */
export interface Outcome {
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** The migration. */
  readonly migration_uid: string;
  /** Node that the VM left. */
  readonly source_node: string;
  /** Node that the VM went to. */
  readonly target_node: string;
  /**
   * completed: runs on the target; failed: a device went to error, or a failure was reported; cancelled: runs on the
   * source again; abandoned: another migration of the device began first.
   */
  readonly outcome: OutcomeKind;
  /** Why it did not complete; empty when it did. */
  readonly reason: string;
  /**
   * From the source device's stop to the target device running; null where either was not seen, or the two clocks
   * contradict each other (then there is a clock_skew alert).
   */
  readonly downtime_ms: number | null;
  /** Downtime forecast from the last pre-copy report; null without a forecast, or where pre-copy cannot converge. */
  readonly expected_downtime_ms: number | null;
  /**
   * Whether the pre-copy was forecast to converge: no if any report of it had a dirty rate of at least the
   * bandwidth.
   */
  readonly predicted_to_converge: OutcomePrediction;
  /** First report of the migration. */
  readonly started_at: number;
  /** Report that ended it. */
  readonly ended_at: number;
}

/** How it ended. */
export type OutcomeKind = 'completed' | 'failed' | 'cancelled' | 'abandoned';

/** Pre-copy forecast. */
export type OutcomePrediction = 'yes' | 'no' | 'unknown';

/** A command not yet acknowledged. */
export interface PendingCommand {
  /** Its id. */
  readonly command_id: string;
  /** Interface. */
  readonly to: PendingCommandTo;
  /** Its epoch. */
  readonly path_epoch: number;
  /** What demanded it. */
  readonly cause: PendingCommandCause;
  /** Why. */
  readonly reason: string;
  /** Times issued. */
  readonly attempt: number;
}

/** Position of the input record that led to this one. */
export interface PendingCommandCause {
  /** Topic of the record. */
  readonly topic: string;
  /** Partition of the record. */
  readonly partition: number;
  /** Offset of the record in its partition; -1 where there is none. */
  readonly offset: number;
}

/** Interface. */
export type PendingCommandTo = 'primary' | 'standby';

/**
 * State of a virtual device in a live migration, as one of the two nodes reports it. VFIO's device states
 * (linux/vfio.h, vfio_device_mig_state).
 */
export interface Phase {
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** The migration: unique for each attempt. */
  readonly migration_uid: string;
  /** Node that the VM leaves. */
  readonly source_node: string;
  /** Node that the VM goes to. */
  readonly target_node: string;
  /** Node that reports: each has a VFIO device of its own, with its own state. */
  readonly side: PhaseSide;
  /** State of the VFIO device on the reporting node. */
  readonly device_state: PhaseDeviceState;
  /** Bytes still to be transferred (memory and device state); null where the node does not know. */
  readonly data_remaining_bytes: number | null;
  /** Bytes per second that the VM dirties; null where the node does not know. */
  readonly dirty_rate: number | null;
  /** Bytes per second at which the migration transfers; null where the node does not know. */
  readonly bandwidth: number | null;
  /** Why the migration failed or was cancelled, in the orchestrator's words; null while there is no failure. */
  readonly failure_reason: string | null;
  /** When the node saw this state; its own clock. */
  readonly observed_at: number;
}

/** VFIO device states. */
export type PhaseDeviceState =
  'stop' | 'running' | 'stop_copy' | 'resuming' | 'running_p2p' | 'pre_copy' | 'pre_copy_p2p' | 'error';

/** Which node reports. */
export type PhaseSide = 'source' | 'target';

/** A change of the path that a virtual device's data takes, as decided. The first one of a device comes from `none`. */
export interface Transition {
  /** Virtual device whose two interfaces these are; stays the same wherever its VM runs. */
  readonly device_id: string;
  /** VM that the device belongs to. */
  readonly vm_id: string;
  /** Path before; none for the first decision about a device. */
  readonly from: TransitionFrom;
  /** Path from `at` on. */
  readonly to: TransitionTo;
  /** Epoch of the switch. */
  readonly path_epoch: number;
  /**
   * The command that was sent for it; null where the device was already there (the first observation of a working
   * primary).
   */
  readonly command_id: string | null;
  /** Why, in words. */
  readonly reason: string;
  /** Host whose report decided it. */
  readonly host: string;
  /** Seconds that the device spent on the path before; null for the first. */
  readonly seconds_in_from: number | null;
  /** RFC 2439 figure of merit at `at`, after this change was counted. */
  readonly flap_penalty: number;
  /** Whether the penalty would have been larger, but for the ceiling that bounds suppression. */
  readonly penalty_capped: boolean;
  /** Whether a return to primary is suppressed from here on. */
  readonly suppressed: boolean;
  /** Event time of the decision; never before the decision before it. */
  readonly at: number;
}

/** Path before. */
export type TransitionFrom = 'none' | 'primary' | 'standby';

/** Path after. */
export type TransitionTo = 'primary' | 'standby';

/** Topic migration.acknowledgements: Acknowledgement, keyed by device. */
export const acknowledgements: Stream<Acknowledgement> = {
  name: 'weir.migration.Acknowledgement',
  topic: 'migration.acknowledgements',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'migration_acknowledgements', orderBy: ['device_id', 'at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Acknowledgement',
    namespace: 'weir.migration',
    doc: "An actuator's answer to a command.",
    weir: {
      topic: 'migration.acknowledgements',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'at'], ttlDays: 90 },
    },
    fields: [
      { name: 'command_id', type: 'string', doc: 'The command answered.' },
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host of the actuator.' },
      {
        name: 'path_epoch',
        type: 'long',
        doc: "Newest path epoch that the actuator knows after this: the command's when applied, the newer one that it saw when rejected.",
      },
      {
        name: 'outcome',
        type: {
          type: 'enum',
          name: 'AcknowledgementOutcome',
          symbols: ['applied', 'rejected_stale', 'failed'],
          doc: 'What became of the command.',
        },
        doc: 'applied (also when it had been applied before); rejected_stale: a newer epoch has been seen; failed: tried, and did not work.',
      },
      { name: 'detail', type: 'string', doc: 'In words; empty when applied as asked.' },
      {
        name: 'at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When the actuator finished; its own clock.',
      },
    ],
  },
};

/** Topic migration.alerts: Alert, keyed by device. */
export const alerts: Stream<Alert> = {
  name: 'weir.migration.Alert',
  topic: 'migration.alerts',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'migration_alerts', orderBy: ['kind', 'device_id', 'at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Alert',
    namespace: 'weir.migration',
    doc: 'Something about a virtual device or its migration that a person should know.',
    weir: {
      topic: 'migration.alerts',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'at',
      partitions: 4,
      clickhouse: { orderBy: ['kind', 'device_id', 'at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      {
        name: 'kind',
        type: {
          type: 'enum',
          name: 'AlertKind',
          symbols: [
            'mac_on_two_hosts',
            'stale_epoch',
            'out_of_order',
            'illegal_arc',
            'no_replug',
            'will_not_converge',
            'flapping',
            'no_path',
            'command_unacknowledged',
            'command_rejected',
            'command_failed',
            'clock_skew',
            'device_error',
          ],
          doc: 'What it is about; see docs/migration.md.',
        },
        doc: 'What it is about; see docs/migration.md.',
      },
      {
        name: 'severity',
        type: {
          type: 'enum',
          name: 'AlertSeverity',
          symbols: ['info', 'warning', 'critical'],
          doc: 'How urgent.',
        },
        doc: 'info: recorded, acted on; warning: look soon; critical: traffic or data at risk.',
      },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host that it is about.' },
      {
        name: 'migration_uid',
        type: ['null', 'string'],
        default: null,
        doc: 'The migration that it is about; null where it is about no migration.',
      },
      { name: 'path_epoch', type: 'long', doc: 'Path epoch that it is about.' },
      {
        name: 'detail',
        type: 'string',
        doc: 'What was seen, what was expected, and what was done, in words.',
      },
      {
        name: 'cause',
        type: {
          type: 'record',
          name: 'AlertCause',
          doc: 'Position of the input record that led to this one.',
          fields: [
            { name: 'topic', type: 'string', doc: 'Topic of the record.' },
            { name: 'partition', type: 'int', doc: 'Partition of the record.' },
            {
              name: 'offset',
              type: 'long',
              doc: 'Offset of the record in its partition; -1 where there is none.',
            },
          ],
        },
        doc: 'The input record that led to it; for a time-out, the record that started the wait.',
      },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: 'Event time.' },
    ],
  },
};

/** Topic migration.commands: Command, keyed by device. */
export const commands: Stream<Command> = {
  name: 'weir.migration.Command',
  topic: 'migration.commands',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'issued_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'migration_commands', orderBy: ['device_id', 'issued_at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Command',
    namespace: 'weir.migration',
    doc: 'A command to the actuator of a virtual device. Repeated with the same command_id until acknowledged: applying it twice is applying it once.',
    weir: {
      topic: 'migration.commands',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'issued_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'issued_at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'command_id',
        type: 'string',
        doc: 'Deterministic identity: the same decision has the same id in a replay and in a re-issue.',
      },
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      {
        name: 'kind',
        type: { type: 'enum', name: 'CommandKind', symbols: ['switch_interface'], doc: 'What to do.' },
        doc: 'switch_interface: let data transfers use the interface named in `to`.',
      },
      {
        name: 'to',
        type: { type: 'enum', name: 'CommandTo', symbols: ['primary', 'standby'], doc: 'Interface to use.' },
        doc: 'Interface to use from now on.',
      },
      {
        name: 'path_epoch',
        type: 'long',
        doc: 'Epoch of this switch. An actuator that has seen a newer one rejects the command as stale.',
      },
      {
        name: 'cause',
        type: {
          type: 'record',
          name: 'CommandCause',
          doc: 'Position of the input record that led to this one.',
          fields: [
            { name: 'topic', type: 'string', doc: 'Topic of the record.' },
            { name: 'partition', type: 'int', doc: 'Partition of the record.' },
            {
              name: 'offset',
              type: 'long',
              doc: 'Offset of the record in its partition; -1 where there is none.',
            },
          ],
        },
        doc: 'The input record that demanded the switch.',
      },
      { name: 'reason', type: 'string', doc: 'Why, in words.' },
      { name: 'attempt', type: 'int', doc: '1 for the first issue, 2 and so on for repetitions.' },
      {
        name: 'issued_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Event time of the decision, or of the repetition.',
      },
    ],
  },
};

/** Schema of DeviceState. */
export const deviceStateSchema: RecordSchema<DeviceState> = {
  name: 'weir.migration.DeviceState',
  schema: {
    type: 'record',
    name: 'DeviceState',
    namespace: 'weir.migration',
    doc: 'State of processor migration.device-failover, for one device.',
    fields: [
      { name: 'vm_id', type: 'string', doc: 'VM of the newest report.' },
      {
        name: 'links',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'LinkEntry',
            doc: 'Newest report of one host on one interface.',
            fields: [
              {
                name: 'interface',
                type: {
                  type: 'enum',
                  name: 'LinkEntryInterface',
                  symbols: ['primary', 'standby'],
                  doc: 'Which interface.',
                },
                doc: 'Which interface.',
              },
              { name: 'host', type: 'string', doc: 'Reporting host.' },
              { name: 'mac', type: 'string', doc: 'MAC address.' },
              { name: 'attached', type: 'boolean', doc: 'Plugged in.' },
              { name: 'link_up', type: 'boolean', doc: 'Has carrier.' },
              { name: 'path_epoch', type: 'long', doc: 'Epoch of the report.' },
              {
                name: 'observed_at',
                type: { type: 'long', logicalType: 'timestamp-millis' },
                doc: 'Time of the report.',
              },
            ],
          },
        },
        doc: 'Newest report for each interface and host, in order of first report.',
      },
      {
        name: 'fence_epoch',
        type: 'long',
        doc: 'Largest epoch under which a host has held a working primary; claims under an older one are stale. -1 before the first.',
      },
      { name: 'owner_host', type: 'string', doc: 'Host that holds the primary; empty before the first.' },
      { name: 'primary_up', type: 'boolean', doc: 'Whether the primary was usable after the newest report.' },
      {
        name: 'primary_since',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Event time of the last change of primary_up.',
      },
      {
        name: 'active',
        type: {
          type: 'enum',
          name: 'DeviceStateActive',
          symbols: ['none', 'primary', 'standby'],
          doc: 'Path decided.',
        },
        doc: 'Path decided last.',
      },
      {
        name: 'active_since',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Event time of that decision.',
      },
      { name: 'path_epoch', type: 'long', doc: 'Largest epoch seen or issued.' },
      { name: 'penalty', type: 'double', doc: 'RFC 2439 figure of merit as of penalty_at.' },
      {
        name: 'penalty_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When the penalty was computed last.',
      },
      { name: 'penalty_capped', type: 'boolean', doc: 'Whether the last flap met the ceiling.' },
      { name: 'suppressed', type: 'boolean', doc: 'Whether a return to primary is suppressed.' },
      {
        name: 'cause',
        type: {
          type: 'record',
          name: 'DeviceStateCause',
          doc: 'Position of the input record that led to this one.',
          fields: [
            { name: 'topic', type: 'string', doc: 'Topic of the record.' },
            { name: 'partition', type: 'int', doc: 'Partition of the record.' },
            {
              name: 'offset',
              type: 'long',
              doc: 'Offset of the record in its partition; -1 where there is none.',
            },
          ],
        },
        doc: 'The record that the newest decision or running wait goes back to.',
      },
      {
        name: 'pending',
        type: [
          'null',
          {
            type: 'record',
            name: 'PendingCommand',
            doc: 'A command not yet acknowledged.',
            fields: [
              { name: 'command_id', type: 'string', doc: 'Its id.' },
              {
                name: 'to',
                type: {
                  type: 'enum',
                  name: 'PendingCommandTo',
                  symbols: ['primary', 'standby'],
                  doc: 'Interface.',
                },
                doc: 'Interface.',
              },
              { name: 'path_epoch', type: 'long', doc: 'Its epoch.' },
              {
                name: 'cause',
                type: {
                  type: 'record',
                  name: 'PendingCommandCause',
                  doc: 'Position of the input record that led to this one.',
                  fields: [
                    { name: 'topic', type: 'string', doc: 'Topic of the record.' },
                    { name: 'partition', type: 'int', doc: 'Partition of the record.' },
                    {
                      name: 'offset',
                      type: 'long',
                      doc: 'Offset of the record in its partition; -1 where there is none.',
                    },
                  ],
                },
                doc: 'What demanded it.',
              },
              { name: 'reason', type: 'string', doc: 'Why.' },
              { name: 'attempt', type: 'int', doc: 'Times issued.' },
            ],
          },
        ],
        default: null,
        doc: 'The command that waits for its acknowledgement.',
      },
      {
        name: 'migration',
        type: [
          'null',
          {
            type: 'record',
            name: 'MigrationProgress',
            doc: 'A migration under way, or the last one.',
            fields: [
              { name: 'uid', type: 'string', doc: 'The migration.' },
              { name: 'source_node', type: 'string', doc: 'Source.' },
              { name: 'target_node', type: 'string', doc: 'Target.' },
              {
                name: 'source_state',
                type: 'string',
                doc: 'Device state on the source, empty before its first report.',
              },
              {
                name: 'source_at',
                type: { type: 'long', logicalType: 'timestamp-millis' },
                doc: 'Time of that report.',
              },
              {
                name: 'target_state',
                type: 'string',
                doc: 'Device state on the target, empty before its first report.',
              },
              {
                name: 'target_at',
                type: { type: 'long', logicalType: 'timestamp-millis' },
                doc: 'Time of that report.',
              },
              {
                name: 'started_at',
                type: { type: 'long', logicalType: 'timestamp-millis' },
                doc: 'First report.',
              },
              {
                name: 'stopped_at',
                type: ['null', { type: 'long', logicalType: 'timestamp-millis' }],
                default: null,
                doc: 'When the source device stopped.',
              },
              {
                name: 'running_at',
                type: ['null', { type: 'long', logicalType: 'timestamp-millis' }],
                default: null,
                doc: 'When the target device ran.',
              },
              {
                name: 'prediction',
                type: {
                  type: 'enum',
                  name: 'MigrationPrediction',
                  symbols: ['yes', 'no', 'unknown'],
                  doc: 'Forecast.',
                },
                doc: 'Whether pre-copy was forecast to converge.',
              },
              {
                name: 'expected_downtime_ms',
                type: ['null', 'double'],
                default: null,
                doc: 'Forecast downtime.',
              },
              { name: 'ended', type: 'boolean', doc: 'Whether its outcome has been told.' },
            ],
          },
        ],
        default: null,
        doc: 'The newest migration of the device.',
      },
    ],
  },
};

/** Topic migration.link-states: LinkState, keyed by device. */
export const linkStates: Stream<LinkState> = {
  name: 'weir.migration.LinkState',
  topic: 'migration.link-states',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'observed_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'migration_link_states', orderBy: ['device_id', 'observed_at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'LinkState',
    namespace: 'weir.migration',
    doc: 'What a host sees of one interface of a virtual device. Sent on every change, and repeated at will: a repetition changes nothing.',
    weir: {
      topic: 'migration.link-states',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'observed_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'observed_at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      {
        name: 'mac',
        type: 'string',
        doc: 'MAC address of the interface, lower-case hexadecimal with colons.',
      },
      {
        name: 'host',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Host that reports this: the one that the interface is, or was, attached on.',
      },
      {
        name: 'interface',
        type: {
          type: 'enum',
          name: 'LinkStateInterface',
          symbols: ['primary', 'standby'],
          doc: 'Which of the two interfaces.',
        },
        doc: 'primary: the fast path (directly assigned hardware); standby: the software interface.',
      },
      {
        name: 'attached',
        type: 'boolean',
        doc: 'Whether the interface is plugged into the VM on this host.',
      },
      { name: 'link_up', type: 'boolean', doc: 'Whether the link has carrier (operational state up).' },
      {
        name: 'path_epoch',
        type: 'long',
        doc: "Newest path epoch that this host knows for the device (from commands applied, or given to it when it took the device over). Rises with every switch; a claim under an older epoch than the newest holder's is stale.",
      },
      {
        name: 'observed_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When the host saw this state; its own clock.',
      },
    ],
  },
};

/** Topic migration.outcomes: Outcome, keyed by device. */
export const outcomes: Stream<Outcome> = {
  name: 'weir.migration.Outcome',
  topic: 'migration.outcomes',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'ended_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'migration_outcomes', orderBy: ['device_id', 'ended_at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Outcome',
    namespace: 'weir.migration',
    doc: 'How a migration of a virtual device ended.',
    weir: {
      topic: 'migration.outcomes',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'ended_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'ended_at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      { name: 'migration_uid', type: 'string', doc: 'The migration.' },
      {
        name: 'source_node',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Node that the VM left.',
      },
      {
        name: 'target_node',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Node that the VM went to.',
      },
      {
        name: 'outcome',
        type: {
          type: 'enum',
          name: 'OutcomeKind',
          symbols: ['completed', 'failed', 'cancelled', 'abandoned'],
          doc: 'How it ended.',
        },
        doc: 'completed: runs on the target; failed: a device went to error, or a failure was reported; cancelled: runs on the source again; abandoned: another migration of the device began first.',
      },
      { name: 'reason', type: 'string', doc: 'Why it did not complete; empty when it did.' },
      {
        name: 'downtime_ms',
        type: ['null', 'long'],
        default: null,
        doc: "From the source device's stop to the target device running; null where either was not seen, or the two clocks contradict each other (then there is a clock_skew alert).",
      },
      {
        name: 'expected_downtime_ms',
        type: ['null', 'double'],
        default: null,
        doc: 'Downtime forecast from the last pre-copy report; null without a forecast, or where pre-copy cannot converge.',
      },
      {
        name: 'predicted_to_converge',
        type: {
          type: 'enum',
          name: 'OutcomePrediction',
          symbols: ['yes', 'no', 'unknown'],
          doc: 'Pre-copy forecast.',
        },
        doc: 'Whether the pre-copy was forecast to converge: no if any report of it had a dirty rate of at least the bandwidth.',
      },
      {
        name: 'started_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'First report of the migration.',
      },
      {
        name: 'ended_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Report that ended it.',
      },
    ],
  },
};

/** Topic migration.phases: Phase, keyed by device. */
export const phases: Stream<Phase> = {
  name: 'weir.migration.Phase',
  topic: 'migration.phases',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'observed_at', unit: 'millis' },
  partitions: 4,
  clickhouse: {
    table: 'migration_phases',
    orderBy: ['device_id', 'migration_uid', 'observed_at'],
    ttlDays: 90,
  },
  schema: {
    type: 'record',
    name: 'Phase',
    namespace: 'weir.migration',
    doc: "State of a virtual device in a live migration, as one of the two nodes reports it. VFIO's device states (linux/vfio.h, vfio_device_mig_state).",
    weir: {
      topic: 'migration.phases',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'observed_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'migration_uid', 'observed_at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      { name: 'migration_uid', type: 'string', doc: 'The migration: unique for each attempt.' },
      {
        name: 'source_node',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Node that the VM leaves.',
      },
      {
        name: 'target_node',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Node that the VM goes to.',
      },
      {
        name: 'side',
        type: { type: 'enum', name: 'PhaseSide', symbols: ['source', 'target'], doc: 'Which node reports.' },
        doc: 'Node that reports: each has a VFIO device of its own, with its own state.',
      },
      {
        name: 'device_state',
        type: {
          type: 'enum',
          name: 'PhaseDeviceState',
          symbols: [
            'stop',
            'running',
            'stop_copy',
            'resuming',
            'running_p2p',
            'pre_copy',
            'pre_copy_p2p',
            'error',
          ],
          doc: 'VFIO device states.',
        },
        doc: 'State of the VFIO device on the reporting node.',
      },
      {
        name: 'data_remaining_bytes',
        type: ['null', 'long'],
        default: null,
        doc: 'Bytes still to be transferred (memory and device state); null where the node does not know.',
      },
      {
        name: 'dirty_rate',
        type: ['null', 'double'],
        default: null,
        doc: 'Bytes per second that the VM dirties; null where the node does not know.',
      },
      {
        name: 'bandwidth',
        type: ['null', 'double'],
        default: null,
        doc: 'Bytes per second at which the migration transfers; null where the node does not know.',
      },
      {
        name: 'failure_reason',
        type: ['null', 'string'],
        default: null,
        doc: "Why the migration failed or was cancelled, in the orchestrator's words; null while there is no failure.",
      },
      {
        name: 'observed_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When the node saw this state; its own clock.',
      },
    ],
  },
};

/** Topic migration.transitions: Transition, keyed by device. */
export const transitions: Stream<Transition> = {
  name: 'weir.migration.Transition',
  topic: 'migration.transitions',
  kind: 'stream',
  key: { field: 'device_id', entity: 'device' },
  time: { field: 'at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'migration_transitions', orderBy: ['device_id', 'at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Transition',
    namespace: 'weir.migration',
    doc: "A change of the path that a virtual device's data takes, as decided. The first one of a device comes from `none`.",
    weir: {
      topic: 'migration.transitions',
      kind: 'stream',
      key: { field: 'device_id', entity: 'device' },
      time: 'at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: 'Virtual device whose two interfaces these are; stays the same wherever its VM runs.',
      },
      { name: 'vm_id', type: 'string', doc: 'VM that the device belongs to.' },
      {
        name: 'from',
        type: {
          type: 'enum',
          name: 'TransitionFrom',
          symbols: ['none', 'primary', 'standby'],
          doc: 'Path before.',
        },
        doc: 'Path before; none for the first decision about a device.',
      },
      {
        name: 'to',
        type: { type: 'enum', name: 'TransitionTo', symbols: ['primary', 'standby'], doc: 'Path after.' },
        doc: 'Path from `at` on.',
      },
      { name: 'path_epoch', type: 'long', doc: 'Epoch of the switch.' },
      {
        name: 'command_id',
        type: ['null', 'string'],
        default: null,
        doc: 'The command that was sent for it; null where the device was already there (the first observation of a working primary).',
      },
      { name: 'reason', type: 'string', doc: 'Why, in words.' },
      {
        name: 'host',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Host whose report decided it.',
      },
      {
        name: 'seconds_in_from',
        type: ['null', 'double'],
        default: null,
        doc: 'Seconds that the device spent on the path before; null for the first.',
      },
      {
        name: 'flap_penalty',
        type: 'double',
        doc: 'RFC 2439 figure of merit at `at`, after this change was counted.',
      },
      {
        name: 'penalty_capped',
        type: 'boolean',
        doc: 'Whether the penalty would have been larger, but for the ceiling that bounds suppression.',
      },
      { name: 'suppressed', type: 'boolean', doc: 'Whether a return to primary is suppressed from here on.' },
      {
        name: 'at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Event time of the decision; never before the decision before it.',
      },
    ],
  },
};
