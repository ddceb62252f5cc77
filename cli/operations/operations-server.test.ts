import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CliError } from '../cli-error.ts';
import { startOperationsServer, type Answer, type OperationsServer } from './operations-server.ts';

const errors: unknown[] = [];
/** Nothing is cut off, however long this process stands still. */
const patient = { exchangeMs: 60_000, idleMs: 60_000 };
const impatient = { exchangeMs: 1_500, idleMs: 500 };

async function serve(
  answers: Record<string, () => Answer>,
  port = 0,
  limits = patient,
): Promise<OperationsServer> {
  const server = await startOperationsServer({
    host: '127.0.0.1',
    port,
    answers: new Map(Object.entries(answers)),
    onError: (error) => errors.push(error),
    limits,
  });
  onTestFinished(() => server.close());
  return server;
}

const text = (body: string, status: 200 | 503 = 200): Answer => ({ status, contentType: 'text/plain', body });
const portOf = ({ url }: OperationsServer): number => Number(new URL(url).port);

async function socketTo(server: OperationsServer): Promise<Socket> {
  const socket = connect(portOf(server), '127.0.0.1');
  socket.on('error', () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return socket;
}

/** The server's end of a connection, when its request has begun. */
function servedSocket({ localPort }: Socket): Promise<Socket> {
  return new Promise((resolve) => {
    const note = (message: unknown): void => {
      const { socket } = message as { readonly socket: Socket };
      if (socket.remotePort === localPort) resolve(socket);
    };
    subscribe('http.server.request.start', note);
    onTestFinished(() => void unsubscribe('http.server.request.start', note));
  });
}

/** What is answered, also where this process stood still until the server cut a new connection off. */
async function answerOf(url: string): Promise<string> {
  for (;;) {
    try {
      return await (await fetch(url)).text();
    } catch {
      await sleep(10);
    }
  }
}

describe('the server of metrics and health', () => {
  it('answers its paths by GET and HEAD, and nothing else', async () => {
    const { url } = await serve({ '/ok': () => text('fine'), '/no': () => text('bad', 503) });
    const ask = async (path: string, init?: RequestInit): Promise<[number, string]> => {
      const response = await fetch(`${url}${path}`, init);
      return [response.status, await response.text()];
    };
    expect(await ask('/ok')).toEqual([200, 'fine']);
    expect(await ask('/ok?a=b')).toEqual([200, 'fine']);
    expect(await ask('/ok', { method: 'HEAD' })).toEqual([200, '']);
    expect(await ask('/no')).toEqual([503, 'bad']);
    expect(await ask('/')).toEqual([404, 'there is /ok, /no\n']);
    expect(await ask('/../package.json')).toEqual([404, 'there is /ok, /no\n']);
    expect(await ask('/ok', { method: 'POST', body: 'x'.repeat(100_000) })).toEqual([
      405,
      'GET and HEAD only\n',
    ]);
  });

  it('makes an answer once for many who ask at a time', async () => {
    let made = 0;
    const { url } = await serve({
      '/work': () => {
        made += 1;
        return text(String(made));
      },
    });
    const startMs = performance.now();
    const bodies = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`${url}/work`)).text()),
    );
    // Once in 200 ms.
    expect(new Set(bodies).size).toBeLessThanOrEqual(1 + Math.floor((performance.now() - startMs) / 200));
    const before = made;
    await sleep(250);
    expect(await (await fetch(`${url}/work`)).text()).toBe(String(before + 1));
  });

  it('tells an answer that could not be made, and goes on', async () => {
    const broken = new Error('broken inside');
    const { url } = await serve({
      '/broken': () => {
        throw broken;
      },
      '/ok': () => text('fine'),
    });
    const response = await fetch(`${url}/broken`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('inside');
    expect(errors).toContain(broken);
    expect((await fetch(`${url}/ok`)).status).toBe(200);
  });

  it('cuts off who says nothing, and answers others meanwhile', async () => {
    const server = await serve({ '/ok': () => text('fine') }, 0, impatient);
    const silent = await socketTo(server);
    const halfWay = await socketTo(server);
    halfWay.write('GET /ok HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const ended = Promise.all([once(silent, 'close'), once(halfWay, 'close')]);
    expect(await answerOf(`${server.url}/ok`)).toBe('fine');
    silent.resume();
    halfWay.resume();
    await ended;
  });

  it('cuts off who does not read its answer', async () => {
    const server = await serve({ '/big': () => text('x'.repeat(64 << 20)) }, 0, impatient);
    const slow = await socketTo(server);
    slow.pause();
    const served = servedSocket(slow);
    slow.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(await served, 'close');
    let received = 0;
    slow.on('data', ({ length }) => (received += length));
    slow.resume();
    await once(slow, 'close');
    expect(received).toBeLessThan(64 << 20);
  });

  it('takes no more than 32 connections', async () => {
    const server = await serve({ '/ok': () => text('fine') });
    const sockets = await Promise.all(Array.from({ length: 40 }, () => socketTo(server)));
    let closed = 0;
    for (const socket of sockets) socket.resume().once('close', () => (closed += 1));
    await expect.poll(() => closed).toBe(8);
  });

  it('is closed at once, whoever is connected', async () => {
    const server = await serve({ '/ok': () => text('fine') });
    const socket = await socketTo(server);
    const closed = once(socket.resume(), 'close');
    const startMs = performance.now();
    await server.close();
    await closed;
    expect(performance.now() - startMs).toBeLessThan(patient.idleMs / 2);
    await expect(fetch(`${server.url}/ok`)).rejects.toThrow();
  });

  it('says what to do about a port that is taken', async () => {
    const server = await serve({});
    const second = await serve({}, portOf(server)).catch((error: unknown) => error);
    expect(second).toBeInstanceOf(CliError);
    expect(second).toMatchObject({
      code: 'environment',
      message: `metrics cannot be served on 127.0.0.1:${portOf(server)} (EADDRINUSE)`,
      remedies: [expect.stringContaining('--metrics-port')],
    });
  });
});
