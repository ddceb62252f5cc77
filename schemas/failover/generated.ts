/**
 * Generated from the .avsc files beside it by `npm run generate`. Change those, not this file.
 */

import type { RecordSchema, Stream } from '#engine/topology/stream.ts';

/** What became of a prediction: the actual rate of the bin beside what was forecast. */
export interface Evaluation {
  /**
   * One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of
   * it.
   */
  readonly device_id: string;
  /** Application that the I/O belongs to; the host's own name for whole-device statistics. */
  readonly app: string;
  /** Host that was measured. */
  readonly host: string;
  /** Block device by its kernel name (sda, nvme0n1), or major:minor where it has none. */
  readonly device: string;
  /** As in the prediction. */
  readonly basis: EvaluationBasis;
  /** Actual rate of the bin, bytes per second. */
  readonly actual: number;
  /** Rate that had been forecast, bytes per second. */
  readonly predicted: number;
  /** Lower end of the interval that had been given. */
  readonly lower: number;
  /** Upper end of the interval that had been given; null: it was not bounded. */
  readonly upper: number | null;
  /** Whether the interval covered the actual rate (an unbounded one always does). */
  readonly covered: boolean;
  /** Whether the interval was bounded: only these count for coverage. */
  readonly bounded: boolean;
  /** Method of the prediction. */
  readonly method: EvaluationMethod;
  /** Miss rate in force when the prediction was made. */
  readonly alpha_before: number;
  /** Miss rate in force after this evaluation: lower after a miss. */
  readonly alpha_after: number;
  /** Start of the bin. */
  readonly for_time: number;
  /** Length of the bin in milliseconds. */
  readonly bin_ms: number;
  /** End of the bin. */
  readonly evaluated_at: number;
}

/** Which bytes. */
export type EvaluationBasis = 'unique' | 'written';

/** Forecasting method. */
export type EvaluationMethod = 'maximum' | 'exponential_smoothing' | 'holt_winters';

/**
 * I/O of one device in one interval, from cumulative kernel counters (/proc/diskstats, cgroup io.stat). Deltas are
 * null where they are not known: missing is not zero.
 */
export interface IoSample {
  /**
   * One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of
   * it.
   */
  readonly device_id: string;
  /** Application that the I/O belongs to; the host's own name for whole-device statistics. */
  readonly app: string;
  /** Host that was measured. */
  readonly host: string;
  /** Block device by its kernel name (sda, nvme0n1), or major:minor where it has none. */
  readonly device: string;
  /** diskstats: /proc/diskstats, sectors of 512 bytes; cgroup: io.stat of cgroup v2. */
  readonly source: IoSampleSource;
  /** Reads completed in the interval; null if unknown. */
  readonly read_ops: number | null;
  /** Writes completed in the interval; null if unknown. */
  readonly write_ops: number | null;
  /** Bytes read in the interval; null if unknown. */
  readonly read_bytes: number | null;
  /** Bytes written in the interval; null if unknown (first reading, counter reset). */
  readonly write_bytes: number | null;
  /**
   * Bytes at distinct addresses written in the interval: what replication has to send. Null on a host that does not
   * track it; then write_bytes bounds it from above.
   */
  readonly unique_bytes: number | null;
  /**
   * Cumulative bytes written, as the kernel counts them, at sampled_at: closes gaps where samples were lost. Null
   * where there is no such counter.
   */
  readonly write_bytes_total: number | null;
  /** Length of the interval that ends at sampled_at, in milliseconds, by a monotonic clock. */
  readonly interval_ms: number;
  /**
   * Whether a counter was found smaller than before, and not by a wrap: reboot or device replaced. Deltas are null
   * then.
   */
  readonly counter_reset: boolean;
  /** End of the interval. */
  readonly sampled_at: number;
}

/** Where the counters come from. */
export type IoSampleSource = 'diskstats' | 'cgroup';

/** A prediction whose bin is not over. */
export interface PendingPrediction {
  /** Start of the bin forecast. */
  readonly for_time: number;
  /** Forecast. */
  readonly rate: number;
  /** Lower end. */
  readonly lower: number;
  /** Upper end; null: unbounded. */
  readonly upper: number | null;
  /** Whether its evaluation changes the miss rate: not while too few errors are known for any interval. */
  readonly adapts: boolean;
  /** Miss rate in force. */
  readonly alpha: number;
  /** Method. */
  readonly method: PendingPredictionMethod;
}

/** Forecasting method. */
export type PendingPredictionMethod = 'maximum' | 'exponential_smoothing' | 'holt_winters';

