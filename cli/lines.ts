/** Lines of a byte stream, as bytes without their line ends (\n or \r\n), whatever the chunks. */

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Gives each line; the last one also without a line end. Ends early when `signal` aborts. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  const aborted = new Promise<IteratorReturnResult<undefined>>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve({ done: true, value: undefined });
      },
      { once: true },
    );
  });
  const iterator = chunks[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([iterator.next(), aborted]);
    if (next.done === true || signal.aborted) break;
    let from = 0;
    for (let end = next.value.indexOf(lineFeed); end >= 0; end = next.value.indexOf(lineFeed, from)) {
      yield withoutReturn(Buffer.concat([...rest, next.value.subarray(from, end)]));
      rest = [];
      from = end + 1;
    }
    if (from < next.value.length) rest.push(next.value.subarray(from));
  }
  if (rest.length > 0 && !signal.aborted) yield withoutReturn(Buffer.concat(rest));
}

function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === carriageReturn ? line.subarray(0, -1) : line;
}
