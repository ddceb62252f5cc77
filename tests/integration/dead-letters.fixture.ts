/** A redrive as a process of its own, which dies by SIGKILL at a chosen request to a broker: the compiled code of `dist`. */
import type { Letter } from '#client/redrive/letter.ts';
import { startScript, type Started } from './cli-process.fixture.ts';

/** When a redrive dies: at its n-th request of a name, before it leaves, after it has left, or when it is answered. */
export interface Death {
  readonly call: 'InitProducerId' | 'AddPartitionsToTxn' | 'Produce' | 'EndTxn';
  readonly nth: number;
  readonly when: 'before' | 'sent' | 'answered';
}

const script = (config: object): string => `
import { redrive } from '$DIST/client/redrive/redrive.js';
import { connector } from '$DIST/client/producer/broker-connection.js';
import { kafkajsConfig } from '$DIST/engine/kafka/connection.js';
const { connection, letters, death, maxRecords } = ${JSON.stringify(config)};
const bytes = (text) => (text === null ? null : Buffer.from(text, 'hex'));
const die = () => {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
};
const connect = connector({
  kafka: kafkajsConfig(connection),
  connectTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  keepsProcess: true,
});
let calls = 0;
const dying = async (address) => {
  const opened = await connect(address);
  return {
    ...opened,
    call: async (request) => {
      const isIt = death !== null && request.name === death.call && ++calls === death.nth;
      if (isIt && death.when === 'before') die();
      const answer = opened.call(request);
      // As long as the bytes need to leave, and mostly less than the broker needs to answer.
      if (isIt && death.when === 'sent') setTimeout(die, 1);
      const answered = await answer;
      if (isIt) die();
      return answered;
    },
  };
};
const result = await redrive({
  connection,
  connect: dying,
  maxRecords,
  letters: [
    letters.map((letter) => ({
      ...letter,
      key: bytes(letter.key),
      value: bytes(letter.value),
      headers: Object.fromEntries(Object.entries(letter.headers).map(([name, text]) => [name, bytes(text)])),
    })),
  ],
});
console.log(JSON.stringify(result));
process.exit(0);
`;

const hex = (bytes: Buffer | null): string | null => bytes?.toString('hex') ?? null;

/** Prints its result as JSON when it lives. */
export function startRedrive(
  bootstrapServers: string,
  letters: readonly Letter[],
  maxRecords: number,
  death: Death | null,
): Started {
  return startScript(
    script({
      connection: { brokers: bootstrapServers.split(',') },
      letters: letters.map((letter) => ({
        ...letter,
        key: hex(letter.key),
        value: hex(letter.value),
        headers: Object.fromEntries(Object.entries(letter.headers).map(([name, one]) => [name, hex(one)])),
      })),
      maxRecords,
      death,
    }),
  );
}