/** Forecast of the replication I/O rate of a device for one future bin of time. */
export interface Prediction {
  /**
   * One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of
   * it.
   */
  readonly device_id: string;
  /** Application that the I/O belongs to; the host's own name for whole-device statistics. */
  readonly app: string;
  /** Host that was measured. */
  readonly host: string;
  /** Block device by its kernel name (sda, nvme0n1), or major:minor where it has none. */
  readonly device: string;
  /** unique: unique_bytes; written: write_bytes, an upper bound. */
  readonly basis: PredictionBasis;
  /** Forecast, bytes per second. */
  readonly rate: number;
  /** Whether the method forecast a negative rate, so that `rate` shows 0 in its place. */
  readonly rate_floored: boolean;
  /** Lower end of the interval, bytes per second; never below 0. */
  readonly lower: number;
  /** Upper end of the interval, bytes per second; null: not bounded yet (too few errors known for this coverage). */
  readonly upper: number | null;
  /** From made_at to the end of the forecast bin, in milliseconds. */
  readonly horizon_ms: number;
  /** Method in use. */
  readonly method: PredictionMethod;
  /** Share of actual rates that the interval is to cover, 0 to 1. */
  readonly target_coverage: number;
  /** Miss rate in force (adaptive conformal inference); may leave 0 to 1, then the interval is unbounded or empty. */
  readonly alpha: number;
  /** Share of bounded intervals so far that covered the actual rate, 0 to 1; null before the first. */
  readonly coverage: number | null;
  /** Bins without samples since the model began: their values were not observed. */
  readonly missing_bins: number;
  /** Start of the bin that is forecast. */
  readonly for_time: number;
  /** Length of the bin in milliseconds. */
  readonly bin_ms: number;
  /** End of the last bin known when the forecast was made. */
  readonly made_at: number;
}

/** Which bytes are forecast. */
export type PredictionBasis = 'unique' | 'written';

/** The bin being filled. */
export interface PredictionBinning {
  /** Start of the bin that is being filled; 0 before the first sample. */
  readonly open_start: number;
  /** Bytes in it so far. */
  readonly open_bytes: number;
  /** Milliseconds of it that samples cover so far. */
  readonly open_covered_ms: number;
  /** End of the last sample used; 0 before the first. */
  readonly last_end: number;
  /** write_bytes_total of that sample. */
  readonly last_total: number | null;
  /** Samples not used because they ended before one already used. */
  readonly ignored_samples: number;
}

/** Forecasting method. */
export type PredictionMethod = 'maximum' | 'exponential_smoothing' | 'holt_winters';

/** State of processor failover.io-prediction, for one device. */
export interface PredictionState {
  /** The bin being filled. */
  readonly binning: PredictionBinning;
  /** Rates of the bins so far, oldest first, until two seasons are known; then empty. */
  readonly history: readonly number[];
  /** Bins observed since the model began. */
  readonly seen: number;
  /** Bins without samples since the model began. */
  readonly missing: number;
  /** Largest rate since the model began, bytes per second. */
  readonly maximum: number;
  /** Level of exponential smoothing. */
  readonly smoothed: number;
  /** Holt-Winters level. */
  readonly level: number;
  /** Holt-Winters trend per bin. */
  readonly trend: number;
  /** Holt-Winters seasonal terms; empty until two seasons are known. */
  readonly seasonals: readonly number[];
  /** Index into seasonals of the next bin. */
  readonly season_index: number;
  /** Miss rate in force. */
  readonly alpha: number;
  /** Last absolute errors, oldest first, bytes per second. */
  readonly scores: readonly number[];
  /** Bounded intervals evaluated. */
  readonly evaluated: number;
  /** Of these, those that covered. */
  readonly covered: number;
  /** Predictions whose bins are not over, oldest first. */
  readonly pending: readonly PendingPrediction[];
}

/** The bin being filled. */
export interface ReplicationBinning {
  /** Start of the bin that is being filled; 0 before the first sample. */
  readonly open_start: number;
  /** Bytes in it so far. */
  readonly open_bytes: number;
  /** Milliseconds of it that samples cover so far. */
  readonly open_covered_ms: number;
  /** End of the last sample used; 0 before the first. */
  readonly last_end: number;
  /** write_bytes_total of that sample. */
  readonly last_total: number | null;
  /** Samples not used because they ended before one already used. */
  readonly ignored_samples: number;
}

