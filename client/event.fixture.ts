import type { LinkState } from '#schemas/migration/generated.ts';

/** An event of `linkStates` that can be written. */
export const event: LinkState = {
  device_id: 'd',
  vm_id: 'v',
  mac: '52:54:00:00:00:01',
  host: 'h',
  interface: 'primary',
  attached: true,
  link_up: true,
  path_epoch: 1,
  observed_at: 1_700_000_000_000,
};
