/** `weir worker`: a part of `weir up`, not for people. */
import type { Command } from 'commander';

export function registerWorker(program: Command): void {
  program
    .command('worker', { hidden: true })
    .description('A worker process of weir up, which starts it.')
    .action(async () => {
      const { runWorker } = await import('../kafka/worker-process.ts');
      await runWorker();
    });
}
