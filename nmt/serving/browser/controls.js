// The controls of search that a page has a use for, of `nmt/search/controls.py` and `nmt/search/constraints.py`.

import { appendNamed, maskOut } from "./beam.js";
import { sourceNumbers } from "./numbers.js";
import { COPY_IDS, EOS_ID } from "./tokenizer.js";

/** @typedef {import("./beam.js").Control} Control */
/** @typedef {import("./beam.js").Live} Live */
/** @typedef {import("./beam.js").SearchTask} SearchTask */

/** @typedef {object} DecodingOptions The section `decoding` of a run's config, as far as it is used here.
 * @property {number} beam_size @property {string} penalty @property {number} length_penalty
 * @property {number} coverage_penalty @property {number} max_length_ratio @property {number} max_length_offset
 * @property {number} min_length_ratio @property {number} no_repeat_ngram_size @property {number} repetition_penalty
 * @property {string} stopping @property {boolean} source_numbers */

/** @param {number} sourceLength `</s>` included @param {DecodingOptions} options */
export function maximumLength(sourceLength, { max_length_ratio, max_length_offset }) {
  return Math.max(Math.floor(max_length_ratio * sourceLength) + max_length_offset, 1);
}

/** In the order of `CONTROLS`. @param {DecodingOptions} options @param {SearchTask} task @returns {Control[]} */
export function controlsOf(options, task) {
  const digitPieces = options.source_numbers && task.numbers ? task.digitPieces : null;
  return [
    minimumLength(options, task),
    noRepeatNgram(options, digitPieces),
    repetitionPenalty(options),
    task.numbers && digitPieces ? sourceNumbers(task.numbers, digitPieces) : null,
    copiedSymbols(task),
    lengthPenalty(options, task),
    coveragePenalty(options),
    options.stopping === "first" ? stopAtFirst : null,
  ].filter((control) => control !== null);
}

/** Score = log-probability / penalty(length). @param {DecodingOptions} options @param {SearchTask} task
 * @returns {Control | null} */
function lengthPenalty(options, task) {
  const alpha = options.length_penalty;
  if (alpha === 0) return null;
  const base = (/** @type {number} */ length) => (options.penalty === "gnmt" ? (5 + length) / 6 : length);
  const penalty = (/** @type {number} */ length) => base(Math.max(length, 1)) ** alpha;
  return {
    adjustSelection(selected, live) {
      const length = live[0].ids.length + 1;
      const largest = Math.max(penalty(Math.min(length + 1, task.maxLength)), penalty(task.maxLength));
      for (const one of selected) {
        one.finalScore /= penalty(length);
        one.upperBound /= largest;
      }
    },
  };
}

/** No `</s>` before the minimum length. @param {DecodingOptions} options @param {SearchTask} task
 * @returns {Control | null} */
function minimumLength(options, task) {
  const least = Math.floor(options.min_length_ratio * task.sourceIds.length);
  if (least < 2) return null;
  return {
    adjustRequest: (request) => void (request.numCandidates += 1),
    adjustCandidates(candidates, live) {
      if (live[0].ids.length + 1 >= least) return;
      for (const one of candidates) maskOut(one, (c) => one.ids[c] === EOS_ID);
    },
  };
}

/** Score += beta * sum over source positions of log(min(attention so far, 1)). @param {DecodingOptions} options
 * @returns {Control | null} */
function coveragePenalty({ coverage_penalty: beta }) {
  if (beta === 0) return null;
  const least = 2 ** -126; // so that its logarithm is finite
  return {
    adjustRequest: (request) => void (request.withWeights = true),
    adjustSelection(selected, live) {
      const penalties = live.map(({ coverage }) =>
        coverage.reduce((sum, value) => sum + Math.log(Math.min(Math.max(value, least), 1)), 0),
      );
      for (const one of selected) one.finalScore += beta * penalties[one.parent];
    },
  };
}

/** No sequence of so many tokens occurs twice. Digits are left to `sourceNumbers`, if it is on.
 * @param {DecodingOptions} options @param {import("./numbers.js").DigitPieces | null} digitPieces
 * @returns {Control | null} */
function noRepeatNgram({ no_repeat_ngram_size: size }, digitPieces) {
  if (size === 0) return null;
  const repeating = (/** @type {Live} */ { ids }) => {
    const found = [];
    for (let start = 0; start + size <= ids.length; start += 1) {
      const isSame = ids.slice(start, start + size - 1).every((id, i) => id === ids[ids.length - size + 1 + i]);
      if (isSame) found.push(ids[start + size - 1]);
    }
    return found;
  };
  return {
    adjustRequest(request, live) {
      request.numCandidates += Math.max(...live.map((one) => repeating(one).length));
    },
    adjustCandidates(candidates, live) {
      candidates.forEach((one, k) => {
        const ids = new Set(repeating(live[k]));
        const isDigit = (/** @type {number} */ id) => digitPieces !== null && digitPieces.digits[id] >= 0;
        maskOut(one, (c) => ids.has(one.ids[c]) && !isDigit(one.ids[c]));
      });
    },
  };
}

/** Score += repetition penalty * log-probability for a token that is there already. @param {DecodingOptions} options
 * @returns {Control | null} */
function repetitionPenalty({ repetition_penalty: penalty }) {
  if (penalty === 1) return null;
  return {
    adjustRequest: (request, live) => void (request.numCandidates += live[0].ids.length),
    adjustCandidates(candidates, live) {
      candidates.forEach((one, k) => {
        one.scores = one.scores.map((score, c) =>
          live[k].ids.includes(one.ids[c]) ? score + (penalty - 1) * one.logProbs[c] : score,
        );
      });
    },
  };
}

/** Each copy symbol of the source appears exactly once in the translation, and no other. @param {SearchTask} task
 * @returns {Control | null} */
function copiedSymbols(task) {
  if (!task.copies) return null;
  const inSource = COPY_IDS.filter((id) => task.sourceIds.includes(id));
  const missing = (/** @type {Live} */ { ids }) => inSource.filter((id) => !ids.includes(id));
  return {
    adjustRequest(request, live) {
      // As in Python, all have slots as soon as one misses a symbol: the order of candidates decides between equals.
      const named = live.map((one) => COPY_IDS.map((id) => (missing(one).includes(id) ? id : -1)));
      if (named.flat().some((id) => id >= 0)) appendNamed(request, named.map((ids) => [...ids, EOS_ID]));
      request.numCandidates += COPY_IDS.length + 1;
    },
    adjustCandidates(candidates, live) {
      candidates.forEach((one, k) => {
        const absent = missing(live[k]);
        const room = task.maxLength - live[k].ids.length - 2; // tokens that fit after this one and before </s>
        const isPossibleEos = (/** @type {number} */ c) => one.ids[c] === EOS_ID && one.scores[c] > -Infinity;
        const eosLogProb = Math.max(...one.logProbs.filter((_, c) => isPossibleEos(c)));
        maskOut(one, (c) => {
          if (absent.includes(one.ids[c])) return false;
          const isCopy = COPY_IDS.includes(one.ids[c]);
          return isCopy || (absent.length > 0 && (absent.length > room || one.logProbs[c] <= eosLogProb));
        });
      });
    },
  };
}

/** Stops once enough hypotheses have finished. @type {Control} */
const stopAtFirst = {
  adjustSelection(selected) {
    for (const one of selected) if (one.upperBound > -Infinity) one.upperBound = -Number.MAX_VALUE;
  },
};
