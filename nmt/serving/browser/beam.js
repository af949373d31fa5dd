// Beam search over an engine, for one sentence: `nmt/search/beam.py`. Steps, ties and scores are the same.

import { descending } from "./engine.js";
import { BOS_ID, EOS_ID } from "./tokenizer.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./numbers.js").SourceNumbers} SourceNumbers */
/** @typedef {import("./numbers.js").DigitPieces} DigitPieces */

/** @typedef {object} Hypothesis A translation in ids, without `<s>` and `</s>`; log-probabilities include `</s>`.
 * @property {number[]} ids @property {number} logProb @property {number} score @property {boolean} truncated
 * @property {number[]} tokenLogProbs @property {Look[]} looks one for each token, if they are recorded */

/** @typedef {object} Look What the model saw when it wrote a token.
 * @property {Float32Array} weights attention @property {import("./engine.js").Candidates} candidates in this place */

/** @typedef {object} Live A hypothesis that goes on.
 * @property {number[]} ids without `<s>` @property {number[]} tokenLogProbs @property {number} logProb
 * @property {number} score what search accumulates @property {number} finalScore if it is cut here
 * @property {number[]} coverage of each source position, if it counts @property {Look[]} looks */

/** @typedef {object} Expansion The candidates of one hypothesis.
 * @property {number[]} ids @property {number[]} logProbs @property {number[]} scores -Infinity: masked out */

/** @typedef {object} Selected
 * @property {number} id @property {number} logProb @property {number} score @property {number} parent
 * @property {number} finalScore the score if it ends here @property {number} upperBound no descendant scores higher */

/** @typedef {object} Request @property {number} numCandidates @property {number[][]} namedIds @property {boolean} withWeights */

/** @typedef {object} Control A decoding option: each function is called once a step.
 * @property {(request: Request, live: Live[]) => void} [adjustRequest]
 * @property {(candidates: Expansion[], live: Live[]) => void} [adjustCandidates]
 * @property {(selected: Selected[], live: Live[]) => void} [adjustSelection] */

/** @typedef {object} SearchTask
 * @property {number[]} sourceIds with `</s>` @property {number} maxLength of a translation, `</s>` included
 * @property {boolean} copies whether copy symbols are copied @property {SourceNumbers | null} numbers
 * @property {DigitPieces | null} digitPieces @property {boolean} isRecorded whether hypotheses have looks
 * @property {() => Promise<void>} pause called after each step; may throw */

/** At least one and at most `nBest` hypotheses, best first. @param {Engine} engine @param {SearchTask} task
 * @param {{beamSize: number, nBest: number, controls: Control[]}} options @returns {Promise<Hypothesis[]>} */
export async function search(engine, task, { beamSize, nBest, controls }) {
  const encoded = await engine.encode(task.sourceIds);
  let { state } = encoded;
  /** @type {Live[]} */
  let live = [{ ids: [], tokenLogProbs: [], logProb: 0, score: 0, finalScore: 0, coverage: [], looks: [] }];
  /** @type {Hypothesis[]} */
  const finished = []; // best first
  let scoreToBeat = -Infinity;

  for (let length = 0; ; length += 1) {
    /** @type {Request} */
    const request = { numCandidates: beamSize + 1, namedIds: live.map(() => []), withWeights: task.isRecorded };
    for (const control of controls) control.adjustRequest?.(request, live);
    const last = live.map(({ ids }) => ids[length - 1] ?? BOS_ID);
    const width = Math.max(...request.namedIds.map((ids) => ids.length));
    const namedIds = request.namedIds.map((ids) => [...ids, ...Array(width - ids.length).fill(-1)]);
    const step = await engine.step(last, state, encoded.memory, {
      ...request,
      namedIds: width ? namedIds : undefined,
    });
    const candidates = live.map((one, k) => expansion(one, step.candidates[k], width));
    live.forEach((one, k) => {
      const weights = step.weights?.[k];
      if (!weights) return;
      one.coverage = Array.from(weights, (weight, s) => weight + (one.coverage[s] ?? 0));
      if (task.isRecorded) one.looks = [...one.looks, { weights, candidates: unnamed(step.candidates[k], width) }];
    });
    for (const control of controls) control.adjustCandidates?.(candidates, live);
    const selected = selectBest(candidates, 2 * beamSize);
    const isDeadEnd = selected[0].score === -Infinity;
    for (const control of controls) control.adjustSelection?.(selected, live);

    // Of the best 2K candidates, those that end among the first K finish; the best K others live on.
    selected.slice(0, beamSize).forEach((one) => {
      if (one.id === EOS_ID && one.score > -Infinity) insert(finished, finishedHypothesis(live[one.parent], one), nBest);
    });
    if (finished.length >= nBest) scoreToBeat = finished[nBest - 1].score;
    const survivors = unfinished(selected, beamSize);
    const extended = survivors.map((one) => extend(live[one.parent], one));
    const bestBound = Math.max(...survivors.map(({ upperBound }) => upperBound));
    if (bestBound <= scoreToBeat || length + 1 >= task.maxLength) {
      if (finished.length < nBest) finished.push(...truncated(isDeadEnd ? live : extended).slice(0, nBest - finished.length));
      break;
    }
    state = engine.select(step.state, survivors.map(({ parent }) => parent));
    live = extended;
    await task.pause();
  }
  const order = (/** @type {Hypothesis} */ one) => Number(one.truncated);
  return finished.sort((one, other) => order(one) - order(other) || descending(one.score, other.score)).slice(0, nBest);
}

