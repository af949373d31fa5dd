// Loads a translator from the files of an export.

import { OnnxEngine } from "./engine.js";
import { Tokenizer } from "./tokenizer.js";
import { Translator } from "./translator.js";

/** @typedef {(name: string) => Promise<Uint8Array>} ReadFile the content of a file of the model, inflated */

/** @param {typeof import("onnxruntime-web")} ort @param {ReadFile} read */
export async function loadTranslator(ort, read) {
  /** @type {import("./translator.js").Settings & {files: {source: string, target: string, weights: string | null}}} */
  const settings = JSON.parse(new TextDecoder().decode(await read("settings.json")));
  const { files } = settings;
  const tokenizerOf = async (/** @type {string} */ name) => new Tokenizer(await read(name));
  const source = tokenizerOf(files.source);
  const [encoder, step, weights] = await Promise.all([
    read("encoder.onnx"),
    read("step.onnx"),
    files.weights ? read(files.weights) : null,
  ]);
  const engine = await OnnxEngine.load(ort, { encoder, step, weights }, settings.forbidden_ids, settings.vocabulary_size);
  const target = files.target === files.source ? source : tokenizerOf(files.target);
  return new Translator(settings, await source, await target, engine);
}

/** Bytes, inflated if they are gzip-compressed. Some hosts inflate such files themselves.
 * @param {Uint8Array} bytes @returns {Promise<Uint8Array>} */
export async function inflated(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
