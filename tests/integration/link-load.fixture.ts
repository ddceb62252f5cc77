/** A load of link states for a stack in this process. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '#cli/stack.ts';
import { linkStates, type LinkState } from '#schemas/migration/generated.ts';

const devices = 300;

/** The i-th of many link states; every device loses its link now and then, so that tasks write as well. */
export function linkState(i: number, startMs: number): LinkState {
  return {
    device_id: `device-${i % devices}`,
    vm_id: `vm-${i % devices}`,
    mac: '02:00:00:00:00:01',
    host: `host-${i % 7}`,
    interface: 'primary',
    attached: true,
    link_up: Math.floor(i / devices) % 9 !== 4,
    path_epoch: 0,
    observed_at: startMs + Math.floor(i / 10),
  };
}

export interface Load {
  /** Events that the topic has taken so far. */
  readonly published: () => number;
  readonly stop: () => Promise<void>;
}

/** Publishes some thousand events a second until it is stopped or `count` are published. */
export function startLoad(stack: Stack, count = Infinity): Load & { readonly done: Promise<void> } {
  const startMs = Date.now() - 60_000;
  const ending = new AbortController();
  let published = 0;
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted && published < count) {
      await stack.edge.publish(linkStates, linkState(published, startMs));
      published += 1;
      if (published % 60 === 0) await sleep(8);
    }
  };
  const done = run();
  // A stack that ends with an error ends the load too; whoever awaits `done` still hears of it.
  void Promise.allSettled([done]);
  return {
    published: () => published,
    done,
    stop: async () => {
      ending.abort();
      await done;
    },
  };
}