/** What replication of a device needs and attains, over a sliding window. */
export interface ReplicationNeed {
  /**
   * One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of
   * it.
   */
  readonly device_id: string;
  /** Application that the I/O belongs to; the host's own name for whole-device statistics. */
  readonly app: string;
  /** Host that was measured. */
  readonly host: string;
  /** Block device by its kernel name (sda, nvme0n1), or major:minor where it has none. */
  readonly device: string;
  /** unique: unique_bytes; written: write_bytes, an upper bound. */
  readonly basis: ReplicationNeedBasis;
  /** Start of the window. */
  readonly window_start: number;
  /** End of the window. */
  readonly window_end: number;
  /** Length of a bin in milliseconds. */
  readonly bin_ms: number;
  /** Bins in the window. */
  readonly bins: number;
  /** Bins in the window without samples: the mean of the others stands in for them. */
  readonly missing_bins: number;
  /** Samples so far that were not used because they ended before one already used. */
  readonly ignored_samples: number;
  /** Bytes to be replicated in the window. */
  readonly written_bytes: number;
  /** Largest rate of a bin, bytes per second. */
  readonly peak_rate: number;
  /** Recovery point objective, milliseconds. */
  readonly rpo_target_ms: number;
  /** Least bandwidth with which every byte is sent within the RPO, bytes per second. */
  readonly bandwidth_100: number;
  /** Least bandwidth with which the RPO holds at 90 % of the bins, bytes per second. */
  readonly bandwidth_90: number;
  /** Bandwidth of the replication link that the queue is computed for, bytes per second. */
  readonly bandwidth: number;
  /** Unsent bytes at window_end on that link. */
  readonly queue_bytes: number;
  /** Largest age of the oldest unsent byte since the previous row, milliseconds; a lower bound if rpo_beyond_window. */
  readonly attained_rpo_ms: number;
  /** Whether the oldest unsent byte is older than the window, so that its age is only known to be at least that. */
  readonly rpo_beyond_window: boolean;
  /** Bins since the previous row of this device. */
  readonly step_bins: number;
  /** Of these, bins at whose end the oldest unsent byte was older than the RPO. */
  readonly violation_bins: number;
  /** Longest violation that was under way since the previous row, from its beginning, milliseconds. */
  readonly longest_violation_ms: number;
}

/** Which bytes. */
export type ReplicationNeedBasis = 'unique' | 'written';

/** State of processor failover.replication-needs, for one device. */
export interface ReplicationState {
  /** The bin being filled. */
  readonly binning: ReplicationBinning;
  /** Bytes of the last bins, oldest first; -1 for a bin without samples. */
  readonly bins: readonly number[];
  /** End of the newest of these bins. */
  readonly window_end: number;
  /** Unsent bytes. */
  readonly queue_bytes: number;
  /** Bins since the last row. */
  readonly step_bins: number;
  /** Of these, in violation. */
  readonly violation_bins: number;
  /** Largest age since the last row, in bins. */
  readonly attained_rpo_bins: number;
  /** Whether that age is a lower bound. */
  readonly beyond_window: boolean;
  /** Length so far of the violation under way, in bins; 0 outside one. */
  readonly run_bins: number;
  /** Longest violation under way since the last row, in bins. */
  readonly longest_run_bins: number;
}

/**
 * Whether the telemetry of a device is suspected to have stopped (phi accrual). A sign, never by itself a reason to
 * fail over.
 */
export interface Suspicion {
  /**
   * One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of
   * it.
   */
  readonly device_id: string;
  /** Application that the I/O belongs to; the host's own name for whole-device statistics. */
  readonly app: string;
  /** Host that was measured. */
  readonly host: string;
  /** Block device by its kernel name (sda, nvme0n1), or major:minor where it has none. */
  readonly device: string;
  /** suspected: silent for longer than its own rhythm explains; trusted: it came back. */
  readonly state: SuspicionVerdict;
  /** -log10 of the probability that a sample comes even later than this. */
  readonly phi: number;
  /** Milliseconds since the last sample before. */
  readonly silent_ms: number;
  /** Mean interval of the samples so far. */
  readonly mean_interval_ms: number;
  /** Standard deviation of the intervals that phi was computed with. */
  readonly sd_interval_ms: number;
  /** Event time. */
  readonly at: number;
}

/** State of processor failover.telemetry-suspicion, for one device. */
export interface SuspicionState {
  /** As in the samples. */
  readonly app: string;
  /** As in the samples. */
  readonly host: string;
  /** As in the samples. */
  readonly device: string;
  /** Time of the last sample; 0 before the first. */
  readonly last_at: number;
  /** Intervals observed. */
  readonly intervals: number;
  /** Exponentially weighted mean interval. */
  readonly mean_ms: number;
  /** Exponentially weighted variance of the interval. */
  readonly variance_ms2: number;
  /** Whether the telemetry is suspected. */
  readonly suspected: boolean;
}

