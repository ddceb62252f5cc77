import { Command } from 'commander';
import { expect, it } from 'vitest';
import { addOperationsOptions, operationsSettings, type OperationsCliOptions } from './operations-options.ts';

function settingsOf(...argv: readonly string[]): ReturnType<typeof operationsSettings> {
  const command = addOperationsOptions(new Command('up')).exitOverride();
  command.parse([...argv], { from: 'user' });
  return operationsSettings(command.opts<OperationsCliOptions>());
}

it('serves nothing unless it is asked for, and then to this machine alone', () => {
  expect(settingsOf()).toEqual({ metrics: undefined, logFormat: 'text', logLevel: 'info' });
  expect(settingsOf('--metrics-port', '0').metrics).toEqual({ host: '127.0.0.1', port: 0 });
  expect(
    settingsOf(
      '--metrics-port',
      '9464',
      '--metrics-host',
      '::',
      '--log-format',
      'json',
      '--log-level',
      'warn',
    ),
  ).toEqual({
    metrics: { host: '::', port: 9_464 },
    logFormat: 'json',
    logLevel: 'warn',
  });
});

it.each([
  [['--metrics-port', '65536'], "--metrics-port: '65536' is no port (0 to 65535)"],
  [['--metrics-port', '-1'], "--metrics-port: '-1' is no port (0 to 65535)"],
  [['--metrics-port', ''], "--metrics-port: '' is no port (0 to 65535)"],
  [['--metrics-port', '1', '--metrics-host', ''], '--metrics-host: the address is empty'],
  [['--log-format', 'jsn'], "there is no log format 'jsn'; did you mean 'json'?"],
  [['--log-level', 'eror'], "there is no log level 'eror'; did you mean 'error'?"],
])('refuses %j', (argv, message) => {
  expect(() => settingsOf(...argv)).toThrow(message);
});
