import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyArtifacts } from './artifacts.ts';

/** FIPS 180-2, appendix B.1: SHA-256 of "abc". */
const sha256OfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('verifyArtifacts', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-artifacts-'));
    await writeFile(join(directory, 'a.jar'), 'abc');
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('accepts exactly the pinned files', async () => {
    await expect(verifyArtifacts(directory, new Map([['a.jar', sha256OfAbc]]))).resolves.toBeUndefined();
  });

  it.each([
    ['other bytes', new Map([['a.jar', sha256OfAbc.replace('b', 'c')]]), /a\.jar has SHA-256 ba78/],
    ['a file too few', new Map([...[['a.jar', sha256OfAbc] as const], ['b.jar', '00']]), /b\.jar is missing/],
    ['a file too many', new Map<string, string>(), /a\.jar is not an artifact/],
  ])('refuses %s', async (_, expected, message) => {
    await expect(verifyArtifacts(directory, expected)).rejects.toMatchObject({
      code: 'checksum',
      message: expect.stringMatching(message) as string,
    });
  });
});
