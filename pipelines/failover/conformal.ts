/**
 * Adaptive conformal inference: intervals that keep their promised coverage while the series changes its ways, with no
 * assumption on the distribution of the errors.
 *
 * I1  A miss lowers alpha, and so widens the next interval; a hit raises it a little.
 * I2  Over T steps the miss rate differs from the target by at most (max(alpha_1, 1 - alpha_1) + gamma) / (T gamma),
 *     whatever the series (the paper's Proposition 4.1). It needs alpha to be left free to leave [0, 1].
 * Source: Gibbs & Candes, Adaptive Conformal Inference Under Distribution Shift, NeurIPS 2021, equation (2).
 */

/** alpha_{t+1} = alpha_t + gamma (target - err_t), where err_t is 1 after a miss and 0 after a hit. */
export function adaptAlpha(alpha: number, targetMissRate: number, gamma: number, missed: boolean): number {
  return alpha + gamma * (targetMissRate - (missed ? 1 : 0));
}

/**
 * Half-width of the interval at miss rate alpha: the ceil((n + 1)(1 - alpha))-th smallest of the n absolute errors.
 * null: no such error is known, so nothing short of an unbounded interval keeps the promise. 0 where alpha is 1 or more
 * (the paper's empty set).
 */
export function conformalHalfWidth(absoluteErrors: readonly number[], alpha: number): number | null {
  const n = absoluteErrors.length;
  // The subtraction keeps (n + 1)(1 - 0.1) from coming out a hair above the whole number that it is.
  const rank = Math.ceil((n + 1) * (1 - alpha) - 1e-9);
  if (rank > n) return null;
  if (rank <= 0) return 0;
  return absoluteErrors.toSorted((a, b) => a - b)[rank - 1]!;
}
