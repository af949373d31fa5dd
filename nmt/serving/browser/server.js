// In place of the server: requests to the worker that translates in this tab. Same interface as the server's own server.js.

export class Refusal extends Error {
  /** @param {number} status @param {string} message @param {number} seconds */
  constructor(status, message = "", seconds = 0) {
    super(message);
    Object.assign(this, { status, seconds });
  }
}

/** What is said of an error, by its status. @type {Record<number, string>} */
export const EXPLANATIONS = {};
export const REFUSED = "This cannot be done";
export const LINES_AT_ONCE = 1; // the translation of each line appears as soon as it is there

const DEBOUNCE = 100; // ms without a keystroke before the page asks
const DOCUMENTS = [".txt", ".srt", ".po"];

/** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
/** @type {Map<string, {done: number, total: number}>} of documents by their names */
const progress = new Map();
/** @type {Map<number, string>} request -> name of its progress */
const names = new Map();
let lastId = 0;

const SETTINGS = "model/settings.json";
/** @type {Promise<any> | undefined} */
let fetched; // the settings, or nothing once that failed: the page tries again

function settings() {
  fetched ??= fetchSettings().catch((error) => {
    fetched = undefined;
    throw error;
  });
  return fetched;
}

async function fetchSettings() {
  const response = await fetch(SETTINGS).catch(() => undefined);
  if (!response?.ok) throw new Refusal(503, `${SETTINGS} cannot be loaded (${response?.status ?? "no answer"})`);
  return response.json().catch(() => {
    throw new Refusal(503, `${SETTINGS} cannot be loaded (it is not JSON)`); // a page of a proxy, say
  });
}

const loading = /** @type {HTMLElement} */ (document.getElementById("loading"));
loading.role = "status"; // a screen reader hears it, also while something else is announced
/** @type {Worker | undefined} */
let worker; // or nothing once it failed: the next request starts another one

start();

function start() {
  const started = new Worker("worker/worker.js", { type: "module" });
  let isReady = false;
  settings().then(({ bytes }) => {
    if (isReady || worker !== started) return;
    loading.textContent = `The model is being loaded (${(bytes / 1e6).toFixed(0)} MB)`;
  }, () => {}); // the page says so
  started.addEventListener("message", ({ data }) => {
    if (data.ready) {
      isReady = true;
      loading.textContent = "";
      // Only now, so that the files that were just loaded are not loaded twice.
      navigator.serviceWorker?.register("service_worker.js").catch(() => {});
    } else if (data.failure) fail(data.failure);
    else if (data.total) progress.set(names.get(data.id) ?? "", data);
    else {
      const { resolve, reject } = waiting.get(data.id) ?? {};
      waiting.delete(data.id);
      if (data.error) reject?.(new Refusal(400, data.error));
      else resolve?.(data.answer);
    }
  });
  started.addEventListener("error", () => fail("the worker could not be started"));
  worker = started;
  return started;
}

/** @param {string} message */
function fail(message) {
  worker?.terminate();
  worker = undefined;
  loading.textContent = "";
  for (const { reject } of waiting.values()) reject(new Refusal(503, message));
  waiting.clear();
}

/** @param {string} path @param {any} body @param {AbortSignal} signal @param {string} name of the progress, if any
 * @returns {Promise<any>} */
function ask(path, body, signal, name = "") {
  return new Promise((resolve, reject) => {
    const asked = worker ?? start();
    lastId += 1;
    const id = lastId;
    waiting.set(id, { resolve, reject });
    if (name) names.set(id, name);
    signal.addEventListener("abort", () => {
      if (!waiting.delete(id)) return; // it has its answer
      asked.postMessage({ id, abort: true });
      reject(new Refusal(0));
    });
    asked.postMessage({ id, path, body });
  });
}

/** @type {Record<string, () => Promise<any>>} */
const ANSWERS = {
  async languages() {
    const { source, target, names: nameOf } = await settings();
    return [
      { code: source, name: nameOf[source], targets: [target] },
      { code: target, name: nameOf[target], targets: [] },
    ];
  },
  async "frontend/settings"() {
    const { source, target, names: nameOf } = await settings();
    const language = (/** @type {string} */ code) => ({ code, name: nameOf[code] });
    return {
      charLimit: 0,
      frontendTimeout: DEBOUNCE,
      language: { source: language(source), target: language(target) },
      suggestions: false,
      supportedFilesFormat: DOCUMENTS,
    };
  },
};

/** The answer at `path`. Throws a Refusal. @param {string} path @param {any} body @param {AbortSignal} signal */
export async function call(path, body = undefined, signal = new AbortController().signal) {
  if (path.startsWith("file_progress/")) return progress.get(path.slice("file_progress/".length)) ?? {};
  if (!body) return ANSWERS[path]();
  return ask(path, body, signal);
}

let address = ""; // of the last file, which takes memory

/** Translates the file of a form. @param {FormData} form @param {AbortSignal} signal */
export async function translateFile(form, signal) {
  URL.revokeObjectURL(address);
  const file = /** @type {File} */ (form.get("file"));
  const content = new Uint8Array(await file.arrayBuffer());
  const body = { name: file.name, content };
  const answer = await ask("translate_file", body, signal, String(form.get("progress")));
  const { target } = await settings();
  const dot = file.name.lastIndexOf(".");
  const name = `${file.name.slice(0, dot)}_${target}${file.name.slice(dot)}`;
  address = URL.createObjectURL(new Blob([answer.content], { type: "application/octet-stream" }));
  return { ...answer, translatedFileUrl: address, name };
}
