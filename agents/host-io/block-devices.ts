/**
 * Kinds and names of block devices, from sysfs where it can be read, else from the kernel's naming rules.
 *
 * The kinds matter because the same I/O shows up several times: a write to a file system on a logical volume is counted
 * for the volume, for its partition and for the disk. Only whole disks, summed, count everything once.
 */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isFileError } from './source-problem.ts';

/**
 * `disk`: a whole disk. `partition`. `stacked`: device-mapper and md, whose I/O reaches disks again. `memory`: loop, ram and
 * zram, which are no storage of their own. `path`: one path of a multipath NVMe disk, counted by the disk too.
 */
export type BlockDeviceKind = 'disk' | 'partition' | 'stacked' | 'memory' | 'path';

const KINDS_BY_NAME: readonly (readonly [RegExp, BlockDeviceKind])[] = [
  [/^(loop|ram|zram)\d+$/, 'memory'],
  [/^(dm-|md_?d?)\d+$/, 'stacked'],
  [/^nvme\d+c\d+n\d+$/, 'path'],
  [/^((sd|vd|hd|xvd)[a-z]+|(nvme\d+n\d+|mmcblk\d+|md_?d?\d+|loop\d+|nbd\d+)p)\d+$/, 'partition'],
];

/** What a device is. `sysRoot` is normally `/sys`; a device that is not found there is judged by its name. */
export function blockDeviceKind(sysRoot: string, device: string, kernelName: string): BlockDeviceKind {
  const byNumber = join(sysRoot, 'dev', 'block', device);
  const byName = KINDS_BY_NAME.find(([pattern]) => pattern.test(kernelName))?.[1];
  // On some clouds `xvda1` is a whole disk: sysfs knows, the name lies.
  const isPartition = existsSync(byNumber) ? existsSync(join(byNumber, 'partition')) : byName === 'partition';
  if (isPartition) return 'partition';
  return byName === undefined || byName === 'partition' ? 'disk' : byName;
}

/**
 * The kernel's number of this attachment of the device (`diskseq`, since 5.15): a device that goes away and comes back
 * under its old name has a new one. undefined on older kernels and for partitions.
 */
export function diskSequence(sysRoot: string, device: string): string | undefined {
  return readAttribute(join(sysRoot, 'dev', 'block', device, 'diskseq'));
}

/** The kernel's name of a device by its number; undefined where sysfs has no such device. */
export function kernelNameOf(sysRoot: string, device: string): string | undefined {
  try {
    return basename(readlinkSync(join(sysRoot, 'dev', 'block', device)));
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}

/** A one-line sysfs attribute; undefined where the kernel does not have it, or the device just went away. */
function readAttribute(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return text === '' ? undefined : text;
  } catch (error) {
    // Absent attributes are the normal case, and unreadable ones are treated alike: nothing depends on them.
    if (isFileError(error)) return undefined;
    throw error;
  }
}
