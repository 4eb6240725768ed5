// The ways to bring a picture: choose a file, paste, drop, or take one of the test digits.

import { byId } from "./dom.js";
import { SIDE, inkOf } from "./normalise.js";
import { Problem, inWords } from "./problems.js";
import { readPicture } from "./upload.js";

/**
 * @param {import("./pad.js").Pad} pad where pictures are laid
 * @param {string} samples address of the test digits: ten of them, a byte for each pixel
 */
export function startPictures(pad, samples) {
  const problem = byId("pad-problem", HTMLElement);
  const file = byId("file", HTMLInputElement);
  const paper = byId("paper", HTMLElement);
  let next = 0;
  let newest = 0;

  /** @param {() => Promise<import("./normalise.js").Picture>} bring */
  async function lay(bring) {
    newest += 1;
    const mine = newest;
    problem.hidden = true;
    try {
      const picture = await bring();
      if (mine === newest) pad.show(picture); // else another one was brought in the meantime
    } catch (error) {
      problem.textContent = inWords(error);
      problem.hidden = false;
    }
  }

  pad.addEventListener("change", () => {
    problem.hidden = true;
  });
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) void lay(() => fromFile(chosen));
    file.value = ""; // so that the same file can be chosen again
  });
  byId("sample", HTMLButtonElement).addEventListener("click", () => {
    void lay(() => testDigit(samples, next++ % 10));
  });
  document.addEventListener("paste", (event) => {
    const [pasted] = event.clipboardData?.files ?? [];
    if (pasted) {
      event.preventDefault();
      void lay(() => fromFile(pasted));
    } else if (!(event.target instanceof HTMLTextAreaElement)) {
      void lay(() => Promise.reject(new Problem("There is no picture in the clipboard.", "nothing-to-paste")));
    }
  });
  for (const type of /** @type {const} */ (["dragover", "dragleave", "drop"])) {
    paper.addEventListener(type, (event) => {
      event.preventDefault();
      paper.classList.toggle("is-dropping", type === "dragover");
      const [dropped] = type === "drop" ? (event.dataTransfer?.files ?? []) : [];
      if (dropped) void lay(() => fromFile(dropped));
    });
  }
}

/** @param {Blob} file */
async function fromFile(file) {
  const { data, width, height } = await readPicture(file);
  const picture = inkOf(data, width, height);
  if (!picture) throw new Problem("There is nothing on this picture that looks like ink.", "empty-picture");
  return picture;
}

/**
 * @param {string} address
 * @param {number} digit
 */
async function testDigit(address, digit) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) throw new Problem("The test digits could not be loaded. Is this page's server still there?", "samples-missing");
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const pixels = bytes.subarray(digit * SIDE * SIDE, (digit + 1) * SIDE * SIDE);
  return { ink: Float32Array.from(pixels, (value) => value / 255), width: SIDE, height: SIDE };
}
