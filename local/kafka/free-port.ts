/** TCP ports of this host. */
import { createServer } from 'node:net';
import { LocalError } from '../local-error.ts';

/** Listen on the port (0: any that is free) for a moment. @returns the port @throws LocalError `port-in-use` */
async function probe(host: string, port: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer();
  const bound = await new Promise<number>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message = `cannot listen on ${host}:${port} (${cause.code ?? cause.message}): name another port`;
      reject(new LocalError('port-in-use', message, { cause }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
    });
  return { port: bound, close };
}

/**
 * Ports that are free now, all different: those asked for first, then any. Another program may take one before it is
 * used; whoever uses it must be ready for that.
 *
 * @throws LocalError `port-in-use` when one that was asked for is taken
 */
export async function freePorts(host: string, wanted: readonly number[], count: number): Promise<number[]> {
  const held = [];
  try {
    // One after another, all held until the last: otherwise the same one could come twice.
    for (let i = 0; i < count; i++) held.push(await probe(host, wanted[i] ?? 0));
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map((one) => one.close()));
  }
}
