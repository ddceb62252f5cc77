/**
 * Lets idle connections of kafkajs rest. Importing it is enough.
 *
 * In kafkajs 2.2.4 a connection that has had its first answer looks for waiting requests every millisecond for ever, with
 * none waiting (`scheduleCheckPendingRequests` sets a timer of a negative time, whose end sets the next). Measured on Node 20:
 * 840 wake-ups and 3.5 % of a core for each connection, and a process that never ends by itself; newer Nodes warn of it
 * (TimeoutNegativeWarning). Here the timer is set only while a request waits, which is when there is something to look for.
 */
import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/network/requestQueue') as { readonly prototype: RequestQueue };
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own queue below
const schedule = prototype.scheduleCheckPendingRequests;

prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};
