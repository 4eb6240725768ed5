import assert from "node:assert/strict";
import { test } from "node:test";
import { findAdapter, nameOf } from "../page/gpu.js";

/** @param {() => Promise<unknown>} requestAdapter */
const browserWith = (requestAdapter) => /** @type {GPU} */ (/** @type {unknown} */ ({ requestAdapter }));
const UNKNOWN = { vendor: "", architecture: "", device: "", description: "", isFallbackAdapter: false };

/** @param {Partial<GPUAdapterInfo>} info */
const named = (info) => nameOf(/** @type {GPUAdapterInfo} */ ({ ...UNKNOWN, ...info }));

test("an adapter is named by what the browser tells, software by its name", () => {
  assert.equal(named({ vendor: "nvidia", architecture: "ampere" }), "nvidia ampere");
  assert.equal(named({ vendor: "apple", description: "Apple M3" }), "Apple M3");
  assert.equal(named({ vendor: "google", architecture: "swiftshader" }), "google swiftshader (software, no real GPU)");
  assert.equal(named({}), "an adapter without a name");
});

test("why there is no adapter is said", async () => {
  const reasons = await Promise.all([
    findAdapter(undefined),
    findAdapter(browserWith(async () => null)),
    findAdapter(browserWith(() => Promise.reject(new Error("lost")))),
    findAdapter(browserWith(async () => ({ requestDevice: () => Promise.reject(new Error("no memory")) }))),
  ]);
  assert.deepEqual(reasons.map(({ adapter }) => adapter), [null, null, null, null]);
  const said = reasons.map((found) => ("why" in found ? found.why : ""));
  assert.match(said[0] ?? "", /no WebGPU/);
  assert.match(said[1] ?? "", /found no graphics processor/);
  assert.match(said[2] ?? "", /lost/);
  assert.match(said[3] ?? "", /no memory/);
});
