import assert from "node:assert/strict";
import { test } from "node:test";
import { answerTo, loadedModel, refusal } from "../page/foundry.js";
import { Problem } from "../page/problems.js";

/** @typedef {import("../page/foundry.js").Fetch} Fetch */

/**
 * A server that answers everything with this, the body in pieces as they would come over the wire.
 * @param {readonly (string | Uint8Array)[]} pieces
 * @param {{ status?: number, type?: string, breaks?: boolean }} [how]
 * @returns {Fetch}
 */
function answering(pieces, { status = 200, type = "text/event-stream", breaks = false } = {}) {
  const encoder = new TextEncoder();
  return async () => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
        if (breaks) controller.error(new TypeError("network error"));
        else controller.close();
      },
    });
    return new Response(body, { status, headers: { "Content-Type": type } });
  };
}

/** @param {unknown} body @param {number} [status] */
const json = (body, status = 200) => answering([JSON.stringify(body)], { status, type: "application/json" });

/** @param {string} content */
const delta = (content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

/** @param {Fetch} fetch */
async function whole(fetch) {
  const got = [];
  for await (const piece of answerTo(fetch, "model:1", "Why?")) got.push("text" in piece ? piece.text : piece.tokens);
  return got;
}

/** @param {string} code */
const withCode = (code) => (/** @type {unknown} */ error) => error instanceof Problem && error.code === code;

test("an answer comes piece by piece, comments and empty pieces left out, its count of tokens at the end", async () => {
  const stream = [
    delta(""),
    ": keep-alive\n\n",
    delta("Par"),
    delta("is"),
    'data: {"choices":[],"usage":{"completion_tokens":2}}\n\n',
    "data: [DONE]\n\n",
  ];
  assert.deepEqual(await whole(answering(stream)), ["Par", "is", 2]);
});

test("events and letters may be torn anywhere", async () => {
  const bytes = new TextEncoder().encode(`${delta("é…日")}data: [DONE]\r\n\r\n`);
  const torn = Array.from(bytes, (byte) => Uint8Array.of(byte));
  assert.deepEqual(await whole(answering(torn)), ["é…日"]);
});

test("the answer is read to the connection's end, or the browser counts the request as failed", async () => {
  const sent = [delta("Paris"), "data: [DONE]\n\n"];
  let isCancelled = false;
  const body = new ReadableStream({
    pull(controller) {
      const next = sent.shift();
      if (next) controller.enqueue(new TextEncoder().encode(next));
      else controller.close();
    },
    cancel() {
      isCancelled = true;
    },
  }, { highWaterMark: 0 });
  const fetch = async () => new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  assert.deepEqual(await whole(fetch), ["Paris"]);
  assert.equal(isCancelled, false);
});

test("a stream without its end, or broken off, is no answer", async () => {
  await assert.rejects(whole(answering([delta("Par")])), withCode("stream-cut"));
  await assert.rejects(whole(answering([delta("Par")], { breaks: true })), withCode("stream-cut"));
  await assert.rejects(whole(answering(["data: [DONE]\n\n"])), withCode("empty-answer"));
});

test("an error inside the stream is told", async () => {
  const event = 'data: {"error":{"message":"input_ids size exceeds max length"}}\n\n';
  await assert.rejects(whole(answering([event])), withCode("too-long"));
});

test("what the gateway and the relay say is said in the user's words, with what to do", async () => {
  for (const code of ["relay-down", "foundry-not-running", "foundry-hangs", "relay-token-wrong"]) {
    const away = json({ error: { message: "technical", type: "stack_error", code } }, 503);
    for (const asked of [whole(away), loadedModel(away)]) {
      await assert.rejects(asked, (error) => withCode(code)(error) && /python3 scripts\/up\.py/.test(String(error)));
    }
  }
  assert.match(refusal(400, { error: { message: "Model not loaded: x", code: null } }).message, /no model is loaded/);
  assert.match(refusal(500, { error: { message: "odd" } }).message, /odd/);
  assert.match(refusal(500, { error: "plain words" }).message, /plain words/);
  assert.equal(refusal(200, null).code, "not-foundry");
});

test("a server that is gone is told from one that answers", async () => {
  const gone = async () => {
    throw new TypeError("Failed to fetch");
  };
  await assert.rejects(whole(gone), withCode("page-unreachable"));
  await assert.rejects(loadedModel(answering(["<html>"], { type: "text/html" })), withCode("not-foundry"));
});

test("a loaded model that can chat is taken", async () => {
  assert.equal(await loadedModel(json(["text-embedding:1", "smol:1"])), "smol:1");
  assert.equal(await loadedModel(json({ data: [{ id: "smol:2" }] })), "smol:2");
  await assert.rejects(loadedModel(json([])), withCode("model-not-loaded"));
});
