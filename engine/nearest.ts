/** The name that a user probably meant. */

/** Number of inserted, removed, replaced or swapped neighbouring characters between two names (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, replaced);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** The candidate nearest to `name`, if one is near enough (two edits in five characters) or begins with it. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: distance(wanted, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1));
  const best = ranked[0];
  if (best !== undefined && best.edits <= Math.max(1, Math.ceil(best.candidate.length * 0.4)))
    return best.candidate;
  const starting = candidates.filter(
    (candidate) => wanted !== '' && candidate.toLowerCase().startsWith(wanted),
  );
  return starting.length === 1 ? starting[0] : undefined;
}
