import { byId } from "./dom.js";
import { Machine } from "./machine.js";
import { inkOf, toMnist } from "./normalise.js";
import { Pad } from "./pad.js";
import { startPictures } from "./pictures.js";
import { inWords } from "./problems.js";
import { startQuestions } from "./question.js";
import { element, milliseconds, showVerdicts, spoken } from "./verdicts.js";

/** @typedef {import("./recogniser.js").Recogniser} Recogniser */
/** @typedef {import("./recogniser.js").Result} Result */

const MEASURED_RUNS = 100;
const SPEAK_AFTER = 600; // milliseconds of quiet, so that a screen reader is not told each point of a stroke

const { runtime = "", app = "", modelSha256 = "" } = document.documentElement.dataset;
const pad = new Pad(byId("pad", HTMLCanvasElement), byId("cursor", HTMLElement));
const state = byId("state", HTMLElement);
const verdicts = byId("verdicts", HTMLElement);
const measureButton = byId("measure", HTMLButtonElement);
const choices = [...document.querySelectorAll("input[name=provider]")].filter((each) => each instanceof HTMLInputElement);

/** @type {Machine | null} */
let machine = null;
/** @type {Recogniser[]} */
let inUse = [];
let isReading = false;
let isStale = false;
let speaking = 0;

startPictures(pad, `${app}samples.bin`);
startQuestions();
byId("clear", HTMLButtonElement).addEventListener("click", () => pad.clear());
pad.addEventListener("say", (event) => say(/** @type {CustomEvent<string>} */ (event).detail));
pad.addEventListener("change", () => {
  byId("pad-hint", HTMLElement).hidden = !pad.isEmpty;
  void read();
});
measureButton.addEventListener("click", () => void measure());
for (const each of choices) each.addEventListener("change", () => void choose());
showVerdicts(verdicts, ["Getting ready"], [], "the model is not loaded yet");
void start();

async function start() {
  try {
    machine = await Machine.start({ runtime, app, modelSha256 });
    await choose();
    byId("runtime-note", HTMLElement).textContent =
      `ONNX Runtime Web and the model were ready after ${milliseconds(machine.startMilliseconds)} ms; the times above come ` +
      "on top. p95: 95 of 100 runs took no longer. The model is so small that starting a GPU's work takes longer than " +
      "the work itself: wasm is often faster here.";
  } catch (error) {
    showState(inWords(error), "is-problem");
  }
}

/** Make what the radio buttons say ready, and read the paper with it. */
async function choose() {
  if (!machine) return;
  measureButton.disabled = true;
  showState("Making the model ready…");
  try {
    inUse = await machine.use(chosen());
    await read();
    measureButton.disabled = false;
    showWhatRuns();
  } catch (error) {
    showState(inWords(error), "is-problem");
  }
}

/** Read what is on the paper now; while one reading runs, only the newest state of the paper waits. */
async function read() {
  if (isReading) {
    isStale = true;
    return;
  }
  isReading = true;
  try {
    do {
      isStale = false;
      await readOnce();
    } while (isStale);
  } catch (error) {
    showState(inWords(error), "is-problem");
  } finally {
    isReading = false;
  }
}

async function readOnce() {
  if (inUse.length === 0) return;
  const pixels = onPaper();
  /** @type {Result[]} */
  const results = [];
  if (pixels) for (const recogniser of inUse) results.push(await recogniser.recognise(pixels));
  showVerdicts(verdicts, inUse.map(nameOf), results);
  showTimes();
  window.clearTimeout(speaking);
  speaking = window.setTimeout(() => say(spoken(results)), SPEAK_AFTER);
}

async function measure() {
  const pixels = onPaper();
  if (!pixels) {
    showProblem("The paper is empty. Draw a digit first, or take a test digit.");
    return;
  }
  measureButton.disabled = true;
  measureButton.textContent = "Running…";
  try {
    for (const recogniser of inUse) {
      for (let run = 0; run < MEASURED_RUNS; run += 1) await recogniser.recognise(pixels);
      showTimes();
    }
  } catch (error) {
    showState(inWords(error), "is-problem");
  } finally {
    measureButton.textContent = `Run it ${MEASURED_RUNS} times`;
    measureButton.disabled = false;
  }
}

function chosen() {
  return /** @type {import("./machine.js").Choice} */ (choices.find((each) => each.checked)?.value);
}

function onPaper() {
  if (pad.isEmpty) return null;
  const { data, width, height } = pad.pixels;
  const picture = inkOf(data, width, height);
  return picture && toMnist(picture);
}

/** @param {Recogniser} recogniser */
function nameOf({ provider }) {
  if (provider === "webgpu") return "WebGPU";
  return machine && machine.threads > 1 ? `wasm, ${machine.threads} threads` : "wasm";
}

/** Say what really ran: of WebGPU only that counts as a run for which work was handed to the graphics processor. */
function showWhatRuns() {
  const said = inUse.map((recogniser, index) => {
    if (recogniser.provider === "wasm") return `It ${index > 0 ? "also runs" : "runs"} on ${nameOf(recogniser)}.`;
    const adapter = machine?.found.adapter ? machine.found.name : "";
    const times = recogniser.submissionsOfLastRun;
    if (times === 0) return `WebGPU (${adapter}) was chosen, but no work reached it: wasm ran instead.`;
    return `It runs on WebGPU: ${adapter}. The last run handed work to it ${times === 1 ? "once" : `${times} times`}.`;
  });
  const missing = chosen() !== "wasm" && machine?.whyNoGpu;
  if (missing) said.unshift(`WebGPU is not to be had: ${machine?.whyNoGpu}.`);
  const isOther = missing || inUse.some(({ provider, submissionsOfLastRun: times }) => provider === "webgpu" && times === 0);
  showState(said.join(" "), isOther ? "is-warning" : "");
}

function showTimes() {
  byId("times", HTMLTableSectionElement).replaceChildren(
    ...inUse.map((recogniser) => {
      const row = element("tr", "");
      const name = element("th", "", nameOf(recogniser));
      name.setAttribute("scope", "row");
      const { loadMilliseconds, firstMilliseconds, median, p95 } = recogniser;
      const times = [loadMilliseconds, firstMilliseconds, median, p95].map(milliseconds);
      row.append(name, ...[...times, String(recogniser.milliseconds.length)].map((text) => element("td", "", text)));
      return row;
    }),
  );
}

/**
 * @param {string} text
 * @param {"" | "is-problem" | "is-warning"} kind
 */
function showState(text, kind = "") {
  state.textContent = text;
  state.className = `note ${kind}`;
}

/** @param {string} text */
function showProblem(text) {
  const problem = byId("pad-problem", HTMLElement);
  problem.textContent = text;
  problem.hidden = false;
}

/** @param {string} text */
function say(text) {
  byId("verdict-text", HTMLElement).textContent = text;
}
