// Everything that runs the model: the adapter, the runtime, and one recogniser for each provider that was asked for.

import { countGpuSubmissions, findAdapter } from "./gpu.js";
import { SIDE } from "./normalise.js";
import { Recogniser, loadModel, loadRuntime } from "./recogniser.js";

/** @typedef {import("./recogniser.js").Provider} Provider */
/** @typedef {Provider | "both"} Choice */
/** @typedef {{ runtime: string, app: string, modelSha256: string }} Places */

const WARM_UP = 20; // runs on an empty sheet, so that there are times to show from the start

export class Machine {
  /**
   * @param {Places} places
   * @returns {Promise<Machine>}
   * @throws {import("./problems.js").Problem} when there is no runtime or no model
   */
  static async start(places) {
    countGpuSubmissions();
    const found = await findAdapter(navigator.gpu);
    const started = performance.now();
    const [ort, model] = await Promise.all([
      loadRuntime(places.runtime, found.adapter),
      loadModel(`${places.app}mnist.onnx`, places.modelSha256),
    ]);
    // The first session compiles the WebAssembly; so that this is in no provider's load time, it is thrown away.
    const first = await Recogniser.create(ort, model, "wasm");
    await first.session.release();
    return new Machine(ort, model, found, performance.now() - started);
  }

  /**
   * @param {import("./recogniser.js").Runtime} ort
   * @param {Uint8Array} model
   * @param {import("./gpu.js").Found} found
   * @param {number} startMilliseconds
   */
  constructor(ort, model, found, startMilliseconds) {
    this.ort = ort;
    this.model = model;
    this.found = found;
    this.startMilliseconds = startMilliseconds;
    /** @type {Map<Provider, Promise<Recogniser>>} */
    this.recognisers = new Map();
    /** Why WebGPU can't be had; empty where it can. */
    this.whyNoGpu = found.adapter ? "" : found.why;
  }

  /** WebAssembly's threads. */
  get threads() {
    return this.ort.env.wasm.numThreads ?? 1;
  }

  /**
   * What was chosen, made ready; wasm takes WebGPU's place where that can't be had (see `whyNoGpu`).
   * @param {Choice} choice
   * @returns {Promise<Recogniser[]>}
   */
  async use(choice) {
    /** @type {Recogniser[]} */
    const ready = [];
    if (choice !== "wasm" && !this.whyNoGpu) {
      try {
        ready.push(await this.#ready("webgpu"));
      } catch (error) {
        this.whyNoGpu = error instanceof Error ? error.message : String(error);
      }
    }
    if (choice !== "webgpu" || this.whyNoGpu) ready.push(await this.#ready("wasm"));
    return ready;
  }

  /** @param {Provider} provider */
  #ready(provider) {
    const known = this.recognisers.get(provider) ?? this.#make(provider);
    this.recognisers.set(provider, known);
    return known;
  }

  /** @param {Provider} provider */
  async #make(provider) {
    const recogniser = await Recogniser.create(this.ort, this.model, provider);
    for (let run = 0; run <= WARM_UP; run += 1) await recogniser.recognise(new Float32Array(SIDE * SIDE));
    return recogniser;
  }
}
