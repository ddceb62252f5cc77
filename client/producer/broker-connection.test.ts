/** Connecting to peers that take connections and never answer. */
import { createServer, type AddressInfo, type Server, Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { connector } from './broker-connection.ts';

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function silentPort(): Promise<number> {
  const server = createServer((socket) => sockets.push(socket));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

it('a connection that fails names the broker that was meant, and uses up no broker of the configuration', async () => {
  const [first, second, other] = [await silentPort(), await silentPort(), await silentPort()];
  const connect = connector({
    kafka: { brokers: [`127.0.0.1:${first}`, `127.0.0.1:${second}`] },
    connectTimeoutMs: 50,
    requestTimeoutMs: 50,
    keepsProcess: true,
  });
  const failure = (port?: number): Promise<string> =>
    connect(port === undefined ? undefined : { host: '127.0.0.1', port }).then(
      () => 'it connected',
      (error: unknown) => (error as Error).message,
    );
  expect(await failure(other)).toContain(`connecting to 127.0.0.1:${other} `);
  expect(await failure()).toContain(`connecting to 127.0.0.1:${first} `);
  expect(await failure(other)).toContain(`connecting to 127.0.0.1:${other} `);
  expect(await failure()).toContain(`connecting to 127.0.0.1:${second} `);
});

it('a connection that does not come about in time names the broker that was meant', async () => {
  const connect = connector({
    kafka: { brokers: ['127.0.0.1:9'], socketFactory: () => new Socket() },
    connectTimeoutMs: 20,
    requestTimeoutMs: 20,
    keepsProcess: true,
  });
  await expect(connect()).rejects.toThrow('connecting to 127.0.0.1:9 took too long');
});
