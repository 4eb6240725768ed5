// From any picture of a digit to what the model was trained on: MNIST's way of cutting, scaling and centring.

export const SIDE = 28; // pixels of the model's input, both ways
const BOX = 20; // the digit itself fits into a box of so many pixels
const MIDDLE = 14.5; // where MNIST's centres of mass lie: the middle of the fifteenth pixel
const FAINTEST = 0.12; // of full contrast: less than that is an empty page
const NOISE = 0.35; // of the threshold between paper and ink: less than that is paper

/**
 * How much ink there is on each pixel, from 0 to 1, row by row.
 * @typedef {{ ink: Float32Array, width: number, height: number }} Picture
 */

/**
 * Tell ink from paper: dark on light or light on dark, whichever the picture's border says.
 * @param {Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 * @returns {Picture | null} null when there is no ink
 */
export function inkOf(rgba, width, height) {
  const grey = new Float32Array(width * height);
  for (let pixel = 0; pixel < grey.length; pixel += 1) grey[pixel] = brightness(rgba, pixel * 4);
  const paper = median(border(grey, width, height));
  const direction = paper >= 0.5 ? -1 : 1;
  const ink = grey.map((value) => Math.max(0, (value - paper) * direction));
  const darkest = ink.reduce((most, value) => Math.max(most, value), 0);
  if (darkest < FAINTEST) return null;
  const scaled = ink.map((value) => value / darkest);
  const noise = threshold(scaled) * NOISE;
  return { ink: scaled.map((value) => (value < noise ? 0 : value)), width, height };
}

/**
 * Scale the inked part into a box of 20 × 20 and lay it on 28 × 28 with its centre of mass in the middle.
 * @param {Picture} picture
 * @returns {Float32Array | null} 784 values from 0 (paper) to 255 (ink); null when there is no ink
 */
export function toMnist(picture) {
  const box = inkedPart(picture);
  if (!box) return null;
  const scale = BOX / Math.max(box.width, box.height);
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  const digit = shrink(picture, box, width, height);
  const middle = centreOfMass(digit, width);
  const left = within(Math.round(MIDDLE - middle.x), SIDE - width);
  const top = within(Math.round(MIDDLE - middle.y), SIDE - height);
  const darkest = digit.reduce((most, value) => Math.max(most, value), 0);
  const pixels = new Float32Array(SIDE * SIDE);
  digit.forEach((value, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    pixels[(top + y) * SIDE + left + x] = Math.round((value / darkest) * 255);
  });
  return pixels;
}

/**
 * @param {Uint8ClampedArray} rgba
 * @param {number} at
 * @returns {number} from 0, black, to 1, white; what is transparent lies on white
 */
function brightness(rgba, at) {
  const opacity = part(rgba, at + 3);
  return (0.299 * part(rgba, at) + 0.587 * part(rgba, at + 1) + 0.114 * part(rgba, at + 2)) * opacity + 1 - opacity;
}

/**
 * @param {Uint8ClampedArray} rgba
 * @param {number} at
 */
function part(rgba, at) {
  return (rgba[at] ?? 0) / 255;
}

/**
 * @param {Float32Array} grey
 * @param {number} width
 * @param {number} height
 */
function border(grey, width, height) {
  const rows = Array.from({ length: height }, (_, y) => grey.subarray(y * width, (y + 1) * width));
  const sides = rows.flatMap((row) => [row[0] ?? 1, row.at(-1) ?? 1]);
  return Float32Array.from([...(rows[0] ?? []), ...(rows.at(-1) ?? []), ...sides]);
}

/** @param {Float32Array} values */
function median(values) {
  return values.toSorted()[Math.floor(values.length / 2)] ?? 1;
}

/**
 * Otsu's threshold: the value that parts the pixels into the two groups that differ most.
 * @param {Float32Array} values from 0 to 1
 */
function threshold(values) {
  const counts = new Array(256).fill(0);
  for (const value of values) counts[Math.round(value * 255)] += 1;
  const sum = counts.reduce((total, count, level) => total + count * level, 0);
  let [below, sumBelow, first, last, mostApart] = [0, 0, 0, 0, 0];
  counts.forEach((count, level) => {
    below += count;
    sumBelow += count * level;
    const above = values.length - below;
    if (below === 0 || above === 0) return;
    const apart = below * above * (sumBelow / below - (sum - sumBelow) / above) ** 2;
    if (apart > mostApart) [first, last, mostApart] = [level, level, apart];
    else if (apart === mostApart) last = level; // nothing in between: the middle of the gap is as good and safer
  });
  return (first + last) / 2 / 255;
}

/**
 * @param {Picture} picture
 * @returns {{ left: number, top: number, width: number, height: number } | null}
 */
function inkedPart({ ink, width }) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let pixel = 0; pixel < ink.length; pixel += 1) {
    if (ink[pixel] === 0) continue;
    const x = pixel % width;
    const y = Math.floor(pixel / width);
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return left > right ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/**
 * Each new pixel is the mean of the area that it covers.
 * @param {Picture} picture
 * @param {{ left: number, top: number, width: number, height: number }} box
 * @param {number} width
 * @param {number} height
 */
function shrink(picture, box, width, height) {
  const across = covered(box.left, box.width, width);
  const down = covered(box.top, box.height, height);
  const result = new Float32Array(width * height);
  down.forEach((rows, y) => {
    across.forEach((columns, x) => {
      let [sum, area] = [0, 0];
      for (const [row, high] of rows) {
        for (const [column, wide] of columns) {
          sum += (picture.ink[row * picture.width + column] ?? 0) * high * wide;
          area += high * wide;
        }
      }
      result[y * width + x] = sum / area;
    });
  });
  return result;
}

/**
 * Which old pixels each of ``count`` new ones covers, and how much of each.
 * @param {number} start
 * @param {number} length
 * @param {number} count
 * @returns {[number, number][][]}
 */
function covered(start, length, count) {
  const step = length / count;
  return Array.from({ length: count }, (_, index) => {
    const [from, to] = [index * step, (index + 1) * step];
    /** @type {[number, number][]} */
    const parts = [];
    for (let pixel = Math.floor(from); pixel < to - 1e-9; pixel += 1) {
      parts.push([start + pixel, Math.min(to, pixel + 1) - Math.max(from, pixel)]);
    }
    return parts;
  });
}

/**
 * @param {Float32Array} values
 * @param {number} width
 */
function centreOfMass(values, width) {
  let [mass, x, y] = [0, 0, 0];
  values.forEach((value, index) => {
    mass += value;
    x += value * ((index % width) + 0.5);
    y += value * (Math.floor(index / width) + 0.5);
  });
  return { x: x / mass, y: y / mass };
}

/**
 * @param {number} value
 * @param {number} most
 */
function within(value, most) {
  return Math.min(Math.max(value, 0), most);
}
