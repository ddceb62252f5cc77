/** An app as a Mermaid flowchart: topics as cylinders, processors as boxes, urgent outputs as thick arrows. */
import { isUrgent, streamOfInput, streamOfOutput, type App } from './app.ts';

/** Mermaid text of an app's processors and the streams that they read and write. Nodes are in the app's order. */
export function mermaidDiagram(app: App): string {
  const lines = ['flowchart LR'];
  const used = new Set<string>();
  const edges: string[] = [];
  for (const processor of app.processors) {
    const box = `p_${identifier(processor.name)}`;
    lines.push(`  ${box}["${processor.name}"]`);
    for (const input of Object.values(processor.inputs))
      edges.push(edge(used, streamOfInput(input).topic, '-->', box, true));
    for (const table of Object.values(processor.tables))
      edges.push(edge(used, streamOfInput(table).topic, '-.->', box, true));
    for (const output of Object.values(processor.outputs)) {
      edges.push(edge(used, streamOfOutput(output).topic, isUrgent(output) ? '==>' : '-->', box, false));
    }
  }
  for (const stream of app.streams) {
    if (used.has(stream.topic))
      lines.push(`  t_${identifier(stream.topic)}[("${stream.topic} x${stream.partitions}")]`);
  }
  return [...lines, ...edges].join('\n') + '\n';
}

function edge(used: Set<string>, topic: string, arrow: string, box: string, into: boolean): string {
  used.add(topic);
  const node = `t_${identifier(topic)}`;
  return into ? `  ${node} ${arrow} ${box}` : `  ${box} ${arrow} ${node}`;
}

function identifier(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, '_');
}
