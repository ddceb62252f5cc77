import { describe, expect, it } from 'vitest';
import { vfioWay, type VfioState } from './vfio-device-state.ts';

/** Ways as the comment on vfio_mig_get_next_state() in Linux lists them, with P2P and pre-copy supported. */
const combined = [
  'pre_copy pre_copy_p2p stop_copy',
  'pre_copy running running_p2p',
  'pre_copy running running_p2p stop',
  'pre_copy running running_p2p stop resuming',
  'pre_copy_p2p running_p2p running',
  'pre_copy_p2p running_p2p stop',
  'pre_copy_p2p running_p2p stop resuming',
  'resuming stop running_p2p',
  'resuming stop running_p2p pre_copy_p2p',
  'resuming stop running_p2p running',
  'resuming stop running_p2p running pre_copy',
  'resuming stop stop_copy',
  'running running_p2p pre_copy_p2p',
  'running running_p2p stop',
  'running running_p2p stop resuming',
  'running running_p2p stop stop_copy',
  'running_p2p running pre_copy',
  'running_p2p stop resuming',
  'running_p2p stop stop_copy',
  'stop running_p2p pre_copy_p2p',
  'stop running_p2p running',
  'stop running_p2p running pre_copy',
  'stop_copy stop resuming',
  'stop_copy stop running_p2p',
  'stop_copy stop running_p2p running',
];
const single = [
  'resuming stop',
  'stop resuming',
  'stop stop_copy',
  'stop_copy stop',
  'running running_p2p',
  'running_p2p running',
  'running_p2p stop',
  'stop running_p2p',
  'running pre_copy',
  'pre_copy running',
  'pre_copy pre_copy_p2p',
  'pre_copy_p2p pre_copy',
  'pre_copy_p2p running_p2p',
  'pre_copy_p2p stop_copy',
  'running_p2p pre_copy_p2p',
];
const blocked = ['stop_copy pre_copy', 'stop_copy pre_copy_p2p'];
const states: VfioState[] = [
  'stop',
  'running',
  'stop_copy',
  'resuming',
  'running_p2p',
  'pre_copy',
  'pre_copy_p2p',
];

function parse(way: string): VfioState[] {
  return way.split(' ') as VfioState[];
}

describe("VFIO's migration state machine", () => {
  it.each([...combined, ...single])('goes the way %s', (way) => {
    const passed = parse(way);
    expect(vfioWay(passed[0]!, passed.at(-1)!)).toEqual({ kind: 'legal', through: passed.slice(1, -1) });
  });

  it('has exactly those ways: every other pair is blocked or no change', () => {
    const legal = new Set([...combined, ...single].map((way) => `${parse(way)[0]!} ${parse(way).at(-1)!}`));
    for (const from of states) {
      for (const to of states) {
        const expected = from === to ? 'same' : legal.has(`${from} ${to}`) ? 'legal' : 'illegal';
        expect(`${from} ${to} ${vfioWay(from, to).kind}`).toBe(`${from} ${to} ${expected}`);
        if (expected === 'illegal') expect(blocked).toContain(`${from} ${to}`);
      }
    }
  });

  it('falls into error from anywhere and leaves it for nowhere', () => {
    for (const state of states) {
      expect(vfioWay(state, 'error').kind).toBe('legal');
      expect(vfioWay('error', state).kind).toBe('illegal');
    }
    expect(vfioWay('error', 'error').kind).toBe('same');
  });
});
