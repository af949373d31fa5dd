// The web worker: loads the translator and answers the page, one line after the other.
//
//     {id, path, body} -> {id, answer} or {id, error};   {id, abort: true} ends a request;   {id, done, total}: progress

// @ts-ignore: it lies in the site
import * as ort from "../onnxruntime/ort.js";
import { translateDocument } from "./documents.js";
import { inflated, loadTranslator } from "./load.js";

const PAUSE = 15; // ms of search after which messages are read

/** @type {Set<number>} */
const aborted = new Set();
let lastPause = 0;

/** Lets messages in, and ends a request that was aborted. @param {number} id */
async function pause(id) {
  if (performance.now() - lastPause > PAUSE) {
    await new Promise((resolve) => setTimeout(resolve));
    lastPause = performance.now();
  }
  if (aborted.has(id)) throw new Error("aborted");
}

/** @param {string} path */
async function read(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url));
  if (!response.ok) throw new Error(`${path} cannot be loaded (${response.status})`);
  return inflated(new Uint8Array(await response.arrayBuffer()));
}

async function load() {
  // Search runs thousands of small products: threads do not make them faster.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = /** @type {ArrayBuffer} */ ((await read("onnxruntime/ort.wasm.bin")).buffer);
  return loadTranslator(ort, (name) => read(`model/${name}`));
}

const translator = load();
translator.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ failure: String(error?.message ?? error) }),
);

let last = Promise.resolve();

/** The answer for a line, once the lines asked for before have theirs: text that is typed need not wait for a whole file.
 * @param {string} line @param {import("./translator.js").Options} options @param {() => Promise<void>} step
 * @returns {Promise<any>} */
function explain(line, options, step) {
  const answer = last.then(async () => {
    await step();
    return (await translator).explain(line, options, step);
  });
  last = answer.then(() => {}, () => {});
  return answer;
}

/** @type {Record<string, (body: any, pause: () => Promise<void>, id: number) => Promise<any>>} */
const ANSWERS = {
  async "v1/translate"({ q, source, target, ...options }, step) {
    const lines = [];
    for (const line of q.split(/\r?\n/)) lines.push(await explain(line, options, step));
    return { source, target, lines };
  },

  async translate_file({ name, content }, step, id) {
    const progress = (/** @type {number} */ done, /** @type {number} */ total) => postMessage({ id, done, total });
    return translateDocument({ explain }, name, content, step, progress);
  },
};

addEventListener("message", async ({ data: { id, path, body, abort } }) => {
  if (abort) {
    aborted.add(id);
    return;
  }
  try {
    postMessage({ id, answer: await ANSWERS[path](body, () => pause(id), id) });
  } catch (error) {
    postMessage({ id, error: String(/** @type {Error} */ (error)?.message ?? error) });
  }
  aborted.delete(id);
});
