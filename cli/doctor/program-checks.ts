/** Programs that only some uses of Weir need: a real Kafka on this machine, and building its client. */
import type { Check } from './check.ts';
import { runProgram, type ProgramAnswer } from './run-program.ts';

const timeoutMs = 10_000;
/** Kafka 4 servers need it (KIP-1013). */
const neededJava = 17;
const kafka = 'a real Kafka on this machine (Docker on Linux, or Java and Maven)';
const building = 'building node-rdkafka, for transactions on a real Kafka';

/** @param answer of `java -version` */
export function javaCheck(answer: ProgramAnswer): Check {
  const base = { name: 'java', neededFor: kafka };
  const remedy = `install Java ${neededJava} or newer (Debian: apt install openjdk-${neededJava}-jre-headless), or Docker`;
  const version = /version "(?:1\.)?(\d+)([^"]*)"/.exec(answer.text);
  if (answer.outcome !== 0 || version === null)
    return { ...base, state: 'optional-missing', found: describe(answer), remedy };
  const found = `Java ${version[1]!}${version[2]!}`;
  return Number(version[1]) >= neededJava
    ? { ...base, state: 'ok', found }
    : { ...base, state: 'optional-missing', found, remedy };
}

/** @param answer of `mvn --version` */
export function mavenCheck(answer: ProgramAnswer): Check {
  const base = { name: 'maven', neededFor: 'fetching Kafka for Java, at the first weir local start' };
  const found = /Apache Maven [\w.-]+/.exec(answer.text)?.[0];
  if (answer.outcome === 0 && found !== undefined) return { ...base, state: 'ok', found };
  const remedy = 'install it (Debian: apt install maven; macOS: brew install maven), or Docker';
  return { ...base, state: 'optional-missing', found: describe(answer), remedy };
}

/** @param answer of `docker version --format {{.Server.Version}}`, which asks the daemon */
export function dockerCheck(answer: ProgramAnswer): Check {
  const base = { name: 'docker', neededFor: kafka };
  const version = answer.text.split('\n')[0] ?? '';
  if (answer.outcome === 0 && /^\d/.test(version))
    return { ...base, state: 'ok', found: `Docker ${version}` };
  const remedy =
    answer.outcome === 'ENOENT'
      ? 'install Docker, or Java'
      : 'start the Docker daemon, and allow this user to use it (group docker)';
  return { ...base, state: 'optional-missing', found: describe(answer), remedy };
}

function describe({ outcome, text }: ProgramAnswer): string {
  if (outcome === 'ENOENT') return 'not installed';
  return `does not answer (${outcome}) ${text.split('\n').at(-1) ?? ''}`.trim();
}

async function builderCheck(name: string, packageName: string): Promise<Check> {
  const answer = await runProgram(name, ['--version'], { timeoutMs });
  const base = { name, neededFor: building };
  if (answer.outcome === 0) return { ...base, state: 'ok', found: answer.text.split('\n')[0] ?? '' };
  const remedy = `install it (Debian: apt install ${packageName}; macOS: xcode-select --install)`;
  return { ...base, state: 'optional-missing', found: describe(answer), remedy };
}

export async function programChecks(): Promise<readonly Check[]> {
  return Promise.all([
    runProgram('docker', ['version', '--format', '{{.Server.Version}}'], { timeoutMs }).then(dockerCheck),
    runProgram('java', ['-version'], { timeoutMs }).then(javaCheck),
    runProgram('mvn', ['--version'], { timeoutMs }).then(mavenCheck),
    builderCheck('g++', 'g++'),
    builderCheck('make', 'make'),
    builderCheck('python3', 'python3'),
  ]);
}
