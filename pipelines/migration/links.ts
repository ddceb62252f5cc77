/**
 * What hosts report of a device's two interfaces, and who holds the primary.
 *
 * I1  Reports of one host on one interface are ordered by (path epoch, time observed); an older one changes nothing.
 * I2  The fence epoch is the largest under which a host has held a working primary. A claim under an older one does not
 *     count, whoever makes it and whenever it arrives: the higher epoch wins.
 * I3  Among claims of equal epoch the holder keeps the primary; without a holder, the one observed first has it.
 */
import type { DeviceState, LinkEntry, LinkState } from '#schemas/migration/generated.ts';

/** Reports of hosts without a working interface that are kept per interface, to judge late ones by. */
const KEPT_IDLE_HOSTS = 4;

export function isLive(entry: Pick<LinkEntry, 'attached' | 'link_up'>): boolean {
  return entry.attached && entry.link_up;
}

export type Recorded =
  | { readonly kind: 'recorded'; readonly links: readonly LinkEntry[] }
  | { readonly kind: 'older_epoch' | 'older_time'; readonly than: LinkEntry };

/** Takes a report into the links, unless the same host has reported newer things of the same interface. */
export function recordLink(links: readonly LinkEntry[], report: LinkState): Recorded {
  const entry: LinkEntry = {
    interface: report.interface,
    host: report.host,
    mac: report.mac,
    attached: report.attached,
    link_up: report.link_up,
    path_epoch: report.path_epoch,
    observed_at: report.observed_at,
  };
  const index = links.findIndex((link) => link.interface === entry.interface && link.host === entry.host);
  const previous = links[index];
  if (previous === undefined) return { kind: 'recorded', links: pruned([...links, entry], entry) };
  if (entry.path_epoch < previous.path_epoch) return { kind: 'older_epoch', than: previous };
  if (entry.path_epoch === previous.path_epoch && entry.observed_at < previous.observed_at) {
    return { kind: 'older_time', than: previous };
  }
  return { kind: 'recorded', links: links.with(index, entry) };
}

/** Forgets hosts that had this interface long ago, so that a device that moves often does not grow its state. */
function pruned(links: readonly LinkEntry[], added: LinkEntry): readonly LinkEntry[] {
  const idle = links.filter((link) => link.interface === added.interface && link !== added && !isLive(link));
  if (idle.length <= KEPT_IDLE_HOSTS) return links;
  const oldest = idle.reduce((a, b) => (b.observed_at < a.observed_at ? b : a));
  return links.filter((link) => link !== oldest);
}

/** The host that holds a working primary; undefined if none does. */
export function holderOf(state: DeviceState): LinkEntry | undefined {
  let best: LinkEntry | undefined;
  for (const link of state.links) {
    if (link.interface !== 'primary' || !isLive(link) || link.path_epoch < state.fence_epoch) continue;
    if (best === undefined || outranks(link, best, state.owner_host)) best = link;
  }
  return best;
}

function outranks(a: LinkEntry, b: LinkEntry, holder: string): boolean {
  if (a.path_epoch !== b.path_epoch) return a.path_epoch > b.path_epoch;
  if (a.host === holder || b.host === holder) return a.host === holder;
  return a.observed_at < b.observed_at;
}

/** Two hosts on which one MAC is live for the same interface; undefined if there are none. The first one wins. */
export function macConflict(state: DeviceState): readonly [LinkEntry, LinkEntry] | undefined {
  const live = state.links.filter(isLive);
  for (const a of live) {
    const b = live.find(
      (other) => other.host !== a.host && other.interface === a.interface && other.mac === a.mac,
    );
    if (b === undefined) continue;
    return outranks(a, b, state.owner_host) ? [a, b] : [b, a];
  }
  return undefined;
}

/** Whether any host that may hold the primary has it plugged in, working or not. */
export function isPrimaryPlugged(state: DeviceState): boolean {
  return state.links.some(
    (link) => link.interface === 'primary' && link.attached && link.path_epoch >= state.fence_epoch,
  );
}

/** Whether the standby interface is known not to work anywhere. No report of it is no such knowledge. */
export function isStandbyDown(state: DeviceState): boolean {
  const standby = state.links.filter((link) => link.interface === 'standby');
  return standby.length > 0 && !standby.some(isLive);
}
