/** `weir topology`: the processors, and the topics between them. */
import { Option, type Command } from 'commander';
import type { App } from '#engine/topology/app.ts';
import type { Processor } from '#engine/topology/processor.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { unknownName } from '../unknown-name.ts';

interface TopologyOptions {
  readonly format: 'table' | 'mermaid' | 'json';
  readonly processor?: string;
}

/** The app with one of its processors only, or all where no name is given. */
function selected(app: App, name: string | undefined): App {
  if (name === undefined) return app;
  const processors: Processor[] = app.processors.filter((processor) => processor.name === name);
  if (processors.length > 0) return { ...app, processors };
  const names = app.processors.map((processor) => processor.name);
  throw unknownName('processor', name, names);
}

async function showTopology({ format, processor }: TopologyOptions, io: CliIo): Promise<void> {
  const { weirApp } = await import('../app.ts');
  const app = selected(weirApp, processor);
  if (format === 'mermaid') {
    const { mermaidDiagram } = await import('#engine/topology/diagram.ts');
    io.stdout.write(mermaidDiagram(app));
    return;
  }
  const { topologyParts } = await import('../topology-parts.ts');
  const { writeResult } = await import('../present/result.ts');
  writeResult(io, format, topologyParts(app, format === 'table'));
}

export function registerTopology(program: Command, io: CliIo): void {
  program
    .command('topology')
    .description(
      'Show each processor with its inputs, tables, outputs and parameters, or the whole as a Mermaid diagram.',
    )
    .addOption(
      new Option('--format <format>', 'form of the result')
        .choices(['table', 'mermaid', 'json'])
        .default('table'),
    )
    .option('--processor <name>', 'this processor only')
    .addHelpText(
      'after',
      examples([
        ['weir topology', 'processors with their topics and parameters'],
        ['weir topology --format mermaid > topology.mmd', 'a diagram for mermaid.live or a README'],
        ['weir topology --processor failover.io-prediction --format json', 'one processor, for a program'],
      ]),
    )
    .action((options: TopologyOptions) => showTopology(options, io));
}