/** Verdict. */
export type SuspicionVerdict = 'suspected' | 'trusted';

/** Topic failover.evaluations: Evaluation, keyed by block-device. */
export const evaluations: Stream<Evaluation> = {
  name: 'weir.failover.Evaluation',
  topic: 'failover.evaluations',
  kind: 'stream',
  key: { field: 'device_id', entity: 'block-device' },
  time: { field: 'evaluated_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'failover_evaluations', orderBy: ['device_id', 'for_time'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Evaluation',
    namespace: 'weir.failover',
    doc: 'What became of a prediction: the actual rate of the bin beside what was forecast.',
    weir: {
      topic: 'failover.evaluations',
      kind: 'stream',
      key: { field: 'device_id', entity: 'block-device' },
      time: 'evaluated_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'for_time'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: "One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of it.",
      },
      {
        name: 'app',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: "Application that the I/O belongs to; the host's own name for whole-device statistics.",
      },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host that was measured.' },
      {
        name: 'device',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Block device by its kernel name (sda, nvme0n1), or major:minor where it has none.',
      },
      {
        name: 'basis',
        type: { type: 'enum', name: 'EvaluationBasis', symbols: ['unique', 'written'], doc: 'Which bytes.' },
        clickhouse: { lowCardinality: true },
        doc: 'As in the prediction.',
      },
      { name: 'actual', type: 'double', doc: 'Actual rate of the bin, bytes per second.' },
      { name: 'predicted', type: 'double', doc: 'Rate that had been forecast, bytes per second.' },
      { name: 'lower', type: 'double', doc: 'Lower end of the interval that had been given.' },
      {
        name: 'upper',
        type: ['null', 'double'],
        default: null,
        doc: 'Upper end of the interval that had been given; null: it was not bounded.',
      },
      {
        name: 'covered',
        type: 'boolean',
        doc: 'Whether the interval covered the actual rate (an unbounded one always does).',
      },
      {
        name: 'bounded',
        type: 'boolean',
        doc: 'Whether the interval was bounded: only these count for coverage.',
      },
      {
        name: 'method',
        type: {
          type: 'enum',
          name: 'EvaluationMethod',
          symbols: ['maximum', 'exponential_smoothing', 'holt_winters'],
          doc: 'Forecasting method.',
        },
        clickhouse: { lowCardinality: true },
        doc: 'Method of the prediction.',
      },
      { name: 'alpha_before', type: 'double', doc: 'Miss rate in force when the prediction was made.' },
      {
        name: 'alpha_after',
        type: 'double',
        doc: 'Miss rate in force after this evaluation: lower after a miss.',
      },
      { name: 'for_time', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: 'Start of the bin.' },
      { name: 'bin_ms', type: 'long', doc: 'Length of the bin in milliseconds.' },
      {
        name: 'evaluated_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'End of the bin.',
      },
    ],
  },
};

