import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKafka } from './targets.ts';

let directory: string;
let config: string;
let nameless: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-test-'));
  config = join(directory, 'weir.config.json');
  await writeFile(config, JSON.stringify({ kafka: { brokers: ['file:1'], clientId: 'of-the-file' } }));
  nameless = join(directory, 'nameless.json');
  await writeFile(nameless, '{}');
});

afterAll(() => rm(directory, { recursive: true }));

describe('the Kafka of a command', () => {
  it.each([
    ['the file', {}, {}, 'file:1'],
    ['the environment before the file', {}, { WEIR_KAFKA_BROKERS: 'environment:1' }, 'environment:1'],
    ['the option before both', { brokers: 'option:1' }, { WEIR_KAFKA_BROKERS: 'environment:1' }, 'option:1'],
  ])('is that of %s', async (_, names, environment, broker) => {
    expect(await findKafka({ ...names, config }, directory, environment)).toEqual({
      connection: { brokers: [broker], clientId: 'of-the-file' },
      isLocal: false,
    });
  });

  it('is not the local one where what names it is empty', async () => {
    await expect(findKafka({ brokers: '', config }, directory, {})).rejects.toMatchObject({ code: 'usage' });
    const environment = { WEIR_KAFKA_BROKERS: '' };
    await expect(findKafka({ config: nameless }, directory, environment)).rejects.toThrow(
      'WEIR_KAFKA_BROKERS is empty',
    );
  });

  it('is none where none is named and no local stack runs', async () => {
    expect(await findKafka({ config: nameless }, directory, {})).toBeUndefined();
  });
});
