import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chooseRuntime } from './choose-runtime.ts';
import { containerName, dockerFormatArguments, dockerObstacle, runArguments } from './docker.ts';
import { dockerRuntime } from './docker-runtime.ts';

const node = { id: 2, host: '127.0.0.1', port: 9093, controllerPort: 9094, directory: '/data/kafka/node-2' };
const user = `${process.getuid!()}:${process.getgid!()}`;

describe('what docker is told', () => {
  it('runs a broker on the host network, on its own directory, as this user', () => {
    const name = containerName(node);
    expect(name).toMatch(/^weir-kafka-[0-9a-f]{12}-2$/);
    expect(runArguments(node, '4.3.1', { heapMib: 512, endWithParent: true, temporary: false })).toEqual(
      [
        ['run', '--rm', '--name', name, '--network', 'host', '--user', user],
        ['--mount', 'type=bind,source=/data/kafka/node-2,target=/data/kafka/node-2'],
        ['--workdir', '/data/kafka/node-2', '--entrypoint', 'java', 'apache/kafka:4.3.1'],
        ['-Xmx512m', '-XX:+UseSerialGC', '-XX:+ExitOnOutOfMemoryError', '-Djava.awt.headless=true'],
        ['-Dlog4j2.configurationFile=/data/kafka/node-2/log4j2.properties'],
        ['-cp', '/opt/kafka/libs/*', 'kafka.Kafka', '/data/kafka/node-2/server.properties'],
      ].flat(),
    );
  });

  it('formats without a network', () => {
    const args = dockerFormatArguments(node, '4.3.1', 'cluster');
    expect(args.slice(args.indexOf('--network'), args.indexOf('--user'))).toEqual(['--network', 'none']);
    expect(args.slice(args.indexOf('kafka.tools.StorageTool'))).toEqual(
      ['kafka.tools.StorageTool', 'format', '--cluster-id', 'cluster', '--config'].concat(
        '/data/kafka/node-2/server.properties',
      ),
    );
  });

  it('names containers by their directory', () => {
    expect(containerName({ ...node, directory: '/elsewhere' })).not.toBe(containerName(node));
  });
});

/** No Docker engine is at hand where this is tested: a program of that name answers as one would. */
describe.runIf(process.platform === 'linux')('the Docker engine', () => {
  let directory: string;
  const log = (): Promise<string> => readFile(join(directory, 'log'), 'utf8');
  const standIn = async (script: string): Promise<void> => {
    const program = join(directory, 'docker');
    await writeFile(program, `#!/bin/sh\necho "$*" >> ${directory}/log\n${script}\n`);
    await chmod(program, 0o755);
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-docker-'));
    vi.stubEnv('PATH', `${directory}${delimiter}${process.env['PATH'] ?? ''}`);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  });

  it.each([
    ['answers', 'echo "28.2.2 [name=seccomp,profile=builtin]"', undefined],
    ['answers with a warning', 'echo WARNING: no swap limit >&2; echo "28.2.2 []"', undefined],
    ['is rootless', 'echo "28.2.2 [name=rootless]"', /rootless/],
    [
      'does not run',
      'echo " []"; echo "Cannot connect to the Docker daemon at unix:///x" >&2; exit 1',
      /does not answer:\n.*Cannot connect/s,
    ],
  ])('that %s', async (_, script, expected) => {
    await standIn(script);
    const obstacle = await dockerObstacle();
    if (expected === undefined) expect(obstacle).toBeUndefined();
    else expect(obstacle).toMatch(expected);
  });

  it('is of no use where it is not installed, or has no host network', async () => {
    vi.stubEnv('PATH', directory);
    expect(await dockerObstacle()).toBe('there is no program "docker"');
    expect(await dockerObstacle('darwin')).toMatch(/on Linux only/);
  });

  it('fetches the image once', async () => {
    await standIn(
      `case "$1" in info) echo "28.2.2 []";; image) [ -e ${directory}/image ];; pull) touch ${directory}/image;; esac`,
    );
    const steps: string[] = [];
    const about = { onStep: (step: string) => void steps.push(step), signal: undefined };
    expect((await dockerRuntime('4.3.1', about)).name).toBe('docker');
    expect((await chooseRuntime('auto', '4.3.1', about)).name).toBe('docker');
    expect(steps).toEqual(['fetching the image apache/kafka:4.3.1']);
    expect((await log()).match(/^pull .*/gm)).toEqual(['pull --quiet apache/kafka:4.3.1']);
  });

  it('that cannot fetch the image is an error when asked for, with what it said', async () => {
    await standIn('case "$1" in info) echo "28.2.2 []";; *) echo "no such host" >&2; exit 1;; esac');
    await expect(
      chooseRuntime('docker', '4.3.1', { onStep: () => undefined, signal: undefined }),
    ).rejects.toMatchObject({
      code: 'download',
      message: expect.stringContaining('no such host') as string,
    });
  });

  it('gives a broker its container, signals and end', async () => {
    await standIn(
      `case "$1" in info) echo "28.2.2 []";; run) echo "broker output"; trap 'exit 143' TERM; while :; do sleep 0.05; done;; esac`,
    );
    const runtime = await dockerRuntime('4.3.1', { onStep: () => undefined, signal: undefined });
    const here = { ...node, directory };
    const run = await runtime.start(here, { heapMib: 64, endWithParent: true, temporary: false });
    expect(run.container).toBe(containerName(here));
    run.signal('SIGTERM');
    await vi.waitFor(
      async () => {
        expect(await log()).toContain(`kill --signal SIGTERM ${containerName(here)}`);
      },
      { timeout: 20_000 },
    );
    // Only then it may be killed: its program begins by itself, when it comes to its turn.
    await vi.waitFor(
      async () => {
        expect(await readFile(join(directory, 'server.log'), 'utf8')).toContain('broker output');
      },
      { timeout: 20_000 },
    );
    run.signal('SIGKILL');
    expect(await run.ended).toBe('SIGKILL');
    expect(run.hasEnded()).toBe(true);
    expect((await log()).match(/^rm --force .*/gm)).toEqual(
      Array<string>(2).fill(`rm --force ${containerName(here)}`),
    );
  });
});