/** Topic failover.io-samples: IoSample, keyed by block-device. */
export const ioSamples: Stream<IoSample> = {
  name: 'weir.failover.IoSample',
  topic: 'failover.io-samples',
  kind: 'stream',
  key: { field: 'device_id', entity: 'block-device' },
  time: { field: 'sampled_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'failover_io_samples', orderBy: ['device_id', 'sampled_at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'IoSample',
    namespace: 'weir.failover',
    doc: 'I/O of one device in one interval, from cumulative kernel counters (/proc/diskstats, cgroup io.stat). Deltas are null where they are not known: missing is not zero.',
    weir: {
      topic: 'failover.io-samples',
      kind: 'stream',
      key: { field: 'device_id', entity: 'block-device' },
      time: 'sampled_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'sampled_at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: "One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of it.",
      },
      {
        name: 'app',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: "Application that the I/O belongs to; the host's own name for whole-device statistics.",
      },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host that was measured.' },
      {
        name: 'device',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Block device by its kernel name (sda, nvme0n1), or major:minor where it has none.',
      },
      {
        name: 'source',
        type: {
          type: 'enum',
          name: 'IoSampleSource',
          symbols: ['diskstats', 'cgroup'],
          doc: 'Where the counters come from.',
        },
        clickhouse: { lowCardinality: true },
        doc: 'diskstats: /proc/diskstats, sectors of 512 bytes; cgroup: io.stat of cgroup v2.',
      },
      {
        name: 'read_ops',
        type: ['null', 'long'],
        default: null,
        doc: 'Reads completed in the interval; null if unknown.',
      },
      {
        name: 'write_ops',
        type: ['null', 'long'],
        default: null,
        doc: 'Writes completed in the interval; null if unknown.',
      },
      {
        name: 'read_bytes',
        type: ['null', 'long'],
        default: null,
        doc: 'Bytes read in the interval; null if unknown.',
      },
      {
        name: 'write_bytes',
        type: ['null', 'long'],
        default: null,
        doc: 'Bytes written in the interval; null if unknown (first reading, counter reset).',
      },
      {
        name: 'unique_bytes',
        type: ['null', 'long'],
        default: null,
        doc: 'Bytes at distinct addresses written in the interval: what replication has to send. Null on a host that does not track it; then write_bytes bounds it from above.',
      },
      {
        name: 'write_bytes_total',
        type: ['null', 'long'],
        default: null,
        doc: 'Cumulative bytes written, as the kernel counts them, at sampled_at: closes gaps where samples were lost. Null where there is no such counter.',
      },
      {
        name: 'interval_ms',
        type: 'long',
        doc: 'Length of the interval that ends at sampled_at, in milliseconds, by a monotonic clock.',
      },
      {
        name: 'counter_reset',
        type: 'boolean',
        doc: 'Whether a counter was found smaller than before, and not by a wrap: reboot or device replaced. Deltas are null then.',
      },
      {
        name: 'sampled_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'End of the interval.',
      },
    ],
  },
};

/** Schema of PredictionState. */
export const predictionStateSchema: RecordSchema<PredictionState> = {
  name: 'weir.failover.PredictionState',
  schema: {
    type: 'record',
    name: 'PredictionState',
    namespace: 'weir.failover',
    doc: 'State of processor failover.io-prediction, for one device.',
    fields: [
      {
        name: 'binning',
        type: {
          type: 'record',
          name: 'PredictionBinning',
          doc: 'The bin being filled.',
          fields: [
            {
              name: 'open_start',
              type: { type: 'long', logicalType: 'timestamp-millis' },
              doc: 'Start of the bin that is being filled; 0 before the first sample.',
            },
            { name: 'open_bytes', type: 'double', doc: 'Bytes in it so far.' },
            { name: 'open_covered_ms', type: 'double', doc: 'Milliseconds of it that samples cover so far.' },
            {
              name: 'last_end',
              type: { type: 'long', logicalType: 'timestamp-millis' },
              doc: 'End of the last sample used; 0 before the first.',
            },
            {
              name: 'last_total',
              type: ['null', 'long'],
              default: null,
              doc: 'write_bytes_total of that sample.',
            },
            {
              name: 'ignored_samples',
              type: 'long',
              doc: 'Samples not used because they ended before one already used.',
            },
          ],
        },
        doc: 'The bin being filled.',
      },
      {
        name: 'history',
        type: { type: 'array', items: 'double' },
        doc: 'Rates of the bins so far, oldest first, until two seasons are known; then empty.',
      },
      { name: 'seen', type: 'long', doc: 'Bins observed since the model began.' },
      { name: 'missing', type: 'long', doc: 'Bins without samples since the model began.' },
      { name: 'maximum', type: 'double', doc: 'Largest rate since the model began, bytes per second.' },
      { name: 'smoothed', type: 'double', doc: 'Level of exponential smoothing.' },
      { name: 'level', type: 'double', doc: 'Holt-Winters level.' },
      { name: 'trend', type: 'double', doc: 'Holt-Winters trend per bin.' },
      {
        name: 'seasonals',
        type: { type: 'array', items: 'double' },
        doc: 'Holt-Winters seasonal terms; empty until two seasons are known.',
      },
      { name: 'season_index', type: 'long', doc: 'Index into seasonals of the next bin.' },
      { name: 'alpha', type: 'double', doc: 'Miss rate in force.' },
      {
        name: 'scores',
        type: { type: 'array', items: 'double' },
        doc: 'Last absolute errors, oldest first, bytes per second.',
      },
      { name: 'evaluated', type: 'long', doc: 'Bounded intervals evaluated.' },
      { name: 'covered', type: 'long', doc: 'Of these, those that covered.' },
      {
        name: 'pending',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'PendingPrediction',
            doc: 'A prediction whose bin is not over.',
            fields: [
              {
                name: 'for_time',
                type: { type: 'long', logicalType: 'timestamp-millis' },
                doc: 'Start of the bin forecast.',
              },
              { name: 'rate', type: 'double', doc: 'Forecast.' },
              { name: 'lower', type: 'double', doc: 'Lower end.' },
              { name: 'upper', type: ['null', 'double'], default: null, doc: 'Upper end; null: unbounded.' },
              {
                name: 'adapts',
                type: 'boolean',
                doc: 'Whether its evaluation changes the miss rate: not while too few errors are known for any interval.',
              },
              { name: 'alpha', type: 'double', doc: 'Miss rate in force.' },
              {
                name: 'method',
                type: {
                  type: 'enum',
                  name: 'PendingPredictionMethod',
                  symbols: ['maximum', 'exponential_smoothing', 'holt_winters'],
                  doc: 'Forecasting method.',
                },
                doc: 'Method.',
              },
            ],
          },
        },
        doc: 'Predictions whose bins are not over, oldest first.',
      },
    ],
  },
};

