/** The Java that runs Kafka's brokers. */
import { join } from 'node:path';
import { LocalError } from '../local-error.ts';
import { runProgram } from './run-program.ts';

/** Brokers of Kafka 4 need Java 17 (https://kafka.apache.org/43/getting-started/compatibility/). */
const leastJavaVersion = 17;
const whatToInstall =
  `install a Java runtime of version ${leastJavaVersion} or newer (Debian, Ubuntu: "apt-get install ` +
  `openjdk-17-jre-headless"; macOS: "brew install openjdk"), or let JAVA_HOME name one`;

/** The major version in what `java -version` prints: `openjdk version "17.0.15"` is 17, `"1.8.0_292"` is 8. */
export function majorVersion(printed: string): number | undefined {
  const found = /version "(?:1\.)?(\d+)/.exec(printed);
  return found === null ? undefined : Number(found[1]);
}

/** The `java` of JAVA_HOME, else of PATH. @throws LocalError `no-java` when there is none or it is too old. */
export async function findJava(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const home = environment['JAVA_HOME'];
  const java = home === undefined || home === '' ? 'java' : join(home, 'bin', 'java');
  const { exitCode, output, missing } = await runProgram(java, ['-version'], { timeoutMs: 30_000 });
  if (missing)
    throw new LocalError('no-java', `Kafka needs Java, but there is no program "${java}": ${whatToInstall}`);
  const version = majorVersion(output);
  if (exitCode !== 0 || version === undefined)
    throw new LocalError('no-java', `"${java} -version" failed (${output.trim()}): ${whatToInstall}`);
  if (version < leastJavaVersion)
    throw new LocalError('no-java', `"${java}" is Java ${version}, too old for Kafka: ${whatToInstall}`);
  return java;
}
