/**
 * A recording: a directory with the input and output topics of a window of time, the order journals, and the state of each
 * task at its start. With the same processors it replays byte for byte.
 *
 *     recording.json                          the manifest below; written last, so a recording without one is cut off
 *     topics/<topic>/<partition>.avro         RecordedRecord, an Avro object container file
 *     tasks/<processor>/<partition>.journal.avro   JournalChunk
 *     tasks/<processor>/<partition>.state.avro     RecordedRecord: changelog key and value; offset counts
 *     schemas.avro                            SchemaAnnouncement of every writer's schema
 */

export interface RecordedTopic {
  readonly topic: string;
  readonly partition: number;
  readonly file: string;
  readonly records: number;
}

export interface RecordedTask {
  readonly processor: string;
  readonly partition: number;
  /** Topics of the processor's inputs and then its tables, in their order: what the journal's numbers stand for. */
  readonly inputs: readonly string[];
  readonly journal: { readonly file: string; readonly records: number };
  readonly state: { readonly file: string; readonly records: number };
}

export interface RecordingManifest {
  readonly format: 1;
  readonly app: string;
  /** ISO time at which the recording was finished. */
  readonly finishedAt: string;
  /** By processor: parameters that were in force. */
  readonly parameters: Readonly<Record<string, Readonly<Record<string, number | string | boolean>>>>;
  readonly topics: readonly RecordedTopic[];
  readonly tasks: readonly RecordedTask[];
  readonly schemas: { readonly file: string; readonly records: number };
}

export const manifestFile = 'recording.json';
