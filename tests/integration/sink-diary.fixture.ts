/** What the sinks of a test went through and where they are: for the message of a wait in vain. */
import type { KafkaSink, KafkaSinkConfig } from '#sinks/clickhouse/kafka/kafka-sink.ts';

type Heard = Pick<KafkaSinkConfig, 'onTrouble' | 'onRetry'>;

const mostNotes = 60;

export class SinkDiary {
  readonly #startedAtMs = performance.now();
  readonly #sinks: KafkaSink[] = [];
  readonly #notes: string[] = [];
  #started = 0;

  /** The configuration of a sink that is about to be started, whose retries and troubles are written down too. */
  heeding<C extends Heard>(config: C): C & Required<Heard> {
    const name = `sink ${++this.#started}`;
    this.#note(`${name} starts`);
    return {
      ...config,
      onTrouble: (error) => {
        this.#note(`${name}: ${error.code} ${error.message}`);
        config.onTrouble?.(error);
      },
      onRetry: (retrying) => {
        const { place, attempt, pauseMs, error } = retrying;
        this.#note(`${name}: ${place}, try ${attempt}, again in ${Math.round(pauseMs)} ms: ${error.message}`);
        config.onRetry?.(retrying);
      },
    };
  }

  /** In the order of their starting. */
  follow(sink: KafkaSink): void {
    this.#sinks.push(sink);
    const name = `sink ${this.#sinks.length}`;
    this.#note(`${name} has joined`);
    void sink.failed.then((error) => {
      this.#note(`${name} has failed: ${error.code} ${error.message}`);
    });
  }

  /** Line by line: of each sink its partitions and what it did with each topic, then the newest notes. */
  async tell(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const [i, sink] of this.#sinks.entries()) {
      const partitions = [...sink.assignment].map(([topic, its]) => `${topic}/${its.join(',')}`);
      lines.push(`sink ${i + 1} has ${partitions.join(' ')}`);
      const stats = await sink.stats().catch((error: unknown) => [`no statistics: ${String(error)}`]);
      lines.push(...stats.map((one) => `  ${JSON.stringify(one)}`));
    }
    return [...lines, ...this.#notes.slice(-mostNotes)];
  }

  #note(text: string): void {
    this.#notes.push(`${Math.round(performance.now() - this.#startedAtMs)} ms ${text}`);
  }
}
