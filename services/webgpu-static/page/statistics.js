/**
 * @param {ArrayLike<number>} logits
 * @returns {number[]} probabilities: all between 0 and 1, together 1
 */
export function softmax(logits) {
  const highest = Math.max(...Array.from(logits)); // subtracted, so that no power overflows
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/**
 * @param {readonly number[]} numbers at least one
 * @param {number} share between 0 and 1: 0.5 is the median
 * @returns {number} the smallest of the numbers that at least this share of them do not exceed
 */
export function percentile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new RangeError("There is no percentile of nothing.");
  return found;
}

/**
 * @param {ArrayLike<number>} numbers
 * @returns {number} where the highest stands
 */
export function indexOfHighest(numbers) {
  return Array.from(numbers).reduce((best, number, index, all) => (number > (all[best] ?? -Infinity) ? index : best), 0);
}
