import assert from "node:assert/strict";
import { test } from "node:test";
import { indexOfHighest, percentile, softmax } from "../page/statistics.js";

test("softmax gives shares of one, in the order of the logits", () => {
  const shares = softmax([0, Math.log(2), Math.log(5)]);
  [1 / 8, 2 / 8, 5 / 8].forEach((share, index) => assert.ok(Math.abs((shares[index] ?? 0) - share) < 1e-12));
});

test("softmax stands large logits", () => {
  assert.deepEqual(softmax([5000, -5000]), [1, 0]);
});

test("percentiles are numbers that were there", () => {
  const numbers = [5, 1, 4, 2, 3, 6, 10, 9, 8, 7];
  assert.equal(percentile(numbers, 0.5), 5);
  assert.equal(percentile(numbers, 0.95), 10);
  assert.equal(percentile(numbers, 0.9), 9);
  assert.equal(percentile([7], 0.95), 7);
  assert.throws(() => percentile([], 0.5), RangeError);
});

test("the highest is found, also below zero", () => {
  assert.equal(indexOfHighest(Float32Array.of(-9, -2, -3)), 1);
});
