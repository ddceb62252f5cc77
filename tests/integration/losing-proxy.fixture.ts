/** A proxy in front of a broker that loses the answers to what is produced: the broker has the records, and nobody is told. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Requests, by their keys. */
const produce = 0;
const commitOfPositions = 28;

export interface LosingProxy {
  /** What the broker must advertise, for clients to come here. */
  readonly address: string;
  /**
   * From now on: the next produce request gets through, its answer does not, and no other one gets through until `heal`. Positions
   * are not committed before that: what becomes of them cannot end the transaction while its records are on their way.
   */
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
  /** What was lost before `lose`. */
  let lostBefore = 0;
  let held: (() => void)[] = [];
  const letGo = (): void => {
    for (const pass of held) pass();
    held = [];
  };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const broker = connect(port, '127.0.0.1');
    const both = [client, broker];
    /** Of the request whose answer is to be lost. */
    let losing: number | undefined;
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
        const key = frame.readInt16BE(4);
        if (isLosing && key === produce) {
          if (isUsed) return void client.destroy();
          isUsed = true;
          losing = frame.readInt32BE(8);
        }
        if (isLosing && key === commitOfPositions && lost === lostBefore)
          held.push(() => broker.write(frame));
        else broker.write(frame);
      }),
    );
    broker.on(
      'data',
      framesOf((frame) => {
        if (frame.readInt32BE(4) !== losing) return void client.write(frame);
        lost += 1;
        client.destroy();
        letGo();
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    lose: () => {
      isLosing = true;
      isUsed = false;
      lostBefore = lost;
    },
    heal: () => {
      isLosing = false;
      letGo();
    },
    lost: () => lost,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
