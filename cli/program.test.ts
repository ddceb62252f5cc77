import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandList } from './command-list.ts';
import { memoryIo, type MemoryIo } from './io.fixture.ts';
import { packageRoot, packageVersion } from './package-root.ts';
import { runCli } from './program.ts';

async function weir(...argv: string[]): Promise<MemoryIo> {
  const io = memoryIo();
  await runCli(argv, io);
  return io;
}

const shown = commandList.filter(({ isHidden = false }) => !isHidden);

describe('weir', () => {
  it('prints its version', async () => {
    const io = await weir('--version');
    expect(io.out()).toBe(`${packageVersion()}\n`);
    expect(io.exitCode()).toBe(0);
  });

  it.each([['--help'], ['help']])(
    '%s lists every command with its summary, and the exit codes',
    async (...argv) => {
      const io = await weir(...argv);

      for (const { summary } of shown) expect(io.out().replace(/\s+/g, ' ')).toContain(summary);
      expect(io.out()).toContain('130  interrupted');
      expect(io.exitCode()).toBe(0);
    },
  );

  it.each(shown.map(({ name }) => name))('%s --help has examples and the global options', async (name) => {
    for (const argv of [
      [name, '--help'],
      ['help', name],
    ]) {
      const io = await weir(...argv);
      expect(io.out()).toContain(`Usage: weir ${name}`);
      expect(io.out()).toContain(`$ weir ${name}`);
      expect(io.out()).toContain('--verbose');
      expect(io.exitCode()).toBe(0);
    }
  });

  it.each(shown.map(({ name }) => name))('docs/cli.md describes %s and all of its options', async (name) => {
    const documentation = readFileSync(join(packageRoot(), 'docs', 'cli.md'), 'utf8');
    expect(documentation).toContain(`\n## weir ${name}\n`);
    const options = (await weir(name, '--help')).out().match(/(?<=^ +(?:-\w, )?)--[a-z-]+/gm) ?? [];
    expect(options).toContain('--verbose');
    for (const option of options.filter((flag) => flag !== '--help' && flag !== '--version'))
      expect(documentation).toContain(option);
  });

  it('without arguments writes its help to stderr: a usage error', async () => {
    const io = await weir();
    expect(io.err()).toContain('Usage: weir');
    expect(io.out()).toBe('');
    expect(io.exitCode()).toBe(2);
  });

  it.each([
    [['topologie'], "weir: unknown command 'topologie'\n  (Did you mean topology?)\n  see: weir --help\n"],
    [
      ['topology', '--fromat', 'json'],
      "weir: unknown option '--fromat'\n  (Did you mean --format?)\n  see: weir topology --help\n",
    ],
    [['--versoin'], "weir: unknown option '--versoin'\n  (Did you mean --version?)\n  see: weir --help\n"],
    [
      ['topology', '--format', 'xml'],
      "weir: option '--format <format>' argument 'xml' is invalid. Allowed choices are table, mermaid, json.\n  see: weir topology --help\n",
    ],
  ])('%j is a usage error with a suggestion', async (argv, expected) => {
    const io = await weir(...argv);
    expect(io.err()).toBe(expected);
    expect(io.out()).toBe('');
    expect(io.exitCode()).toBe(2);
  });
});
