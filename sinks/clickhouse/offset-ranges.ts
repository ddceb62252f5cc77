/** Rising offsets as ranges, and in words. */

export function rangesOf(offsets: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const found: [number, number][] = [];
  for (const offset of offsets) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === offset - 1) last[1] = offset;
    else found.push([offset, offset]);
  }
  return found;
}

/** A message stays readable with so many. */
const maxRanges = 20;

/** `3, 5-9`, for messages; at most 20 ranges, then how many offsets more. */
export function describeOffsets(offsets: readonly number[]): string {
  const ranges = rangesOf(offsets);
  const told = ranges.slice(0, maxRanges);
  const more = ranges.slice(maxRanges).reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const words = told.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
  return more === 0 ? words : `${words} and ${more} more`;
}
