/** Tells what is wrong from what came late: `.ci/run` gives a test that failed a second try, but none that failed by a verdict. */

/** How the message of a verdict begins; `.ci/run` looks for it. */
const WRONG = 'not exactly once: ';

/** What `prove` returns. @throws Error with its message, marked as a verdict, when it throws */
export async function verdict<T>(prove: () => Promise<T>): Promise<T> {
  try {
    return await prove();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(message.startsWith(WRONG) ? message : `${WRONG}${message}`, { cause });
  }
}