/** Topic failover.predictions: Prediction, keyed by block-device. */
export const predictions: Stream<Prediction> = {
  name: 'weir.failover.Prediction',
  topic: 'failover.predictions',
  kind: 'stream',
  key: { field: 'device_id', entity: 'block-device' },
  time: { field: 'made_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'failover_predictions', orderBy: ['device_id', 'for_time'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Prediction',
    namespace: 'weir.failover',
    doc: 'Forecast of the replication I/O rate of a device for one future bin of time.',
    weir: {
      topic: 'failover.predictions',
      kind: 'stream',
      key: { field: 'device_id', entity: 'block-device' },
      time: 'made_at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'for_time'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: "One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of it.",
      },
      {
        name: 'app',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: "Application that the I/O belongs to; the host's own name for whole-device statistics.",
      },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host that was measured.' },
      {
        name: 'device',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Block device by its kernel name (sda, nvme0n1), or major:minor where it has none.',
      },
      {
        name: 'basis',
        type: {
          type: 'enum',
          name: 'PredictionBasis',
          symbols: ['unique', 'written'],
          doc: 'Which bytes are forecast.',
        },
        clickhouse: { lowCardinality: true },
        doc: 'unique: unique_bytes; written: write_bytes, an upper bound.',
      },
      { name: 'rate', type: 'double', doc: 'Forecast, bytes per second.' },
      {
        name: 'rate_floored',
        type: 'boolean',
        doc: 'Whether the method forecast a negative rate, so that `rate` shows 0 in its place.',
      },
      { name: 'lower', type: 'double', doc: 'Lower end of the interval, bytes per second; never below 0.' },
      {
        name: 'upper',
        type: ['null', 'double'],
        default: null,
        doc: 'Upper end of the interval, bytes per second; null: not bounded yet (too few errors known for this coverage).',
      },
      {
        name: 'horizon_ms',
        type: 'long',
        doc: 'From made_at to the end of the forecast bin, in milliseconds.',
      },
      {
        name: 'method',
        type: {
          type: 'enum',
          name: 'PredictionMethod',
          symbols: ['maximum', 'exponential_smoothing', 'holt_winters'],
          doc: 'Forecasting method.',
        },
        clickhouse: { lowCardinality: true },
        doc: 'Method in use.',
      },
      {
        name: 'target_coverage',
        type: 'double',
        doc: 'Share of actual rates that the interval is to cover, 0 to 1.',
      },
      {
        name: 'alpha',
        type: 'double',
        doc: 'Miss rate in force (adaptive conformal inference); may leave 0 to 1, then the interval is unbounded or empty.',
      },
      {
        name: 'coverage',
        type: ['null', 'double'],
        default: null,
        doc: 'Share of bounded intervals so far that covered the actual rate, 0 to 1; null before the first.',
      },
      {
        name: 'missing_bins',
        type: 'long',
        doc: 'Bins without samples since the model began: their values were not observed.',
      },
      {
        name: 'for_time',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Start of the bin that is forecast.',
      },
      { name: 'bin_ms', type: 'long', doc: 'Length of the bin in milliseconds.' },
      {
        name: 'made_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'End of the last bin known when the forecast was made.',
      },
    ],
  },
};

