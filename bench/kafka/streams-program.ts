/**
 * Apache Kafka Streams as a contender: bench/kafka-streams/, built by Maven into its target/ when its sources are not those
 * of the last build.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findJava } from '#local/kafka/java.ts';
import { lastLines, runProgram } from '#local/kafka/run-program.ts';
import type { Program } from './contender.ts';

const buildTimeoutMs = 10 * 60_000;

/** A built program, and the Java that runs it. */
export interface StreamsBuild {
  readonly java: string;
  readonly classPath: string;
  readonly version: string;
}

/** @throws LocalError without Java, Error when Maven is missing or fails */
export async function buildStreams(): Promise<StreamsBuild> {
  const project = join(packageDirectory(), 'bench', 'kafka-streams');
  const target = join(project, 'target');
  const stamp = join(target, 'sources.sha256');
  const sources = digest(project);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== sources) {
    rmSync(target, { recursive: true, force: true });
    const args = ['--batch-mode', '--quiet', '--strict-checksums', 'package'];
    const { exitCode, output, missing } = await runProgram('mvn', args, {
      cwd: project,
      timeoutMs: buildTimeoutMs,
    });
    if (missing)
      throw new Error('Kafka Streams is built by Maven, but there is no program "mvn": install it');
    if (exitCode !== 0) throw new Error(`mvn package failed in ${project}:\n${lastLines(output, 20)}`);
    writeFileSync(stamp, sources);
  }
  const libraries = join(target, 'libs');
  const library = readdirSync(libraries).find((name) => name.startsWith('kafka-streams-'));
  return {
    java: await findJava(),
    classPath: `${join(target, 'bench-kafka-streams.jar')}:${join(libraries, '*')}`,
    version: /^kafka-streams-(.+)\.jar$/.exec(library ?? '')?.[1] ?? 'unknown',
  };
}

/** The command line of a run. `options` are those of Main.java; `jvm` those of Java. */
export function streamsProgram(
  build: StreamsBuild,
  name: string,
  jvm: readonly string[],
  topology: 'windowed-sum' | 'alarms',
  options: Readonly<Record<string, string | number>>,
): Program {
  const args = Object.entries(options).map(([option, value]) => `--${option}=${value}`);
  return {
    name,
    command: build.java,
    args: [
      ...jvm,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      build.classPath,
      'weir.bench.Main',
      topology,
      ...args,
    ],
  };
}

function digest(project: string): string {
  const hash = createHash('sha256');
  const sources = join(project, 'src');
  const files = readdirSync(sources, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const file of [join(project, 'pom.xml'), ...files.sort()])
    hash.update(`${file.slice(project.length)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** The package's directory, from sources and from dist/ alike. */
function packageDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}