/** @param {import("./engine.js").Candidates} candidates @param {number} numNamed */
function unnamed({ ids, logProbs }, numNamed) {
  const count = ids.length - numNamed;
  return { ids: Array.from(ids).slice(0, count), logProbs: Array.from(logProbs).slice(0, count) };
}

/** All continuations of a hypothesis; an id that comes twice, because it was also named, is kept once.
 * @param {Live} live @param {import("./engine.js").Candidates} candidates @param {number} numNamed
 * @returns {Expansion} */
function expansion(live, candidates, numNamed) {
  const ids = Array.from(candidates.ids, (id) => (numNamed ? Math.max(id, 0) : id));
  const logProbs = Array.from(candidates.logProbs);
  if (!logProbs.every((logProb) => logProb < Infinity)) {
    throw new Error("Log-probabilities must be numbers below infinity: the weights have diverged in training.");
  }
  const scores = logProbs.map((logProb) => live.score + logProb);
  for (let c = ids.length - numNamed; c < ids.length; c += 1) if (ids.indexOf(ids[c]) < c) scores[c] = -Infinity;
  return { ids, logProbs, scores };
}

/** @param {Expansion[]} candidates @param {number} count @returns {Selected[]} */
function selectBest(candidates, count) {
  const all = candidates.flatMap(({ ids, logProbs, scores }, parent) =>
    ids.map((id, c) => {
      const score = scores[c];
      return { id, logProb: logProbs[c], score, parent, finalScore: score, upperBound: score };
    }),
  );
  return all.sort((one, other) => descending(one.score, other.score)).slice(0, count); // the sort is stable
}

/** The best `count` that do not end; those that end mark empty slots if there are fewer.
 * @param {Selected[]} selected @param {number} count */
function unfinished(selected, count) {
  const ends = selected.filter(({ id }) => id === EOS_ID).map((one) => ({ ...one, score: -Infinity, upperBound: -Infinity }));
  return [...selected.filter(({ id }) => id !== EOS_ID), ...ends].slice(0, count);
}

/** @param {Live} parent @param {Selected} selected @returns {Live} */
function extend(parent, { id, logProb, score, finalScore }) {
  return {
    ids: [...parent.ids, id],
    tokenLogProbs: [...parent.tokenLogProbs, logProb],
    logProb: parent.logProb + logProb,
    score,
    finalScore,
    coverage: parent.coverage,
    looks: parent.looks,
  };
}

/** @param {Live} parent @param {Selected} end @returns {Hypothesis} */
function finishedHypothesis(parent, end) {
  return {
    ids: parent.ids,
    logProb: parent.logProb + end.logProb,
    score: end.finalScore,
    truncated: false,
    tokenLogProbs: [...parent.tokenLogProbs, end.logProb],
    looks: parent.looks,
  };
}

/** The live hypotheses, without `</s>`, best first. @param {Live[]} live @returns {Hypothesis[]} */
function truncated(live) {
  return live
    .filter(({ score }) => score > -Infinity)
    .map(({ finalScore, ...one }) => ({ ...one, score: finalScore, truncated: true }))
    .sort((one, other) => descending(one.score, other.score));
}

/** Inserts a hypothesis after those that are as good, and keeps the best. @param {Hypothesis[]} finished
 * @param {Hypothesis} hypothesis @param {number} most */
function insert(finished, hypothesis, most) {
  const place = finished.findIndex(({ score }) => score < hypothesis.score);
  finished.splice(place < 0 ? finished.length : place, 0, hypothesis);
  finished.length = Math.min(finished.length, most);
}

// ------------------------------------------------------------------------------------- what controls are written with

/** Excludes candidates from selection. @param {Expansion} candidates @param {(c: number) => boolean} isMasked */
export function maskOut(candidates, isMasked) {
  candidates.scores = candidates.scores.map((score, c) => (isMasked(c) ? -Infinity : score));
}

/** Requests further ids, in slots of their own. @param {Request} request @param {number[][]} named */
export function appendNamed(request, named) {
  const width = Math.max(...request.namedIds.map((ids) => ids.length));
  request.namedIds = request.namedIds.map((ids, k) => [...ids, ...Array(width - ids.length).fill(-1), ...named[k]]);
}
