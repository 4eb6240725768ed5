import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SIDE, inkOf, toMnist } from "../page/normalise.js";

const SAMPLES = readFileSync(join(import.meta.dirname, "../page/samples.bin"));

/**
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => number} grey 0, black, to 255, white
 */
function paint(width, height, grey) {
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    rgba.fill(grey(pixel % width, Math.floor(pixel / width)), pixel * 4, pixel * 4 + 3);
    rgba[pixel * 4 + 3] = 255;
  }
  return { rgba, width, height };
}

/** @param {{ rgba: Uint8ClampedArray, width: number, height: number }} picture */
function normalised({ rgba, width, height }) {
  const picture = inkOf(rgba, width, height);
  assert.ok(picture, "no ink found");
  const pixels = toMnist(picture);
  assert.ok(pixels);
  return pixels;
}

/** @param {Float32Array} pixels */
function measured(pixels) {
  let [left, right, top, bottom, mass, x, y] = [SIDE, 0, SIDE, 0, 0, 0, 0];
  pixels.forEach((value, index) => {
    if (value === 0) return;
    const [column, row] = [index % SIDE, Math.floor(index / SIDE)];
    [left, right, top, bottom] = [Math.min(left, column), Math.max(right, column), Math.min(top, row), Math.max(bottom, row)];
    mass += value;
    x += value * (column + 0.5);
    y += value * (row + 0.5);
  });
  return { width: right - left + 1, height: bottom - top + 1, x: x / mass, y: y / mass };
}

test("MNIST's own images come out as they are, to a pixel's breadth", () => {
  for (let digit = 0; digit < 10; digit += 1) {
    const sample = SAMPLES.subarray(digit * SIDE * SIDE, (digit + 1) * SIDE * SIDE);
    const pixels = normalised(paint(SIDE, SIDE, (x, y) => sample[y * SIDE + x] ?? 0));
    const wrong = pixels.reduce((sum, value, index) => sum + Math.abs(value - (sample[index] ?? 0)), 0);
    const ink = sample.reduce((sum, value) => sum + value, 0);
    assert.ok(wrong / ink < 0.08, `digit ${digit}: ${((100 * wrong) / ink).toFixed(1)} % of the ink lies elsewhere`);
  }
});

for (const [name, paper, ink] of /** @type {const} */ ([
  ["dark on light", 250, 20],
  ["light on dark", 10, 240],
  ["pencil on grey paper", 200, 120],
])) {
  test(`${name}: 20 pixels high, the centre of mass in the middle, full black`, () => {
    // An L in a corner of a wide picture: its centre of mass is not the middle of its box.
    const isInk = (/** @type {number} */ x, /** @type {number} */ y) =>
      (x >= 40 && x < 55 && y >= 30 && y < 130) || (x >= 40 && x < 100 && y >= 115 && y < 130);
    const pixels = normalised(paint(400, 300, (x, y) => (isInk(x, y) ? ink : paper)));
    const found = measured(pixels);
    assert.equal(found.height, 20);
    assert.equal(found.width, 12);
    assert.ok(Math.abs(found.x - 14.5) <= 0.5 && Math.abs(found.y - 14.5) <= 0.5, JSON.stringify(found));
    assert.equal(Math.max(...pixels), 255);
    assert.equal(Math.min(...pixels), 0);
  });
}

test("a wide stroke is fitted by its width", () => {
  const found = measured(normalised(paint(300, 300, (x, y) => (x > 20 && x < 280 && y > 140 && y < 166 ? 0 : 255))));
  assert.deepEqual([found.width, found.height], [20, 2]);
});

test("faint specks are paper and do not widen the box", () => {
  const pixels = normalised(paint(200, 200, (x, y) => (x > 90 && x < 110 && y > 50 && y < 150 ? 0 : (x * 7 + y * 13) % 31 === 0 ? 235 : 255)));
  assert.equal(measured(pixels).height, 20);
  assert.equal(measured(pixels).width, 4);
});

test("an empty page has no ink, whatever its colour", () => {
  for (const grey of [0, 128, 255]) {
    const { rgba } = paint(50, 50, () => grey);
    assert.equal(inkOf(rgba, 50, 50), null);
  }
  assert.equal(inkOf(new Uint8ClampedArray(50 * 50 * 4), 50, 50), null, "transparent");
  assert.equal(toMnist({ ink: new Float32Array(9), width: 3, height: 3 }), null);
});