/** Topic failover.replication-needs: ReplicationNeed, keyed by block-device. */
export const replicationNeeds: Stream<ReplicationNeed> = {
  name: 'weir.failover.ReplicationNeed',
  topic: 'failover.replication-needs',
  kind: 'stream',
  key: { field: 'device_id', entity: 'block-device' },
  time: { field: 'window_end', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'failover_replication_needs', orderBy: ['device_id', 'window_end'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'ReplicationNeed',
    namespace: 'weir.failover',
    doc: 'What replication of a device needs and attains, over a sliding window.',
    weir: {
      topic: 'failover.replication-needs',
      kind: 'stream',
      key: { field: 'device_id', entity: 'block-device' },
      time: 'window_end',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'window_end'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: "One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of it.",
      },
      {
        name: 'app',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: "Application that the I/O belongs to; the host's own name for whole-device statistics.",
      },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host that was measured.' },
      {
        name: 'device',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Block device by its kernel name (sda, nvme0n1), or major:minor where it has none.',
      },
      {
        name: 'basis',
        type: {
          type: 'enum',
          name: 'ReplicationNeedBasis',
          symbols: ['unique', 'written'],
          doc: 'Which bytes.',
        },
        clickhouse: { lowCardinality: true },
        doc: 'unique: unique_bytes; written: write_bytes, an upper bound.',
      },
      {
        name: 'window_start',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Start of the window.',
      },
      {
        name: 'window_end',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'End of the window.',
      },
      { name: 'bin_ms', type: 'long', doc: 'Length of a bin in milliseconds.' },
      { name: 'bins', type: 'long', doc: 'Bins in the window.' },
      {
        name: 'missing_bins',
        type: 'long',
        doc: 'Bins in the window without samples: the mean of the others stands in for them.',
      },
      {
        name: 'ignored_samples',
        type: 'long',
        doc: 'Samples so far that were not used because they ended before one already used.',
      },
      { name: 'written_bytes', type: 'double', doc: 'Bytes to be replicated in the window.' },
      { name: 'peak_rate', type: 'double', doc: 'Largest rate of a bin, bytes per second.' },
      { name: 'rpo_target_ms', type: 'long', doc: 'Recovery point objective, milliseconds.' },
      {
        name: 'bandwidth_100',
        type: 'double',
        doc: 'Least bandwidth with which every byte is sent within the RPO, bytes per second.',
      },
      {
        name: 'bandwidth_90',
        type: 'double',
        doc: 'Least bandwidth with which the RPO holds at 90 % of the bins, bytes per second.',
      },
      {
        name: 'bandwidth',
        type: 'double',
        doc: 'Bandwidth of the replication link that the queue is computed for, bytes per second.',
      },
      { name: 'queue_bytes', type: 'double', doc: 'Unsent bytes at window_end on that link.' },
      {
        name: 'attained_rpo_ms',
        type: 'long',
        doc: 'Largest age of the oldest unsent byte since the previous row, milliseconds; a lower bound if rpo_beyond_window.',
      },
      {
        name: 'rpo_beyond_window',
        type: 'boolean',
        doc: 'Whether the oldest unsent byte is older than the window, so that its age is only known to be at least that.',
      },
      { name: 'step_bins', type: 'long', doc: 'Bins since the previous row of this device.' },
      {
        name: 'violation_bins',
        type: 'long',
        doc: 'Of these, bins at whose end the oldest unsent byte was older than the RPO.',
      },
      {
        name: 'longest_violation_ms',
        type: 'long',
        doc: 'Longest violation that was under way since the previous row, from its beginning, milliseconds.',
      },
    ],
  },
};

/** Schema of ReplicationState. */
export const replicationStateSchema: RecordSchema<ReplicationState> = {
  name: 'weir.failover.ReplicationState',
  schema: {
    type: 'record',
    name: 'ReplicationState',
    namespace: 'weir.failover',
    doc: 'State of processor failover.replication-needs, for one device.',
    fields: [
      {
        name: 'binning',
        type: {
          type: 'record',
          name: 'ReplicationBinning',
          doc: 'The bin being filled.',
          fields: [
            {
              name: 'open_start',
              type: { type: 'long', logicalType: 'timestamp-millis' },
              doc: 'Start of the bin that is being filled; 0 before the first sample.',
            },
            { name: 'open_bytes', type: 'double', doc: 'Bytes in it so far.' },
            { name: 'open_covered_ms', type: 'double', doc: 'Milliseconds of it that samples cover so far.' },
            {
              name: 'last_end',
              type: { type: 'long', logicalType: 'timestamp-millis' },
              doc: 'End of the last sample used; 0 before the first.',
            },
            {
              name: 'last_total',
              type: ['null', 'long'],
              default: null,
              doc: 'write_bytes_total of that sample.',
            },
            {
              name: 'ignored_samples',
              type: 'long',
              doc: 'Samples not used because they ended before one already used.',
            },
          ],
        },
        doc: 'The bin being filled.',
      },
      {
        name: 'bins',
        type: { type: 'array', items: 'double' },
        doc: 'Bytes of the last bins, oldest first; -1 for a bin without samples.',
      },
      {
        name: 'window_end',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'End of the newest of these bins.',
      },
      { name: 'queue_bytes', type: 'double', doc: 'Unsent bytes.' },
      { name: 'step_bins', type: 'long', doc: 'Bins since the last row.' },
      { name: 'violation_bins', type: 'long', doc: 'Of these, in violation.' },
      { name: 'attained_rpo_bins', type: 'long', doc: 'Largest age since the last row, in bins.' },
      { name: 'beyond_window', type: 'boolean', doc: 'Whether that age is a lower bound.' },
      {
        name: 'run_bins',
        type: 'long',
        doc: 'Length so far of the violation under way, in bins; 0 outside one.',
      },
      {
        name: 'longest_run_bins',
        type: 'long',
        doc: 'Longest violation under way since the last row, in bins.',
      },
    ],
  },
};

