/** The engine's public index: what code outside this repository's engine builds on. */
export type { Stream } from './topology/stream.ts';
export type { Clock } from './log/clock.ts';
export { systemClock } from './log/clock.ts';
export type { Publisher, Running, Subscriber, Subscription } from './log/publisher.ts';
export { startEdgeProgram } from './log/edge-program.ts';
export type { EdgeRuntime } from './log/edge-program.ts';
export { persistentPublisher } from './log/persistent-publisher.ts';
