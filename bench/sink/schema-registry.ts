/**
 * A schema registry as far as readers need one: `GET /schemas/ids/<id>` of Confluent's interface.
 *
 * Source: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AvroObject } from '#engine/topology/stream.ts';

export interface SchemaRegistry {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Registers a schema; the same one keeps its id. */
  idOf(schema: AvroObject): number;
  /** Ids that were asked for. */
  readonly asked: ReadonlySet<number>;
  close(): Promise<void>;
}

const firstId = 101;

export async function startSchemaRegistry(): Promise<SchemaRegistry> {
  const schemas: string[] = [];
  const asked = new Set<number>();
  const server = createServer((request, response) => {
    const id = Number(/^\/schemas\/ids\/(\d+)$/.exec(request.url ?? '')?.[1]);
    const schema = schemas[id - firstId];
    asked.add(id);
    const body = schema === undefined ? { error_code: 40403, message: 'Schema not found' } : { schema };
    response.writeHead(schema === undefined ? 404 : 200, {
      'content-type': 'application/vnd.schemaregistry.v1+json',
    });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    idOf: (schema) => {
      const text = JSON.stringify(schema);
      const index = schemas.indexOf(text);
      return firstId + (index < 0 ? schemas.push(text) - 1 : index);
    },
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
