/** Notes on the screen, without floods: what repeats is told again after a while, with how often it came. */

const quietMs = 10_000;

/** Returns a function that prints a note unless one of the same code was printed less than 10 s ago. */
export function throttled(
  print: (note: string) => void,
  nowMs: () => number,
): (code: string, note: string) => void {
  const last = new Map<string, { atMs: number; suppressed: number }>();
  return (code, note) => {
    const before = last.get(code);
    const now = nowMs();
    if (before !== undefined && now - before.atMs < quietMs) {
      before.suppressed += 1;
      return;
    }
    last.set(code, { atMs: now, suppressed: 0 });
    const more = before?.suppressed ?? 0;
    print(more === 0 ? note : `${note} (and ${more} more of the kind)`);
  };
}
