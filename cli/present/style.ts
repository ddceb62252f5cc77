/**
 * Colours and weights, as ECMA-48 SGR sequences.
 * Not `styleText` of node:util: from Node 22 on it decides by itself whether stdout takes colours, and we know better
 * (stderr may be a terminal where stdout is none).
 */
const sequences = {
  bold: ['1', '22'],
  dim: ['2', '22'],
  red: ['31', '39'],
  green: ['32', '39'],
  yellow: ['33', '39'],
} as const;

export type Style = keyof typeof sequences;

/** The text in this style, or as it is where `colours` is false. */
export function styled(colours: boolean, style: Style, text: string): string {
  if (!colours) return text;
  const [on, off] = sequences[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
