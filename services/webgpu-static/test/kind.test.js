import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf } from "../page/kind.js";

/** @param {string} text each character a byte */
const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

test("pictures are known by their first bytes", () => {
  const pictures = {
    PNG: "\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    JPEG: "\xff\xd8\xff\xe0",
    GIF: "GIF89a",
    WebP: "RIFF\x10\0\0\0WEBPVP8 ",
    BMP: "BM",
    AVIF: "\0\0\0\x20ftypavif",
  };
  for (const [name, beginning] of Object.entries(pictures)) {
    assert.deepEqual(kindOf(bytes(beginning)), { isPicture: true, name });
  }
});

test("others are called what they are, whatever their name", () => {
  const others = {
    "a PDF document": "%PDF-1.7",
    "a HEIC photo": "\0\0\0\x18ftypheic",
    "an SVG drawing": '<?xml version="1.0"?><svg>',
    "a ZIP archive or an Office document": "PK\x03\x04",
    "a web page": "<!DOCTYPE html>",
    "a text": "seven\n",
    "an unknown kind of file": "\0\x01\x02",
  };
  for (const [name, beginning] of Object.entries(others)) {
    assert.deepEqual(kindOf(bytes(beginning)), { isPicture: false, name });
  }
});
