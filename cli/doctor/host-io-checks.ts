/** Whether the host I/O agent finds what it reads: /proc/diskstats, and io.stat (or blkio) of control groups. */
import { hostReader, type HostReaderConfig } from '#agents/host-io/read-host.ts';
import { describeProblem } from '#agents/host-io/source-problem.ts';
import type { Check } from './check.ts';

const maxCgroups = 10_000;

/** @param roots where /proc and /sys are mounted */
export function hostIoChecks(roots: Pick<HostReaderConfig, 'procRoot' | 'sysRoot'>): readonly Check[] {
  const { readings, problems } = hostReader({
    ...roots,
    kinds: ['disk', 'partition', 'stacked', 'memory', 'path'],
    maxCgroups,
    cgroupScanEvery: 1,
    counterBits: 64,
  })();
  const devices = readings.filter((reading) => reading.cgroup === undefined);
  const groups = new Set(readings.flatMap(({ cgroup }) => (cgroup === undefined ? [] : [cgroup])));
  const problemIn = (isDiskstats: boolean): string | undefined => {
    const problem = problems.find(({ file }) => file.endsWith('diskstats') === isDiskstats);
    return problem === undefined ? undefined : describeProblem(problem);
  };
  return [
    {
      name: 'diskstats',
      neededFor: "predictions of this host's I/O",
      ...(devices.length > 0
        ? { state: 'ok', found: `${devices.length} block devices in ${roots.procRoot}/diskstats` }
        : {
            state: 'optional-missing',
            found: problemIn(true) ?? 'no block devices',
            remedy: 'run on Linux, with /proc of the host mounted; simulated subsystems need none of it',
          }),
    },
    {
      name: 'cgroup io.stat',
      neededFor: "predictions of an application's share of the I/O",
      ...(groups.size > 0
        ? { state: 'ok', found: `${groups.size} control groups with I/O counters` }
        : {
            state: 'optional-missing',
            found: problemIn(false) ?? 'no control group counts I/O',
            remedy:
              'enable the io controller (cgroup v2: echo +io > cgroup.subtree_control), or run outside of a container',
          }),
    },
  ];
}
