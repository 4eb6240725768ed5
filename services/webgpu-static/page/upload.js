// A picture from a file, the clipboard or another window, checked before it is decoded.

import { kindOf } from "./kind.js";
import { Problem } from "./problems.js";

const MOST_MEGABYTES = 30;
const MOST_MEGAPIXELS = 32;
const LOOKED_AT = 560; // pixels on the longer side: more says nothing about a digit

/**
 * @param {Blob} file
 * @returns {Promise<ImageData>} the picture, made smaller where it is large
 * @throws {Problem} empty-file, not-a-picture, too-many-bytes, too-many-pixels or broken-picture
 */
export async function readPicture(file) {
  const name = file instanceof File ? `“${file.name}”` : "What you pasted";
  if (file.size === 0) throw new Problem(`${name} is empty.`, "empty-file");
  const kind = kindOf(new Uint8Array(await file.slice(0, 64).arrayBuffer()));
  if (!kind.isPicture) {
    throw new Problem(`${name} is ${kind.name}, not a picture. PNG, JPEG, WebP, AVIF, GIF and BMP work.`, "not-a-picture");
  }
  if (file.size > MOST_MEGABYTES * 1e6) {
    const size = Math.round(file.size / 1e6);
    throw new Problem(`${name} has ${size} MB; up to ${MOST_MEGABYTES} MB work. Make it smaller first.`, "too-many-bytes");
  }
  const broken = new Problem(`${name} begins like a ${kind.name} picture, but the rest can't be read.`, "broken-picture");
  const { width, height } = await sizeOf(file).catch(() => Promise.reject(broken));
  const megapixels = (width * height) / 1e6;
  if (megapixels > MOST_MEGAPIXELS) {
    throw new Problem(
      `${name} has ${Math.round(megapixels)} megapixels; up to ${MOST_MEGAPIXELS} work. Cut out the digit, or make it smaller.`,
      "too-many-pixels",
    );
  }
  // Unlike an image element, this refuses a picture that is cut off instead of showing it as far as it goes.
  const bitmap = await createImageBitmap(file).catch(() => Promise.reject(broken));
  return reduced(bitmap);
}

/**
 * The picture's size, known once its head is read: the pixels are only decoded when they are drawn.
 * @param {Blob} file
 * @returns {Promise<{ width: number, height: number }>}
 */
async function sizeOf(file) {
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = address;
    });
    return { width: image.naturalWidth, height: image.naturalHeight };
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** @param {ImageBitmap} bitmap */
function reduced(bitmap) {
  const scale = Math.min(1, LOOKED_AT / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Problem("This browser can't draw pictures.", "no-canvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
