// The box that asks Foundry Local: one question, the answer as it comes, and how fast it came.

import { byId } from "./dom.js";
import { answerTo, loadedModel } from "./foundry.js";
import { inWords } from "./problems.js";

/** Make the form work. */
export function startQuestions() {
  const form = byId("question-form", HTMLFormElement);
  const question = byId("question", HTMLTextAreaElement);
  /** @type {AbortController | null} */
  let running = null;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (!text || running) return;
    running = new AbortController();
    showRunning(true);
    try {
      await ask(text, running.signal);
    } finally {
      running = null;
      showRunning(false);
    }
  });
  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  byId("stop", HTMLButtonElement).addEventListener("click", () => running?.abort());
}

/**
 * @param {string} question
 * @param {AbortSignal} signal
 */
async function ask(question, signal) {
  const place = byId("answer", HTMLElement);
  const facts = byId("answer-facts", HTMLElement);
  const problem = byId("answer-problem", HTMLElement);
  place.textContent = "";
  problem.hidden = true;
  facts.textContent = "Looking which model is loaded…";
  const times = { asked: 0, first: 0, last: 0 };
  let [pieces, tokens] = [0, 0];
  try {
    const model = await loadedModel(fetch, signal);
    place.hidden = false;
    place.setAttribute("aria-busy", "true"); // read out once it is whole
    facts.textContent = `${model} is thinking…`;
    times.asked = performance.now();
    for await (const piece of answerTo(fetch, model, question, signal)) {
      if ("tokens" in piece) {
        tokens = piece.tokens;
        continue;
      }
      times.last = performance.now();
      times.first ||= times.last;
      pieces += 1;
      place.append(piece.text);
    }
    facts.textContent = `${model}. ${speed(times, tokens || pieces)}`;
  } catch (error) {
    facts.textContent = signal.aborted ? `Stopped. ${speed(times, pieces)}` : "";
    if (!signal.aborted) {
      problem.textContent = inWords(error);
      problem.hidden = false;
    }
  } finally {
    place.removeAttribute("aria-busy");
    place.hidden = place.textContent === "";
  }
}

/**
 * @param {{ asked: number, first: number, last: number }} times in milliseconds
 * @param {number} tokens
 * @returns {string} the time to the first token, and the tokens a second after it
 */
export function speed({ asked, first, last }, tokens) {
  if (!first) return "";
  const begin = `First token after ${((first - asked) / 1000).toFixed(2)} s`;
  if (tokens < 2 || last <= first) return `${begin}.`;
  return `${begin}, then ${((tokens - 1) / ((last - first) / 1000)).toFixed(1)} tokens/s (${tokens} tokens).`;
}

/** @param {boolean} isRunning */
function showRunning(isRunning) {
  byId("ask", HTMLButtonElement).disabled = isRunning;
  byId("stop", HTMLButtonElement).hidden = !isRunning;
}
