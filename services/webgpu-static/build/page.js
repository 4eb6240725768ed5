// Usage: node build/page.js SITE
// Puts the page and the model into SITE/app-HASH/, and into SITE what has a fixed name: index.html, which leads there,
// files.json, which lists every file with its hash, compressed.json with those of its compressed forms, and healthz. The runtime must be in SITE already.

import { copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { argv } from "node:process";
import { compressAll, sha256 } from "./compress.js";

const site = argv[2] ?? "site";
const root = join(import.meta.dirname, "..");
const model = join(root, "model/mnist.onnx");
const assets = [
  ...readdirSync(join(root, "page"))
    .filter((name) => name !== "index.html")
    .map((name) => join(root, "page", name)),
  model,
].sort();

const runtime = readdirSync(site).find((name) => name.startsWith("onnxruntime-web-"));
if (!runtime) throw new Error(`There is no runtime in ${site}: run build/runtime.js first.`);
const version = sha256(Buffer.concat(assets.map((file) => readFileSync(file)))).slice(0, 12);
const app = `app-${version}`;
mkdirSync(join(site, app), { recursive: true });
for (const file of assets) copyFileSync(file, join(site, app, basename(file)));

const blanks = new Map([
  ["{{app}}", app],
  ["{{runtime}}", runtime],
  ["{{model-sha256}}", sha256(readFileSync(model))],
]);
let index = readFileSync(join(root, "page/index.html"), "utf8");
for (const [blank, value] of blanks) index = index.replaceAll(blank, value);
writeFileSync(join(site, "index.html"), index);

const files = Object.fromEntries(
  readdirSync(site, { recursive: true, encoding: "utf8" })
    .map((name) => join(site, name))
    .filter((file) => statSync(file).isFile() && !/\.(br|gz)$/.test(file))
    .sort()
    .map((file) => [`/${relative(site, file)}`, sha256(readFileSync(file))]),
);
writeFileSync(join(site, "files.json"), `${JSON.stringify(files, null, 1)}\n`);
compressAll(site);
compressAll(join(site, app));
const compressed = Object.fromEntries(
  Object.keys(files).map((path) => [
    path,
    { br: sha256(readFileSync(join(site, `${path}.br`))), gzip: sha256(readFileSync(join(site, `${path}.gz`))) },
  ]),
);
writeFileSync(join(site, "compressed.json"), `${JSON.stringify(compressed, null, 1)}\n`);
writeFileSync(join(site, "healthz"), `${JSON.stringify({ status: "ok", app, runtime })}\n`);
