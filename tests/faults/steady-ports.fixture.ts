/** Ports that nobody is given by chance, for servers that are away for a while, or start late. */
import { freePorts } from '#local/kafka/free-port.ts';
import { LocalError } from '#local/local-error.ts';

/** Linux gives away 32768 to 60999 by itself. */
const first = 15_000;
const last = 32_000;
const maxTries = 100;

/** Ports of this host that are free, side by side. */
export async function steadyPorts(count: number): Promise<number[]> {
  for (let tries = 1; ; tries += 1) {
    const from = first + Math.floor(Math.random() * (last - first - count));
    try {
      return await freePorts(
        '127.0.0.1',
        Array.from({ length: count }, (_, i) => from + i),
        count,
      );
    } catch (error) {
      if (!(error instanceof LocalError && error.code === 'port-in-use') || tries === maxTries) throw error;
    }
  }
}
