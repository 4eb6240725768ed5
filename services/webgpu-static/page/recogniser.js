// The model on ONNX Runtime Web: loaded, checked, and run on WebGPU or on wasm, with what each step took.

import { gpuSubmissions } from "./gpu.js";
import { SIDE } from "./normalise.js";
import { Problem } from "./problems.js";
import { indexOfHighest, percentile, softmax } from "./statistics.js";

/** @typedef {typeof import("onnxruntime-web")} Runtime */
/** @typedef {"webgpu" | "wasm"} Provider */
/** @typedef {{ digit: number, logits: Float32Array, shares: number[], milliseconds: number }} Result */

export const INPUT = "Input3";
export const OUTPUT = "Plus214_Output_0";
const KEPT = 100; // runs that the median and the 95th percentile are taken from

/** One run at a time, whichever session: they share one WebAssembly memory. @type {Promise<unknown>} */
let lastRun = Promise.resolve();

/**
 * @param {string} folder where the runtime's files are
 * @param {GPUAdapter | null} adapter for the runtime to use
 * @returns {Promise<Runtime>}
 * @throws {Problem} runtime-missing
 */
export async function loadRuntime(folder, adapter) {
  try {
    /** @type {Runtime} */
    const ort = await import(`${folder}ort.webgpu.min.mjs`);
    ort.env.wasm.wasmPaths = folder;
    ort.env.logLevel = "error";
    if (adapter) ort.env.webgpu.adapter = adapter;
    return ort;
  } catch (error) {
    throw new Problem(
      "ONNX Runtime could not be loaded from this page's server. Reload; if that does not help, run: python3 scripts/up.py",
      "runtime-missing",
      error,
    );
  }
}

/**
 * @param {string} address
 * @param {string} sha256 what the file's hash must be, in hexadecimal
 * @returns {Promise<Uint8Array>}
 * @throws {Problem} model-missing or model-damaged
 */
export async function loadModel(address, sha256) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) {
    throw new Problem(
      `The model could not be loaded (${answer ? `the server says ${answer.status}` : "the server does not answer"}). ` +
        "Reload; if that does not help, run: python3 scripts/up.py",
      "model-missing",
    );
  }
  const model = new Uint8Array(await answer.arrayBuffer());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model));
  if (Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") !== sha256) {
    throw new Problem(
      "The model's file is damaged: it is not the one that this page was made for, so it is not used. " +
        "Reload without the browser's cache (Shift and reload); if that does not help, build the page anew: docker compose build webgpu-static",
      "model-damaged",
    );
  }
  return model;
}

/** The model, ready to run on one provider. */
export class Recogniser {
  /**
   * @param {Runtime} ort
   * @param {Uint8Array} model
   * @param {Provider} provider
   * @returns {Promise<Recogniser>}
   * @throws {Problem} provider-failed
   */
  static async create(ort, model, provider) {
    const started = performance.now();
    try {
      const session = await inTurn(() => ort.InferenceSession.create(model, { executionProviders: [provider] }));
      return new Recogniser(ort, session, provider, performance.now() - started);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Problem(`The model could not be made ready on ${provider}: ${why}`, "provider-failed", error);
    }
  }

  /**
   * @param {Runtime} ort
   * @param {import("onnxruntime-web").InferenceSession} session
   * @param {Provider} provider
   * @param {number} loadMilliseconds
   */
  constructor(ort, session, provider, loadMilliseconds) {
    this.ort = ort;
    this.session = session;
    this.provider = provider;
    this.loadMilliseconds = loadMilliseconds;
    /** @type {number | null} */
    this.firstMilliseconds = null;
    /** @type {number[]} all later runs, the oldest dropped */
    this.milliseconds = [];
    this.submissionsOfLastRun = 0; // of work to the graphics processor
  }

  /** Half of the runs took no longer; null before the second run. */
  get median() {
    return this.milliseconds.length ? percentile(this.milliseconds, 0.5) : null;
  }

  /** 95 of 100 runs took no longer; null before the second run. */
  get p95() {
    return this.milliseconds.length ? percentile(this.milliseconds, 0.95) : null;
  }

  /**
   * @param {Float32Array} pixels 784 values, 0 for paper to 255 for ink
   * @returns {Promise<Result>}
   */
  recognise(pixels) {
    return inTurn(async () => {
      const before = gpuSubmissions();
      const started = performance.now();
      const input = new this.ort.Tensor("float32", pixels, [1, 1, SIDE, SIDE]);
      const { [OUTPUT]: output } = await this.session.run({ [INPUT]: input });
      const logits = Float32Array.from(/** @type {Float32Array} */ (await output?.getData()));
      const milliseconds = performance.now() - started;
      this.submissionsOfLastRun = gpuSubmissions() - before;
      this.#remember(milliseconds);
      return { digit: indexOfHighest(logits), logits, shares: softmax(logits), milliseconds };
    });
  }

  /** @param {number} milliseconds */
  #remember(milliseconds) {
    if (this.firstMilliseconds === null) {
      this.firstMilliseconds = milliseconds;
    } else {
      this.milliseconds = [...this.milliseconds, milliseconds].slice(-KEPT);
    }
  }
}

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
function inTurn(work) {
  const turn = lastRun.then(work);
  lastRun = turn.catch(() => undefined);
  return turn;
}
