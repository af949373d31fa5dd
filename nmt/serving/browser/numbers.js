// Numbers in a translation are those of its source: `nmt/search/numbers.py`.

import { GROUP_SEPARATOR } from "./amounts.js";
import { appendNamed, maskOut } from "./beam.js";
import { MaskedLine } from "./placeholders.js";
import { EOS_ID } from "./tokenizer.js";
import { SPACE, WORD } from "./unicode.js";
import { decoded } from "./utf8.js";

/** @typedef {Set<string>} Forms digit groups, of which one stands in a translation */
/** @typedef {{permitted: Forms[], required: Forms[]}} SourceNumbers each at most once; each at least once */
/** @typedef {object} DigitPieces Which ids are digits; -1: none.
 * @property {Int8Array} digits @property {boolean[]} isSpaced @property {number} spaceId
 * @property {Map<number, number>} bytes id -> byte of a character; no digits */
/** @typedef {{last: string, mayBegin: (digits: string) => boolean, isWhole: boolean, missing: Forms[]}} NumberProgress */

const LARGEST_SPELLED_OUT = 20;
const SPARE_CANDIDATES = 4;
const NUMBER = new RegExp(
  String.raw`(?:[0-9]{1,4}(?: [0-9]{1,4}){3,}|[0-9]{2,4}(?: [0-9]{2,4}){2,})(?![0-9]|[.,:\/\-][0-9])` +
    String.raw`|[0-9]+(?:[.,:\/\-][0-9]+|[ \u00a0\u202f'’][0-9]{3}(?![0-9]))*`,
  "gu",
);
const THOUSANDS = new RegExp(`^[0-9]{1,3}(?:${GROUP_SEPARATOR}[0-9]{3})+$`, "u");
const DECADE = new RegExp(`(?<![0-9])[0-9]{2}([0-9]0)(?:'?s(?![${WORD}]))`, "gu");
// Without the flag `i`, by which U+0345 would be a letter. Python's flag takes U+017F for an s and U+212A for a k.
const HOUR = new RegExp(
  `[${SPACE}]?(?:(?:[aApP]\\.?[${SPACE}]?[mM]|[hH](?:[eE][uU][rR][eE][sS\u017f]?)?)(?![${WORD}])` +
    "|[oO]'[cC][lL][oO][cC][kK\u212a])",
  "uy",
);
const UNIT = new RegExp(
  `[ \u00a0\u202f]?(?:[kcmµ]?m|km/h|[km]?g|[cm]?l|[mk]?[sWV]|min|[kMG]?Hz|[kMGT]B)(?![${WORD}])`,
  "uy",
);

/** @param {string} text @returns {SourceNumbers} */
export function numbersOf(text) {
  /** @type {Forms[]} */
  const permitted = [];
  /** @type {Forms[]} */
  const required = [];
  const decades = new Map(Array.from(text.matchAll(DECADE), (match) => [match.index + 2, match[1]]));
  for (const match of text.matchAll(NUMBER)) {
    const end = match.index + match[0].length;
    /** @type {string[]} */
    const groups = match[0].match(/[0-9]+/g) ?? [];
    const digits = match[0].replace(/[^0-9]/g, "");
    HOUR.lastIndex = end;
    UNIT.lastIndex = end;
    const isClock = groups.length === 2 || HOUR.test(text);
    /** @type {Forms[]} */
    let forms = groups.map((group, i) => formsOf(group, isClock && i === 0));
    const decade = decades.get(end - 2); // of the last one in "1980-1990s"
    if (decade) forms[forms.length - 1].add(decade);
    const isSmall = groups.length < 2 && Number(digits.slice(0, 3)) <= LARGEST_SPELLED_OUT;
    const isRound = digits.replace(/^0+|0+$/g, "").length < 2;
    const isRequired = !isSmall && !(isRound && !UNIT.test(text));
    if (THOUSANDS.test(match[0])) {
      forms = [new Set([digits, groups[0]]), ...groups.slice(1).map((group) => new Set([group]))];
      if (isRequired) required.push(new Set([digits, groups[groups.length - 1]]));
    } else if (isRequired) required.push(...forms);
    permitted.push(...forms);
  }
  return { permitted, required };
}

/** @param {string} group @param {boolean} isHour @returns {Forms} */
function formsOf(group, isHour) {
  const forms = new Set([group, group.replace(/^0+/, "") || "0"]);
  if (group.length === 1) forms.add(`0${group}`);
  if (isHour && group.length < 3) {
    for (const hour of [Number(group) + 12, Number(group) - 12]) if (hour > 0 && hour < 24) forms.add(String(hour));
  }
  return forms;
}

/** The forms of which none stands among the groups; each group counts for one. @param {Forms[]} forms
 * @param {string[]} groups */
function withoutUsed(forms, groups) {
  const remaining = [...forms];
  for (const group of groups) {
    const place = remaining.findIndex((one) => one.has(group));
    if (place >= 0) remaining.splice(place, 1);
  }
  return remaining;
}

/** Whether each digit group of a translation may stand in it. @param {SourceNumbers} numbers @param {string} text */
export function permits({ permitted }, text) {
  const groups = text.match(/[0-9]+/g) ?? [];
  return withoutUsed(permitted, groups).length === permitted.length - groups.length;
}

