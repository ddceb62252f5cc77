/** A proxy in front of a broker that loses the answers to what is produced: the broker has the records, and nobody is told. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

const produce = 0;

export interface LosingProxy {
  /** What the broker must advertise, for clients to come here. */
  readonly address: string;
  /** From now on: the next produce request gets through, its answer does not, and no other one gets through until `heal`. */
  readonly lose: () => void;
  readonly heal: () => void;
  /** Requests that the broker answered and whose answers were lost. */
  readonly lost: () => number;
  readonly close: () => Promise<void>;
}

/** Gives the frames of a stream: each with its length in front. */
function framesOf(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      onFrame(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

/** @param port where the broker listens, or will */
export async function startLosingProxy(port: number): Promise<LosingProxy> {
  let isLosing = false;
  let isUsed = false;
  let lost = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const broker = connect(port, '127.0.0.1');
    const both = [client, broker];
    let losesAnswer = false;
    for (const socket of both) {
      open.add(socket);
      const end = (): void => {
        for (const each of both) each.destroy();
      };
      socket.on('error', end).on('close', () => {
        open.delete(socket);
        end();
      });
    }
    client.on(
      'data',
      framesOf((frame) => {
        if (isLosing && frame.readInt16BE(4) === produce) {
          if (isUsed) return void client.destroy();
          isUsed = true;
          losesAnswer = true;
        }
        broker.write(frame);
      }),
    );
    broker.on('data', (chunk) => {
      if (!losesAnswer) return void client.write(chunk);
      lost += 1;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    lose: () => {
      isLosing = true;
      isUsed = false;
    },
    heal: () => {
      isLosing = false;
    },
    lost: () => lost,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
