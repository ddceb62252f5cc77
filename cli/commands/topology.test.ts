import { describe, expect, it } from 'vitest';
import { validateApp } from '#engine/topology/app.ts';
import { weirApp } from '../app.ts';
import { memoryIo, type MemoryIo } from '../io.fixture.ts';
import { runCli } from '../program.ts';

async function topology(...argv: string[]): Promise<MemoryIo> {
  const io = memoryIo();
  await runCli(['topology', ...argv], io);
  return io;
}

describe('weirApp', () => {
  it('is valid', () => {
    expect(validateApp(weirApp)).toEqual([]);
  });
});

describe('weir topology', () => {
  it('prints each processor with its topics and parameters', async () => {
    const io = await topology();
    for (const { name, parameters } of weirApp.processors) {
      expect(io.out()).toContain(name);
      for (const parameter of Object.keys(parameters)) expect(io.out()).toContain(parameter);
    }
    expect(io.out()).toMatch(/output +commands +migration\.commands +urgent, \d+ partitions by /);
  });

  it('prints a Mermaid flowchart', async () => {
    const io = await topology('--format', 'mermaid');
    expect(io.out()).toMatch(/^flowchart LR\n/);
    expect(io.out()).toContain('p_migration_device_failover["migration.device-failover"]');
  });

  it('prints JSON with the processor named in every row', async () => {
    const io = await topology('--format', 'json', '--processor', 'migration.device-failover');
    const rows = JSON.parse(io.out()) as readonly Record<string, unknown>[];
    expect(new Set(rows.map((row) => row['processor']))).toEqual(new Set(['migration.device-failover']));
    expect(rows).toContainEqual(
      expect.objectContaining({ role: 'parameter', name: 'suppressThreshold', detail: '2000' }),
    );
  });

  it('suggests the processor that was meant', async () => {
    const io = await topology('--processor', 'migration.device-failovr');
    expect(io.err()).toMatch(
      /^weir: there is no processor 'migration.device-failovr'; did you mean 'migration.device-failover'\?\n {2}try: one of: failover/,
    );
    expect(io.exitCode()).toBe(2);
  });
});
