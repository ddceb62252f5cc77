/** Node and the platform. */
import type { Check } from './check.ts';

/** `engines` of package.json. */
const neededNode = [20, 19] as const;
/** Of the prebuilt chdb for Linux. */
const neededGlibc = [2, 28] as const;

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [haveMajor = 0, haveMinor = 0] = version.split('.').map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

/** @param version without the `v` */
export function nodeCheck(version: string): Check {
  const base = { name: 'node', neededFor: 'everything', found: version };
  if (atLeast(version, neededNode)) return { ...base, state: 'ok' };
  return {
    ...base,
    state: 'missing',
    remedy: `install Node ${neededNode.join('.')} or newer: https://nodejs.org`,
  };
}

export interface Platform {
  readonly os: string;
  readonly arch: string;
  /** undefined where the C library is another (musl, macOS). */
  readonly glibc: string | undefined;
}

/** The platform of this process. */
export function thisPlatform(): Platform {
  const { report, platform, arch } = process;
  const header: unknown = (report.getReport() as { readonly header?: unknown }).header;
  const glibc =
    typeof header === 'object' && header !== null && 'glibcVersionRuntime' in header
      ? String(header.glibcVersionRuntime)
      : undefined;
  return { os: platform, arch, glibc };
}

/** Whether the embedded ClickHouse is built for this platform. */
export function platformCheck({ os, arch, glibc }: Platform): Check {
  const base = { name: 'platform', neededFor: 'the embedded ClickHouse (chdb)' };
  const found = `${os} ${arch}${os === 'linux' ? `, ${glibc === undefined ? 'no glibc' : `glibc ${glibc}`}` : ''}`;
  const remedy =
    'use Linux (x64 or arm64, glibc 2.28 or newer: not Alpine) or macOS, or name a ClickHouse server with --url';
  const isBuiltFor = ['x64', 'arm64'].includes(arch) && ['linux', 'darwin'].includes(os);
  const hasLibrary = os !== 'linux' || (glibc !== undefined && atLeast(glibc, neededGlibc));
  return isBuiltFor && hasLibrary
    ? { ...base, found, state: 'ok' }
    : { ...base, found, state: 'missing', remedy };
}
