/** A TCP proxy that cuts connections when the answer comes: the request was carried out, and nobody is told. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface CuttingProxy {
  readonly url: string;
  /** Cuts the next so many answers. */
  readonly cutAnswers: (count: number) => void;
  /** How many are still to be cut. */
  readonly left: () => number;
  readonly close: () => Promise<void>;
}

export async function startCuttingProxy(port: number): Promise<CuttingProxy> {
  let toCut = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const both = [client, upstream];
    for (const socket of both) {
      open.add(socket);
      // A reset of one side is what the other is to see.
      socket.on('error', () => {
        for (const each of both) each.destroy();
      });
      socket.on('close', () => {
        open.delete(socket);
        for (const each of both) each.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      if (toCut > 0) {
        toCut -= 1;
        client.resetAndDestroy();
      } else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAnswers: (count) => {
      toCut = count;
    },
    left: () => toCut,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
