#!/usr/bin/env node
/** The `weir` program. */
import { processIo } from './io.ts';
import { runCli } from './program.ts';

/** What is left after a command waits for servers that do not answer: kafkajs ends no connection to a broker that is frozen. */
const lingerMs = 1_000;

await runCli(process.argv.slice(2), processIo());
setTimeout(() => process.exit(), lingerMs).unref();
