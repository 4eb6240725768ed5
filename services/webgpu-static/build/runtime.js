// Usage: node build/runtime.js SITE
// Puts the three files of ONNX Runtime Web that the page loads into SITE/onnxruntime-web-VERSION/, compressed.

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { compressAll } from "./compress.js";

const FILES = [
  "ort.webgpu.min.mjs",
  "ort-wasm-simd-threaded.asyncify.mjs",
  "ort-wasm-simd-threaded.asyncify.wasm",
];

const site = argv[2] ?? "site";
const source = join(import.meta.dirname, "../node_modules/onnxruntime-web");
const { version } = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
const target = join(site, `onnxruntime-web-${version}`);
mkdirSync(target, { recursive: true });
for (const file of FILES) copyFileSync(join(source, "dist", file), join(target, file));
compressAll(target);
