/** `--set <processor>.<parameter>=<value>`: values that replace processors' parameters. */
import type { App } from '#engine/topology/app.ts';
import type { Parameter, Parameters } from '#engine/topology/processor.ts';
import { CliError } from './cli-error.ts';
import { unknownName } from './unknown-name.ts';

/** By processor name. Throws a usage error for what does not exist or is of another type. */
export function parameterOverrides(
  app: App,
  settings: readonly string[],
): Readonly<Record<string, Parameters>> {
  const overrides: Record<string, Record<string, Parameter>> = {};
  for (const setting of settings) {
    const match = /^([^=]+)\.([A-Za-z0-9_]+)=(.*)$/.exec(setting);
    if (match === null) {
      throw new CliError('usage', `--set ${setting}: write <processor>.<parameter>=<value>`, {
        remedies: ['weir topology --format json lists processors and parameters'],
      });
    }
    const [, name, parameter, text] = match as unknown as [string, string, string, string];
    const processor = app.processors.find((p) => p.name === name);
    if (processor === undefined)
      throw unknownName(
        'processor',
        name,
        app.processors.map((p) => p.name),
      );
    const current = processor.parameters[parameter];
    if (current === undefined)
      throw unknownName(`parameter of ${name}`, parameter, Object.keys(processor.parameters));
    (overrides[name] ??= {})[parameter] = valueLike(current, text, setting);
  }
  return overrides;
}

function valueLike(current: Parameter, text: string, setting: string): Parameter {
  switch (typeof current as 'string' | 'number' | 'boolean') {
    case 'string':
      return text;
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true';
      throw new CliError('usage', `--set ${setting}: the value must be true or false`);
    case 'number': {
      const value = Number(text);
      if (text.trim() !== '' && Number.isFinite(value)) return value;
      throw new CliError('usage', `--set ${setting}: the value must be a number, as ${current} is`);
    }
  }
}
