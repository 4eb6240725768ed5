// The graphics processor as the browser offers it: whether there is one, its name, and whether it was really used.

/** @type {GPURequestAdapterOptions} */
const WANTED = { powerPreference: "high-performance" };

/** @typedef {{ adapter: GPUAdapter, name: string } | { adapter: null, why: string }} Found */

/**
 * ONNX Runtime Web falls back to wasm without a word, so the page asks for the adapter itself.
 * @param {GPU | undefined} gpu the browser's `navigator.gpu`
 * @returns {Promise<Found>}
 */
export async function findAdapter(gpu) {
  if (!gpu) return { adapter: null, why: "this browser has no WebGPU, or has it switched off" };
  try {
    const trial = await gpu.requestAdapter(WANTED);
    const device = await trial?.requestDevice(); // where that fails, ONNX Runtime would wait for ever
    device?.destroy();
    const adapter = await gpu.requestAdapter(WANTED); // an adapter gives one device only
    if (adapter) return { adapter, name: nameOf(adapter.info) };
    return { adapter: null, why: "this browser knows WebGPU but found no graphics processor that it may use" };
  } catch (error) {
    return { adapter: null, why: `the graphics processor can't be used (${String(error)})` };
  }
}

/**
 * @param {GPUAdapterInfo} info browsers fill in more or less of it
 * @returns {string}
 */
export function nameOf({ vendor, architecture, device, description, isFallbackAdapter }) {
  const known = description || [vendor, architecture, device].filter(Boolean).join(" ") || "an adapter without a name";
  const isSoftware = isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|warp/i.test(known);
  return isSoftware ? `${known} (software, no real GPU)` : known;
}

let submissions = 0;

/** How often work was handed to the graphics processor since the page was opened: the proof of which provider ran. */
export function gpuSubmissions() {
  return submissions;
}

/** Begin to count; once, before the runtime is loaded. */
export function countGpuSubmissions() {
  if (typeof GPUQueue === "undefined") return;
  const submit = GPUQueue.prototype.submit;
  GPUQueue.prototype.submit = function counted(buffers) {
    submissions += 1;
    return submit.call(this, buffers);
  };
}
