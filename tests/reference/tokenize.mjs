// Prints llama.cpp's token ids for the texts in a JSON file: node tokenize.mjs MODEL.gguf TEXTS.json
import { readFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const [modelPath, textsPath] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath });
const texts = JSON.parse(readFileSync(textsPath, "utf8"));
console.log(JSON.stringify(texts.map((text) => model.tokenize(text, true))));
await llama.dispose();
