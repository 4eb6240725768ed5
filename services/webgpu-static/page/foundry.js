// Questions to Foundry Local through this page's own origin, and its troubles in the user's words.

import { Problem } from "./problems.js";
import { eventsOf } from "./sse.js";

const NOT_FOR_CHAT = /embed|whisper|rerank/i;
const LONGEST_ANSWER = 512; // tokens; without a limit the model reserves all that it could ever say
const UP = "On this machine, run: python3 scripts/up.py";

/** @type {Readonly<Record<string, string>>} what to say for the codes that the gateway, the relay and this page use */
const MESSAGES = {
  "relay-down": `Foundry Local can't be reached: its relay on this machine does not answer. ${UP}`,
  "relay-token-wrong": `The relay on this machine does not accept this stack's token. ${UP}`,
  "foundry-not-running": `Foundry Local is not running. ${UP}`,
  "foundry-hangs": "Foundry Local does not answer. Run: python3 scripts/foundry.py stop, then: python3 scripts/up.py",
  "model-not-loaded": `Foundry Local runs, but no model is loaded. ${UP}`,
  "too-long": "That is more text than the model can take in. Ask something shorter.",
  "too-large": "That is more text than the gateway passes on. Ask something shorter.",
  "host-not-allowed": "This page answers to http://localhost only. Open it there.",
  "page-unreachable": `This page's own server can't be reached any more. ${UP}`,
  "stream-cut": "The answer broke off in the middle: the connection to Foundry Local ended. Ask again.",
  "empty-answer": "The model answered with nothing. Ask again, or ask something else.",
};

/** @typedef {typeof globalThis.fetch} Fetch */
/** @typedef {{ text: string } | { tokens: number }} Piece a part of the answer, or at its end how many tokens it had */

/**
 * @param {Fetch} fetch
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>} the id of a model that is loaded now
 * @throws {Problem}
 */
export async function loadedModel(fetch, signal) {
  const answer = await ask(fetch, "/models/loaded", { signal });
  const found = await json(answer);
  const entries = Array.isArray(found) ? found : found?.data;
  if (!answer.ok || !Array.isArray(entries)) throw refusal(answer.status, found);
  const ids = entries.map((entry) => String(entry?.id ?? entry));
  const id = ids.find((each) => !NOT_FOR_CHAT.test(each));
  if (!id) throw problem("model-not-loaded");
  return id;
}

/**
 * Ask one question and pass the answer on piece by piece.
 * @param {Fetch} fetch
 * @param {string} model
 * @param {string} question
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Piece, void, void>}
 * @throws {Problem}
 */
export async function* answerTo(fetch, model, question, signal) {
  const answer = await ask(fetch, "/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: question }],
      temperature: 0,
      max_tokens: LONGEST_ANSWER,
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal,
  });
  const isStream = answer.headers.get("Content-Type")?.startsWith("text/event-stream");
  if (!answer.ok || !isStream || !answer.body) throw refusal(answer.status, await json(answer));
  let [isEmpty, isWhole] = [true, false];
  try {
    for await (const data of eventsOf(answer.body)) {
      if (data === "[DONE]") {
        isWhole = true;
        continue; // to the connection's end, or the browser counts the request as failed
      }
      const chunk = parse(data);
      if (!chunk || chunk.error) throw refusal(answer.status, chunk);
      const text = chunk.choices?.[0]?.delta?.content;
      if (text) {
        isEmpty = false;
        yield { text };
      }
      if (chunk.usage?.completion_tokens) yield { tokens: chunk.usage.completion_tokens };
    }
  } catch (error) {
    if (error instanceof Problem || signal?.aborted) throw error;
    if (!isWhole) throw problem("stream-cut", error);
  }
  if (!isWhole) throw problem("stream-cut");
  if (isEmpty) throw problem("empty-answer");
}

/**
 * @param {number} status
 * @param {any} body what came, if it was JSON
 * @returns {Problem}
 */
export function refusal(status, body) {
  const { message = body?.error, code = null } = Object(body?.error);
  if (Object.hasOwn(MESSAGES, code ?? "")) return problem(code);
  if (/not loaded/i.test(message)) return problem("model-not-loaded");
  if (/context|max(imum)?[_ ]length|too long|input_ids/i.test(message)) return problem("too-long");
  if (message) return new Problem(`Foundry Local refuses: ${message}`, "refused");
  return new Problem(`Something that is not Foundry Local answered (status ${status}). ${UP}`, "not-foundry");
}

/**
 * @param {string} code
 * @param {unknown} [cause]
 */
function problem(code, cause) {
  return new Problem(MESSAGES[code] ?? code, code, cause);
}

/**
 * @param {Fetch} fetch
 * @param {string} path
 * @param {Omit<RequestInit, "signal"> & { signal: AbortSignal | undefined }} options
 */
async function ask(fetch, path, { signal, ...options }) {
  try {
    return await fetch(path, { cache: "no-store", ...options, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw problem("page-unreachable", error);
  }
}

/** @param {Response} answer */
async function json(answer) {
  return parse(await answer.text().catch(() => ""));
}

/**
 * @param {string} text
 * @returns {any} null when it is no JSON
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
