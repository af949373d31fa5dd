// The model: `encode` and `step` by ONNX Runtime, for one sentence and its hypotheses. See `nmt/inference/onnx_engine.py`.

/** @typedef {import("onnxruntime-web").Tensor} Tensor */
/** @typedef {import("onnxruntime-web").InferenceSession} InferenceSession */
/** @typedef {Record<string, Tensor>} Tensors */

/** @typedef {object} Candidates What may follow a hypothesis, the best first; then the ids that were named.
 * @property {ArrayLike<number>} ids -1 and 0: no id @property {ArrayLike<number>} logProbs */

/** @typedef {object} StepRequest
 * @property {number} numCandidates @property {number[][]} [namedIds] for each hypothesis
 * @property {boolean} [withWeights] */

/** @typedef {object} Step
 * @property {Candidates[]} candidates of each hypothesis @property {State} state
 * @property {Float32Array[]} [weights] attention of each hypothesis */

/** @typedef {object} State Rows of the state of each hypothesis: name -> row of each.
 * @property {Record<string, {rows: Float32Array[], dims: readonly number[]}>} parts */

/** @typedef {object} Engine What search needs of a model.
 * @property {(ids: number[]) => Promise<{memory: any, state: any}>} encode
 * @property {(ids: number[], state: any, memory: any, request: StepRequest) => Promise<Step>} step
 * @property {(state: any, parents: number[]) => any} select the state of these hypotheses */

/** @implements {Engine} */
export class OnnxEngine {
  /** @param {typeof import("onnxruntime-web")} ort @param {InferenceSession} encoder @param {InferenceSession} step
   * @param {number[]} forbiddenIds @param {number} vocabularySize */
  constructor(ort, encoder, step, forbiddenIds, vocabularySize) {
    this.ort = ort;
    this.encoder = encoder;
    this.stepSession = step;
    this.size = vocabularySize;
    this.forbidden = new Set([...forbiddenIds, -1]);
    const read = new Set(step.inputNames);
    this.encoded = encoder.outputNames.filter((name) => read.has(name));
    this.state = this.encoded.filter((name) => name.startsWith("state_"));
  }

  /** Loads the two graphs, whose large weights are in `weights`, if there are any.
   * @param {typeof import("onnxruntime-web")} ort
   * @param {{encoder: Uint8Array, step: Uint8Array, weights: Uint8Array | null}} files
   * @param {number[]} forbiddenIds @param {number} vocabularySize */
  static async load(ort, files, forbiddenIds, vocabularySize) {
    const externalData = files.weights ? [{ path: "weights.bin", data: files.weights }] : [];
    /** @type {import("onnxruntime-web").InferenceSession.SessionOptions} */
    const options = { executionProviders: ["wasm"], externalData, logSeverityLevel: 3 };
    const encoder = await ort.InferenceSession.create(files.encoder, options);
    const step = await ort.InferenceSession.create(files.step, options);
    return new OnnxEngine(ort, encoder, step, forbiddenIds, vocabularySize);
  }