/** Schema of SuspicionState. */
export const suspicionStateSchema: RecordSchema<SuspicionState> = {
  name: 'weir.failover.SuspicionState',
  schema: {
    type: 'record',
    name: 'SuspicionState',
    namespace: 'weir.failover',
    doc: 'State of processor failover.telemetry-suspicion, for one device.',
    fields: [
      { name: 'app', type: 'string', doc: 'As in the samples.' },
      { name: 'host', type: 'string', doc: 'As in the samples.' },
      { name: 'device', type: 'string', doc: 'As in the samples.' },
      {
        name: 'last_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'Time of the last sample; 0 before the first.',
      },
      { name: 'intervals', type: 'long', doc: 'Intervals observed.' },
      { name: 'mean_ms', type: 'double', doc: 'Exponentially weighted mean interval.' },
      { name: 'variance_ms2', type: 'double', doc: 'Exponentially weighted variance of the interval.' },
      { name: 'suspected', type: 'boolean', doc: 'Whether the telemetry is suspected.' },
    ],
  },
};

/** Topic failover.suspicions: Suspicion, keyed by block-device. */
export const suspicions: Stream<Suspicion> = {
  name: 'weir.failover.Suspicion',
  topic: 'failover.suspicions',
  kind: 'stream',
  key: { field: 'device_id', entity: 'block-device' },
  time: { field: 'at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'failover_suspicions', orderBy: ['device_id', 'at'], ttlDays: 90 },
  schema: {
    type: 'record',
    name: 'Suspicion',
    namespace: 'weir.failover',
    doc: 'Whether the telemetry of a device is suspected to have stopped (phi accrual). A sign, never by itself a reason to fail over.',
    weir: {
      topic: 'failover.suspicions',
      kind: 'stream',
      key: { field: 'device_id', entity: 'block-device' },
      time: 'at',
      partitions: 4,
      clickhouse: { orderBy: ['device_id', 'at'], ttlDays: 90 },
    },
    fields: [
      {
        name: 'device_id',
        type: 'string',
        doc: "One series of I/O: `<host>/<device>` for a whole device, `<host>/<device>/<app>` for an application's share of it.",
      },
      {
        name: 'app',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: "Application that the I/O belongs to; the host's own name for whole-device statistics.",
      },
      { name: 'host', type: 'string', clickhouse: { lowCardinality: true }, doc: 'Host that was measured.' },
      {
        name: 'device',
        type: 'string',
        clickhouse: { lowCardinality: true },
        doc: 'Block device by its kernel name (sda, nvme0n1), or major:minor where it has none.',
      },
      {
        name: 'state',
        type: { type: 'enum', name: 'SuspicionVerdict', symbols: ['suspected', 'trusted'], doc: 'Verdict.' },
        clickhouse: { lowCardinality: true },
        doc: 'suspected: silent for longer than its own rhythm explains; trusted: it came back.',
      },
      {
        name: 'phi',
        type: 'double',
        doc: '-log10 of the probability that a sample comes even later than this.',
      },
      { name: 'silent_ms', type: 'long', doc: 'Milliseconds since the last sample before.' },
      { name: 'mean_interval_ms', type: 'double', doc: 'Mean interval of the samples so far.' },
      {
        name: 'sd_interval_ms',
        type: 'double',
        doc: 'Standard deviation of the intervals that phi was computed with.',
      },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: 'Event time.' },
    ],
  },
};
