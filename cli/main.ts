#!/usr/bin/env node
/** The `weir` program. */
import { processIo } from './io.ts';
import { runCli } from './program.ts';

await runCli(process.argv.slice(2), processIo());
