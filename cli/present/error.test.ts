import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { AgentError } from '#agents/agent-error.ts';
import { CodecError } from '#engine/codec/codec-error.ts';
import { ClientError } from '#client/client-error.ts';
import { EngineError } from '#engine/engine-error.ts';
import { SinkError } from '#sinks/clickhouse/error.ts';
import { EmbeddedServerError } from '#sinks/clickhouse/server/embedded-server-error.ts';
import { CliError } from '../cli-error.ts';
import { memoryIo } from '../io.fixture.ts';
import { exitCodeOf, presentError } from './error.ts';

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed, write '/data/x'`), { code });
}

describe('exitCodeOf', () => {
  it.each([
    [new CliError('usage', ''), 2],
    [new CliError('failure', ''), 1],
    [new CliError('environment', ''), 3],
    [new CliError('interrupted', ''), 130],
    [new CommanderError(1, 'commander.unknownOption', ''), 2],
    [new CommanderError(0, 'commander.helpDisplayed', ''), 0],
    [new EngineError('parameter', ''), 2],
    [new EngineError('task-stopped', ''), 1],
    [new EngineError('recording', ''), 1],
    [new EngineError('kafka-settings', ''), 2],
    [new EngineError('kafka-unreachable', ''), 3],
    [new EngineError('topics-differ', ''), 1],
    [new ClientError('insecure-listen', ''), 2],
    [new ClientError('listen', ''), 3],
    [new CodecError('invalid-schema', ['']), 1],
    [new SinkError('clickhouse-transient', ''), 3],
    [new SinkError('not-only-writer', ''), 3],
    [new SinkError('clickhouse-data', ''), 1],
    [new AgentError('config', ''), 2],
    [new EmbeddedServerError('port-in-use', ''), 3],
    [new EmbeddedServerError('data-dir-locked', ''), 3],
    [new EmbeddedServerError('unsafe-host', ''), 2],
    [systemError('ENOSPC'), 3],
    [systemError('ERR_MODULE_NOT_FOUND'), 3],
    [systemError('EXOTIC'), 1],
    [new TypeError('a bug'), 1],
    [new AggregateError([new Error('a'), systemError('EROFS')]), 3],
    ['text', 1],
  ])('of %o is %i', (error, expected) => {
    expect(exitCodeOf(error)).toBe(expected);
  });
});

describe('presentError', () => {
  it('writes message and remedies to stderr, without a stack', () => {
    const io = memoryIo();
    presentError(
      io,
      new CliError('environment', 'no data', { remedies: ['weir demo', 'weir doctor'] }),
      false,
    );
    expect(io.err()).toBe('weir: no data\n  try: weir demo\n  try: weir doctor\n');
    expect(io.out()).toBe('');
    expect(io.exitCode()).toBe(3);
  });

  it.each([
    new EngineError('kafka-unreachable', 'no broker'),
    new ClientError('kafka-unreachable', 'no broker'),
  ])('names what says where Kafka is when it is not reached: %o', (error) => {
    const io = memoryIo();
    presentError(io, error, false);
    expect(io.err()).toMatch(
      /^weir: no broker\n {2}try: .*--brokers, WEIR_KAFKA_BROKERS, .* weir local start\n$/,
    );
  });

  it('says what to do about errors of the operating system', () => {
    const io = memoryIo();
    presentError(io, systemError('ENOSPC'), false);
    expect(io.err()).toBe(
      "weir: ENOSPC: it failed, write '/data/x'\n  try: free some space on that file system, or choose another place\n",
    );
  });

  it('shows stacks of the error and its causes when asked', () => {
    const io = memoryIo();
    presentError(io, new CliError('failure', 'outer', { cause: new Error('inner') }), true);
    expect(io.err()).toMatch(/^weir: outer\nCliError: outer\n +at .*caused by: Error: inner\n +at /s);
  });

  it('lists every error of several', () => {
    const io = memoryIo();
    presentError(io, new AggregateError([new Error('one'), new Error('two')], 'two tasks stopped'), false);
    expect(io.err()).toBe('weir: two tasks stopped\n  one\n  two\n');
  });
});
