// What a file is, by its first bytes: its name and its type are only what somebody says.
/* eslint-disable no-control-regex -- the signs of binary files hold them */

/** @type {readonly [RegExp, string][]} */
const PICTURES = [
  [/^\x89PNG\r\n\x1a\n/, "PNG"],
  [/^\xff\xd8\xff/, "JPEG"],
  [/^GIF8[79]a/, "GIF"],
  [/^RIFF[\s\S]{4}WEBP/, "WebP"],
  [/^BM/, "BMP"],
  [/^[\s\S]{4}ftypavi[fs]/, "AVIF"],
];

/** @type {readonly [RegExp, string][]} */
const OTHERS = [
  [/^%PDF-/, "a PDF document"],
  [/^[\s\S]{4}ftyp(heic|heix|mif1|msf1)/, "a HEIC photo"],
  [/^(II\*\0|MM\0\*)/, "a TIFF picture"],
  [/^\s*(<\?xml[\s\S]*)?<svg/i, "an SVG drawing"],
  [/^PK\x03\x04/, "a ZIP archive or an Office document"],
  [/^[\s\S]{4}ftyp/, "a video"],
  [/^\s*<(!doctype|html)/i, "a web page"],
  [/^[\t\n\r\x20-\x7e]+$/, "a text"],
];

/**
 * @param {Uint8Array} beginning the file's first bytes; 64 are enough
 * @returns {{ isPicture: boolean, name: string }}
 */
export function kindOf(beginning) {
  const text = String.fromCharCode(...beginning.subarray(0, 64));
  const picture = PICTURES.find(([sign]) => sign.test(text));
  if (picture) return { isPicture: true, name: picture[1] };
  return { isPicture: false, name: OTHERS.find(([sign]) => sign.test(text))?.[1] ?? "an unknown kind of file" };
}
