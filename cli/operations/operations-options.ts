/** The options of metrics, health and the log, for commands that run for long. */
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { unknownName } from '../unknown-name.ts';
import { logFormats, logLevels, type LogFormat, type LogLevel } from './logger.ts';

export interface OperationsCliOptions {
  readonly metricsPort?: string;
  readonly metricsHost: string;
  readonly logFormat: string;
  readonly logLevel: string;
}

export interface OperationsSettings {
  /** Where metrics and health are served; undefined when they are not asked for. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
}

export function addOperationsOptions(command: Command): Command {
  return command
    .option(
      '--metrics-port <number>',
      'serve /metrics, /healthz and /readyz on this port; 0 takes a free one',
    )
    .option('--metrics-host <address>', 'address to serve them on', '127.0.0.1')
    .option(
      '--log-format <format>',
      `${logFormats.join(' or ')}: lines for people, or an object each`,
      'text',
    )
    .option('--log-level <level>', `the least that is logged: ${logLevels.join(', ')}`, 'info');
}

/** @throws CliError `usage` that names the option */
export function operationsSettings(options: OperationsCliOptions): OperationsSettings {
  const { metricsPort, metricsHost } = options;
  return {
    metrics:
      metricsPort === undefined
        ? undefined
        : { host: hostOf('--metrics-host', metricsHost), port: portOf(metricsPort) },
    logFormat: oneOf('log format', options.logFormat, logFormats),
    logLevel: oneOf('log level', options.logLevel, logLevels),
  };
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new CliError('usage', `--metrics-port: '${text}' is no port (0 to 65535)`);
  return port;
}

/**
 * An address to listen on. An empty one, of a variable that is not set, would be all addresses of the machine.
 *
 * @throws CliError `usage` that names the option
 */
export function hostOf(option: string, text: string): string {
  if (text.trim() === '')
    throw new CliError('usage', `${option}: the address is empty`, {
      remedies: [
        `every address of this machine: ${option} 0.0.0.0`,
        `this machine only: ${option} 127.0.0.1`,
      ],
    });
  return text;
}

function oneOf<T extends string>(what: string, text: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw unknownName(what, text, known);
  return found;
}
