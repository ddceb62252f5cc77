/** The app that `weir` runs: all subsystems' streams and processors, and the engine's own streams. */
import { deadLetters, schemas } from '#engine/records/generated.ts';
import type { App } from '#engine/topology/app.ts';
import * as failover from '#pipelines/failover/index.ts';
import * as migration from '#pipelines/migration/index.ts';

const subsystems = [failover, migration];

export const weirApp: App = {
  name: 'weir',
  streams: [...subsystems.flatMap((subsystem) => subsystem.streams), deadLetters, schemas],
  processors: subsystems.flatMap((subsystem) => subsystem.processors),
};