/** @param {import("./tokenizer.js").Tokenizer} tokenizer @returns {DigitPieces} */
export function digitPiecesOf(tokenizer) {
  const digits = new Int8Array(tokenizer.size).fill(-1);
  /** @type {boolean[]} */
  const isSpaced = Array(tokenizer.size).fill(false);
  const bytes = new Map();
  tokenizer.pieces.forEach(({ piece }, id) => {
    const isByte = tokenizer.isByte(id);
    const text = isByte ? String.fromCharCode(parseInt(piece.slice(3, 5), 16)) : piece.replace(/^▁/, "");
    if (/^[0-9]$/.test(text)) {
      digits[id] = Number(text);
      isSpaced[id] = piece.startsWith("▁");
    } else if (isByte) bytes.set(id, text.charCodeAt(0));
  });
  const [spaceId] = tokenizer.encode(new MaskedLine("x 1")).slice(-2);
  return { digits, isSpaced, bytes, spaceId: tokenizer.pieces[spaceId].piece === "▁" ? spaceId : -1 };
}

/** The control of search. @param {SourceNumbers} numbers @param {DigitPieces} digitPieces
 * @returns {import("./beam.js").Control} */
export function sourceNumbers(numbers, { digits, isSpaced, spaceId, bytes }) {
  const digitIds = Array.from(digits.keys()).filter((id) => digits[id] >= 0);
  /** @type {Map<number, number>} */
  const plainIds = new Map();
  for (const id of digitIds) if (!isSpaced[id]) plainIds.set(digits[id], id);

  /** @param {number[]} ids @returns {NumberProgress} */
  const progressOf = (ids) => {
    /** @type {string[]} */
    const groups = [];
    let inGroup = false;
    /** @type {number[]} */
    let unread = []; // bytes of which no character is complete: they leave no trace in the text
    for (const id of ids) {
      if (bytes.has(id)) {
        unread.push(/** @type {number} */ (bytes.get(id)));
        inGroup &&= !decoded(unread).length;
        continue;
      }
      unread = [];
      if (digits[id] < 0) inGroup = false;
      else if (inGroup && !isSpaced[id]) groups[groups.length - 1] += digits[id];
      else {
        groups.push(String(digits[id]));
        inGroup = true;
      }
    }
    const last = (inGroup && groups.pop()) || "";
    const forms = withoutUsed(numbers.permitted, groups).flatMap((one) => Array.from(one));
    const missing = withoutUsed(numbers.required, [...groups, last]);
    const mayBegin = (/** @type {string} */ begun) => forms.some((form) => form.startsWith(begun));
    return { last, mayBegin, isWhole: forms.includes(last), missing };
  };
  const isWatched = (/** @type {number[]} */ ids) => numbers.required.length > 0 || digits[ids[ids.length - 1]] >= 0;
  const firstsOf = (/** @type {Forms[]} */ missing) => new Set(missing.flatMap((forms) => Array.from(forms, (form) => form[0])));

  return {
    adjustRequest(request, live) {
      const named = live.map(({ ids }) => {
        if (!isWatched(ids)) return [];
        const { last, mayBegin, isWhole, missing } = progressOf(ids);
        if (last && !isWhole) {
          return Array.from(plainIds).filter(([digit]) => mayBegin(`${last}${digit}`)).map(([, id]) => id);
        }
        if (!missing.length) return [];
        const firsts = firstsOf(missing);
        const space = spaceId >= 0 ? [spaceId] : [];
        return [...digitIds.filter((id) => firsts.has(String(digits[id]))), EOS_ID, ...space];
      });
      if (named.some((ids) => ids.length)) {
        const width = Math.max(...named.map((ids) => ids.length));
        appendNamed(request, named.map((ids) => [...ids, ...Array(width - ids.length).fill(-1)]));
      }
      request.numCandidates += SPARE_CANDIDATES;
    },

    adjustCandidates(candidates, live) {
      candidates.forEach((one, k) => {
        const { ids } = live[k];
        if (!isWatched(ids) && !one.ids.some((id) => digits[id] >= 0)) return;
        const { last, mayBegin, isWhole, missing } = progressOf(ids);
        const firsts = firstsOf(missing);
        const isUnfinished = last !== "" && !isWhole;
        const eosLogProb = Math.max(...one.logProbs.filter((_, c) => one.ids[c] === EOS_ID));
        maskOut(one, (c) => {
          const id = one.ids[c];
          let isMasked = isUnfinished;
          if (!isUnfinished && missing.length) {
            // Where the model would end, only a missing number may follow.
            const isSpace = id === spaceId && ids[ids.length - 1] !== spaceId;
            isMasked = one.logProbs[c] <= eosLogProb && !isSpace;
          }
          if (digits[id] < 0) return isMasked;
          const digit = String(digits[id]);
          if (last && !isSpaced[id]) return !mayBegin(`${last}${digit}`);
          if (isUnfinished) return isMasked;
          return !mayBegin(digit) || (isMasked && !firsts.has(digit));
        });
      });
    },
  };
}
