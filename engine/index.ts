/** The engine's public index: what programs outside the engine (simulators, and code of other packages) build on. */
export { systemClock } from './log/clock.ts';
export { startEdgeProgram } from './log/edge-program.ts';
export type { EdgeRuntime } from './log/edge-program.ts';
export { persistentPublisher } from './log/persistent-publisher.ts';
export type { Publisher, Running, Subscriber } from './log/publisher.ts';
