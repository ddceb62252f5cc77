/** What plays the queue of statements ON CLUSTER for the cluster of clickhouse-cluster.fixture.ts. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

/** Tables of Weir's own that have no topic. */
const bookkeeping =
  /^CREATE TABLE IF NOT EXISTS `[^`]+`\.`weir_(migrations|migration_lock|bound_log|prepared_columns|writer_lease)`/;

/** Sends a statement ON CLUSTER to every server, without these words; inserts in turn, all else to the first. */
class Router {
  readonly #onCluster: string;
  readonly #nodes: readonly Target[];
  #inserts = 0;

  constructor(cluster: string, nodes: readonly Target[]) {
    this.#onCluster = ` ON CLUSTER \`${cluster}\``;
    this.#nodes = nodes;
  }

  async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const isInsert = new URL(message.url ?? '/', 'http://x').searchParams.get('query')?.startsWith('INSERT');
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [first] = this.#nodes;
    if (isInsert === true) {
      const node = this.#nodes[this.#inserts++ % this.#nodes.length]!;
      answer(response, await this.#send(node, message, body));
      return;
    }
    const text = body.toString('utf8');
    const isForAll = text.includes(this.#onCluster) && !bookkeeping.test(text);
    const own = Buffer.from(text.replace(this.#onCluster, ''));
    let last: Answer | undefined;
    for (const node of isForAll ? this.#nodes : [first!]) {
      last = await this.#send(node, message, own);
      if (last.status !== 200) break;
    }
    answer(response, last!);
  }

  #send(node: Target, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const kept = without(headers, ['transfer-encoding']);
    return new Promise((resolve, reject) => {
      const sent = request(
        new URL(url ?? '/', node.url),
        { method, headers: { ...kept, 'content-length': body.length } },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.once('error', reject);
          reply.once('end', () => {
            resolve({ status: reply.statusCode ?? 500, headers: reply.headers, body: Buffer.concat(chunks) });
          });
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

export interface Target {
  /** `http://host:port` */
  readonly url: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

function answer(response: ServerResponse, { status, headers, body }: Answer): void {
  const kept = without(headers, ['transfer-encoding', 'connection', 'keep-alive']);
  response.writeHead(status, { ...kept, 'content-length': body.length });
  response.end(body);
}

/** Starts it. `url`: for clients. */
export async function startRouter(
  cluster: string,
  nodes: readonly Target[],
): Promise<{ readonly server: Server; readonly url: string }> {
  const router = new Router(cluster, nodes);
  const server = createServer((message, response) => {
    // A server that is down is a connection that breaks.
    router.serve(message, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, url: `http://127.0.0.1:${address.port}` };
}

function without(headers: IncomingMessage['headers'], names: readonly string[]): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}