  /** @param {number[]} ids with `</s>` */
  async encode(ids) {
    const feeds = { ids: new this.ort.Tensor("int32", Int32Array.from(ids), [1, ids.length]) };
    const outputs = await this.encoder.run(feeds, this.encoded);
    /** @type {Tensors} */
    const memory = {};
    /** @type {Tensors} */
    const state = {};
    for (const name of this.encoded) (this.state.includes(name) ? state : memory)[name] = outputs[name];
    return { memory, state: this.#rows(state, 1) };
  }

  /** @param {number[]} ids the last of each hypothesis @param {State} state @param {Tensors} memory
   * @param {StepRequest} request @returns {Promise<Step>} */
  async step(ids, state, memory, { numCandidates, namedIds, withWeights = false }) {
    const isWhole = numCandidates >= this.size;
    const names = isWhole ? ["all_log_probs"] : ["log_probs", "candidates"];
    if (namedIds) names.push("named_log_probs");
    if (withWeights) names.push("weights");
    const count = isWhole ? 1 : numCandidates;
    const feeds = this.#feeds(ids, state, memory, count, namedIds);
    const outputs = await this.stepSession.run(feeds, [...names, ...this.state.map((name) => `next_${name}`)]);
    let candidates = isWhole ? this.#whole(outputs, ids.length) : this.#best(outputs, ids.length);
    if (!isWhole && candidates.some((one) => Array.from(one.ids).some((id) => this.forbidden.has(id)))) {
      candidates = await this.#bestAllowed(ids, state, memory, numCandidates);
    }
    if (namedIds) {
      const named = rowsOf(outputs.named_log_probs, ids.length);
      candidates = candidates.map((one, k) => ({
        ids: [...Array.from(one.ids), ...namedIds[k]],
        logProbs: [...Array.from(one.logProbs), ...namedIds[k].map((id, n) => (this.forbidden.has(id) ? -Infinity : named[k][n]))],
      }));
    }
    /** @type {Tensors} */
    const next = {};
    for (const name of this.state) next[name] = outputs[`next_${name}`];
    const weights = withWeights ? rowsOf(outputs.weights, ids.length) : undefined;
    return { candidates, state: this.#rows(next, ids.length), weights };
  }

  /** @param {State} state @param {number[]} parents @returns {State} */
  select({ parts }, parents) {
    const selected = Object.entries(parts).map(([name, { rows, dims }]) => [name, { dims, rows: parents.map((k) => rows[k]) }]);
    return { parts: Object.fromEntries(selected) };
  }

  /** @param {number[]} ids @param {State} state @param {Tensors} memory @param {number} count
   * @param {number[][] | undefined} namedIds @returns {Tensors} */
  #feeds(ids, state, memory, count, namedIds) {
    const { Tensor } = this.ort;
    const named = namedIds ?? ids.map(() => []);
    const flat = BigInt64Array.from(named.flat(), (id) => BigInt(Math.max(id, 0)));
    /** @type {Tensors} */
    const feeds = {
      ids: new Tensor("int32", Int32Array.from(ids), [1, ids.length]),
      num_candidates: new Tensor("int64", BigInt64Array.of(BigInt(count)), [1]),
      named_ids: new Tensor("int64", flat, [1, ids.length, named[0].length]),
      ...memory,
    };
    for (const [name, { rows, dims }] of Object.entries(state.parts)) {
      const size = rows[0].length;
      const values = new Float32Array(rows.length * size);
      rows.forEach((row, k) => values.set(row, k * size));
      feeds[name] = new Tensor("float32", values, [1, rows.length, ...dims]);
    }
    const read = new Set(this.stepSession.inputNames);
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => read.has(name)));
  }

  /** @param {Tensors} state @param {number} count @returns {State} */
  #rows(state, count) {
    const parts = Object.entries(state).map(([name, tensor]) => [
      name,
      { rows: rowsOf(tensor, count), dims: tensor.dims.slice(2) },
    ]);
    return { parts: Object.fromEntries(parts) };
  }

  /** @param {Tensors} outputs @param {number} count @returns {Candidates[]} */
  #best(outputs, count) {
    const ids = rowsOf(outputs.candidates, count);
    return rowsOf(outputs.log_probs, count).map((logProbs, k) => ({ ids: ids[k], logProbs }));
  }

  /** The whole vocabulary, unsorted. @param {Tensors} outputs @param {number} count @returns {Candidates[]} */
  #whole(outputs, count) {
    const ids = Array.from({ length: this.size }, (_, id) => id);
    return rowsOf(outputs.all_log_probs, count).map((row) => ({
      ids,
      logProbs: row.map((logProb, id) => (this.forbidden.has(id) ? -Infinity : logProb)),
    }));
  }

  /** The best candidates that are allowed, from as many more as are forbidden.
   * @param {number[]} ids @param {State} state @param {Tensors} memory @param {number} numCandidates
   * @returns {Promise<Candidates[]>} */
  async #bestAllowed(ids, state, memory, numCandidates) {
    const count = Math.min(numCandidates + this.forbidden.size, this.size);
    const feeds = this.#feeds(ids, state, memory, count, undefined);
    const outputs = await this.stepSession.run(feeds, ["log_probs", "candidates"]);
    return this.#best(outputs, ids.length).map((one) => {
      const allowed = Array.from(one.ids, (id, c) => ({ id, logProb: one.logProbs[c] }));
      for (const candidate of allowed) if (this.forbidden.has(candidate.id)) candidate.logProb = -Infinity;
      allowed.sort((a, b) => descending(a.logProb, b.logProb));
      const best = allowed.slice(0, numCandidates);
      return { ids: best.map(({ id }) => id), logProbs: best.map(({ logProb }) => logProb) };
    });
  }
}

/** For sorting, also of infinities. @param {number} one @param {number} other */
export const descending = (one, other) => (one > other ? -1 : one < other ? 1 : 0);

/** A tensor 1 x count x ... as the rows of its hypotheses, which are views. @param {Tensor} tensor @param {number} count
 * @returns {Float32Array[]} */
function rowsOf(tensor, count) {
  const data = /** @type {Float32Array} */ (tensor.data);
  const size = data.length / count;
  return Array.from({ length: count }, (_, k) => data.subarray(k * size, (k + 1) * size));
}
