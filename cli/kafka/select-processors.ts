/** `--only`: which processors of the app a run has. */
import type { App } from '#engine/topology/app.ts';
import { unknownName } from '../unknown-name.ts';

/** Names of the processors of subsystems (`migration`) or with names (`migration.device-failover`); all without `only`. */
export function selectProcessors(
  { processors }: App,
  only: readonly string[] | undefined,
): readonly string[] {
  const all = processors.map(({ name }) => name);
  if (only === undefined) return all;
  const subsystems = [...new Set(all.map((name) => name.slice(0, name.indexOf('.'))))];
  for (const one of only)
    if (!all.includes(one) && !subsystems.includes(one))
      throw unknownName('subsystem or processor', one, [...subsystems, ...all]);
  return all.filter((name) => only.some((one) => name === one || name.startsWith(`${one}.`)));
}
