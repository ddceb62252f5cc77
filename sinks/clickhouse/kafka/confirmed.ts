/** Whether a partition is still this member's. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupMember } from '#engine/kafka/reader/group-member.ts';

const pollMs = 20;

/**
 * Resolves when the group has answered a heartbeat that was sent after the call: what was this member's before is still. Rejects
 * when `stop` aborts; it does when the group has lost the member.
 */
export async function confirmed(member: Pick<GroupMember, 'heardAtMs'>, stop: AbortSignal): Promise<void> {
  const sinceMs = performance.now();
  while (member.heardAtMs <= sinceMs) await sleep(pollMs, undefined, { signal: stop });
}
