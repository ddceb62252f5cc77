/**
 * VFIO's migration state machine: which states a device can pass through on its way from one to another.
 *
 * The kernel offers single arcs and combines them: a request to go from STOP to RUNNING passes RUNNING_P2P. A reporter
 * that samples may see only the ends. So a pair of reports is judged by whether a way exists, and the way names the
 * states that were passed unseen.
 *
 * I1  The way is the shortest along the arcs that does not pass through the saving group (stop_copy, pre_copy,
 *     pre_copy_p2p) from or to a state outside it.
 * I2  stop_copy never leads back to pre-copy: the kernel blocks it.
 * I3  Every state may fall into error; error absorbs: only a reset, which begins another migration, leaves it.
 * Source: Linux include/uapi/linux/vfio.h, enum vfio_device_mig_state, and vfio_mig_get_next_state() in
 * drivers/vfio/vfio_main.c, with P2P and pre-copy supported.
 */
import type { Phase } from '#schemas/migration/generated.ts';

export type VfioState = Phase['device_state'];

const ARCS: Readonly<Record<VfioState, readonly VfioState[]>> = {
  running: ['running_p2p', 'pre_copy'],
  running_p2p: ['running', 'stop', 'pre_copy_p2p'],
  stop: ['running_p2p', 'stop_copy', 'resuming'],
  stop_copy: ['stop'],
  resuming: ['stop'],
  pre_copy: ['running', 'pre_copy_p2p'],
  pre_copy_p2p: ['pre_copy', 'running_p2p', 'stop_copy'],
  error: [],
};
const SAVING: ReadonlySet<VfioState> = new Set<VfioState>(['stop_copy', 'pre_copy', 'pre_copy_p2p']);

/** How a device can have come from one state to another. */
export type VfioWay =
  | { readonly kind: 'same' }
  /** `through`: the states passed on the way; empty for a single arc. */
  | { readonly kind: 'legal'; readonly through: readonly VfioState[] }
  | { readonly kind: 'illegal'; readonly why: string };

/** The way from one observed state to the next one observed of the same device in the same migration. */
export function vfioWay(from: VfioState, to: VfioState): VfioWay {
  if (from === to) return { kind: 'same' };
  if (to === 'error') return { kind: 'legal', through: [] };
  if (from === 'error') return { kind: 'illegal', why: 'error is left by a device reset only' };
  if (from === 'stop_copy' && SAVING.has(to)) {
    return { kind: 'illegal', why: 'stop_copy does not lead back to pre-copy' };
  }
  const through = shortestWay(from, to);
  return through === undefined ? { kind: 'illegal', why: 'no arcs lead there' } : { kind: 'legal', through };
}

/** Breadth first; the graph has seven nodes. */
function shortestWay(from: VfioState, to: VfioState): readonly VfioState[] | undefined {
  const maySave = SAVING.has(from) && SAVING.has(to);
  let ways: (readonly VfioState[])[] = [[]];
  const seen = new Set<VfioState>([from]);
  while (ways.length > 0) {
    const longer: (readonly VfioState[])[] = [];
    for (const way of ways) {
      for (const next of ARCS[way.at(-1) ?? from]) {
        if (next === to) return way;
        if (seen.has(next) || (SAVING.has(next) && !maySave)) continue;
        seen.add(next);
        longer.push([...way, next]);
      }
    }
    ways = longer;
  }
  return undefined;
}

/** Whether a device in this state does no I/O of its guest's: the guest waits for it. */
export function isStopped(state: VfioState): boolean {
  return state === 'stop' || state === 'stop_copy' || state === 'resuming' || state === 'error';
}

/** Whether this state belongs to a migration under way, seen from the source. */
export function isPreCopy(state: VfioState): boolean {
  return state === 'pre_copy' || state === 'pre_copy_p2p';
}
