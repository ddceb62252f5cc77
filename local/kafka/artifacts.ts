/**
 * Kafka's jars, fetched by the ordinary Maven client into a cache directory, once.
 *
 * I1  A directory `<cache>/kafka/<version>` is complete and was verified: it is filled beside its place and renamed.
 * I2  Two processes that fetch at once do not clash: one waits for the other, and whoever renames first wins.
 * I3  Jars of the pinned version have the pinned SHA-256; of any other version, Maven checks the repository's checksums.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LocalError } from '../local-error.ts';
import { withLock } from './directory-lock.ts';
import { pinnedArtifacts, pinnedVersion } from './pinned-artifacts.ts';
import { lastLines, runProgram } from './run-program.ts';

/** The plugin is named with its version, so that the same one runs everywhere. */
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
/** Kafka's own dependencies bring log4j without its binding to slf4j 1.7; brokers would be silent. */
const log4jBindingVersion = '2.25.4';
const downloadTimeoutMs = 10 * 60_000;

/** Where artifacts are kept: `WEIR_CACHE`, else `weir` in `XDG_CACHE_HOME` or `~/.cache`. */
function cacheRoot(environment: NodeJS.ProcessEnv): string {
  const own = environment['WEIR_CACHE'];
  if (own !== undefined && own !== '') return own;
  const shared = environment['XDG_CACHE_HOME'];
  return join(shared !== undefined && shared !== '' ? shared : join(homedir(), '.cache'), 'weir');
}

function pom(version: string): string {
  const dependency = (group: string, artifact: string, of: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version></dependency>`;
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>weir</groupId><artifactId>local-kafka</artifactId><version>1</version><packaging>pom</packaging>',
    '<dependencies>',
    dependency('org.apache.kafka', 'kafka_2.13', version),
    dependency('org.apache.kafka', 'kafka-tools', version),
    dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', log4jBindingVersion),
    '</dependencies></project>',
  ].join('\n');
}

/** `--strict-checksums`: a jar that differs from the repository's checksum fails the build instead of a warning. */
async function runMaven(directory: string, version: string, signal: AbortSignal | undefined): Promise<void> {
  await writeFile(join(directory, 'pom.xml'), pom(version));
  const args = ['--batch-mode', '--strict-checksums', '--quiet', copyDependencies];
  args.push('-DincludeScope=runtime', `-DoutputDirectory=${join(directory, 'libs')}`);
  const { exitCode, output, missing } = await runProgram('mvn', args, {
    cwd: directory,
    timeoutMs: downloadTimeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  signal?.throwIfAborted();
  if (missing)
    throw new LocalError(
      'no-maven',
      `Kafka ${version} is fetched by Maven, but there is no program "mvn": install it (Debian, Ubuntu: ` +
        `"apt-get install maven"; macOS: "brew install maven")`,
    );
  if (exitCode !== 0)
    throw new LocalError('download', `mvn could not fetch Kafka ${version}:\n${lastLines(output, 15)}`);
}

/** Every pinned jar is there with the pinned bytes, and no other. @throws LocalError `checksum` */
export async function verifyArtifacts(
  directory: string,
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  const found = new Set(await readdir(directory));
  for (const name of found)
    if (!expected.has(name))
      throw new LocalError('checksum', `${join(directory, name)} is not an artifact of Kafka's`);
  for (const [name, sha256] of expected) {
    const path = join(directory, name);
    if (!found.has(name)) throw new LocalError('checksum', `${path} is missing: fetch it again`);
    const actual = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    if (actual !== sha256)
      throw new LocalError(
        'checksum',
        `${path} has SHA-256 ${actual}, not ${sha256}: delete it and fetch it again`,
      );
  }
}

/** Fill a directory beside `target` and rename it to that. */
async function fetchInto(
  target: string,
  parent: string,
  version: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const building = await mkdtemp(join(parent, `.${version}-`));
  try {
    await runMaven(building, version, signal);
    const libs = join(building, 'libs');
    if (version === pinnedVersion) await verifyArtifacts(libs, pinnedArtifacts);
    await rename(libs, target).catch((error: unknown) => {
      // Another process was first; what it put there was verified as well.
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

export interface FetchSteps {
  /** Told when a download begins, in words. */
  readonly onStep?: (step: string) => void;
  /** Ends a download. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The directory with the jars of a version of Kafka, fetched if it is not there.
 *
 * @throws LocalError `no-maven`, `download` or `checksum`; the signal's reason
 */
export async function resolveKafka(
  version: string = pinnedVersion,
  environment: NodeJS.ProcessEnv = process.env,
  { onStep, signal }: FetchSteps = {},
): Promise<string> {
  const parent = join(cacheRoot(environment), 'kafka');
  const target = join(parent, version);
  if (existsSync(target)) return target;
  await mkdir(parent, { recursive: true });
  onStep?.(`fetching Apache Kafka ${version} with Maven`);
  const fetchIfMissing = async (): Promise<void> => {
    if (!existsSync(target)) await fetchInto(target, parent, version, signal);
  };
  await withLock(join(parent, `.${version}.lock`), downloadTimeoutMs, fetchIfMissing, signal);
  return target;
}
