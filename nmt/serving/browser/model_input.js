// What the model reads of a line, and what stands around its translation: `nmt/text/model_input.py`.

import { EMOJI, IGNORABLE, sourceView, UNSEEN } from "./characters.js";
import { characterAt, firstLetter, hasLetters, isBlank, length, SPACE, trim, WORD, wordSpans } from "./unicode.js";

/** @typedef {{start: number, end: number, before: string, after: string}} Peeled */
/** @typedef {{kind: string, start: number, end: number, before: string, after: string}} Layer */
/** @typedef {{starts_upper: boolean, names: string, common?: string}} CasingRecord */

// ------------------------------------------------------------------------------------------------------------- edges

const EDGE = new RegExp(`(?:[${SPACE}]|${UNSEEN})+`, "uy");
const NO_SPACE = new RegExp(`[^${SPACE}]+`, "gu");
const MARKER = new RegExp(
  String.raw`(?<bullet>[-–—―•*·‣▪◦+]|>{1,6}|#{1,6}|\[[ xX✓]?\])(?=[${SPACE}])` +
    String.raw`|(?<glued>[-–—―•·‣▪◦>])(?=[\p{L}\p{Nl}\p{No}])` +
    String.raw`|(?<number>\(?(?:\p{Nd}{1,3}|[a-zA-Z]|[ivxIVX]{2,5})\)|\p{Nd}{1,3}\.(?:\p{Nd}{1,3}\.)*)(?=[${SPACE}])`,
  "uy",
);
const UNSEEN_AT_END = new RegExp(`^[${IGNORABLE}\\u200c\\u200d]$`, "u");
const QUOTE_WITHIN = new RegExp(`(?<![${WORD}])['‘’]|['‘’](?![${WORD}])`, "u");
/** Opening mark -> closing ones. @param {string} pairs @returns {Record<string, string>} */
const closingMarks = (pairs) => Object.fromEntries(pairs.split(" ").map((pair) => [pair[0], pair.slice(1)]));
const DOUBLE_QUOTES = closingMarks('""” “”" „“”" ”” «» »« ＂＂ 〝〞〟');
const SINGLE_QUOTES = closingMarks("'' ‘’ ‚‘’ ‹›");
const BRACKETS = closingMarks("() [] （） ［］ ｛｝ 【】 〔〕 「」 『』 〈〉 《》 〖〗");
const EMPHASIS = ["***", "**", "*", "___", "__", "_", "~~", "~", "==", "```", "``", "`"];
const FINAL = ".!?…,;:";
const [BEFORE_QUOTE, AFTER_QUOTE] = [" ([", ` )]${FINAL}`]; // within a quotation, or nothing after

// Signs that are no part of a sentence where they stand at its edge, with the spaces beside them.
const SIGN = String.raw`[${EMOJI}\u200d\u20e3\ufe0e\ufe0f\ufffc\ufffd\ue000-\uf8ff\u{e0020}-\u{e007f}|]`;
const LEADING_SIGNS = new RegExp(
  String.raw`(?:(?:${SIGN}|[0-9#*]\ufe0f?\u20e3|…|\.{2,}(?!\.)` +
    String.raw`|(?:[:;=][\-o^']?[\(\)\[\]DPp*\/|\\]+|<3)(?=[${SPACE}]))[${SPACE}]*)+`,
  "uy",
);
const TRAILING_SIGNS = new RegExp( // of a text that is reversed
  String.raw`^(?:(?:\u20e3\ufe0f?[0-9#*]|${SIGN}` +
    String.raw`|(?:[\(\)\[\]DPp*\/|\\]+[\-o^']?[:;=]|3<)(?=[${SPACE}]))[${SPACE}]*)+`,
  "u",
);
const ENDS_IN_SIGN = new RegExp(String.raw`^(?:${SIGN}|[\(\)\[\]DPp*\/|\\3])`, "u");
const LAST = new Set(".!?,;:)]\"'abcdefghijklmnopqrstuvwxyzé0123456789");

/** Language -> what it quotes with. @type {Record<string, [string, string]>} */
const QUOTES = {
  cs: ["„", "“"],
  de: ["„", "“"],
  en: ['"', '"'],
  es: ["«", "»"],
  fr: ["«\u00a0", "\u00a0»"],
  it: ["«", "»"],
  nl: ['"', '"'],
  pl: ["„", "”"],
  pt: ['"', '"'],
  ru: ["«", "»"],
  uk: ["«", "»"],
};
/** @type {Record<string, string>} */
const ALSO = { en: "“”", nl: "“”„", pt: "“”«»", it: "“”", es: "“”" };
const MOST_LAYERS = 6;

/** A line without its edges, which are to be put around its translation in this language.
 * @param {string} line @param {string | null} language @returns {Peeled} */
export function peel(line, language = null) {
  let { start, end, before, after } = strip(line, 0, line.length);
  /** @type {string[]} */
  const kinds = [];
  while (kinds.length < MOST_LAYERS && start < end) {
    const layer = outermost(line, start, end, kinds.includes("double") ? null : language);
    if (!layer || !hasLetters(line.slice(layer.start, layer.end))) break;
    kinds.push(layer.kind);
    const inner = strip(line, layer.start, layer.end);
    ({ start, end } = inner);
    if (layer.kind === "double" && "«»".includes(line[layer.start - 1])) {
      inner.before = trim(inner.before);
      inner.after = trim(inner.after);
    }
    before += layer.before + inner.before;
    after = inner.after + layer.after + after;
  }
  return { start, end, before, after };
}

/** Where the text without edge space starts and ends, and the space before and after it.
 * @param {string} line @param {number} start @param {number} end @returns {Peeled} */
function strip(line, start, end) {
  if (start < end && /^[\p{L}\p{N}]$/u.test(characterAt(line, start)) && LAST.has(line[end - 1])) {
    return { start, end, before: "", after: "" };
  }
  EDGE.lastIndex = start;
  const leading = EDGE.exec(line.slice(0, end))?.[0] ?? "";
  start += leading.length;
  let last = end;
  while (last > start) {
    const size = /[\udc00-\udfff]/.test(line[last - 1]) ? 2 : 1;
    const character = line.slice(last - size, last);
    if (!isBlank(character) && !UNSEEN_AT_END.test(character)) break;
    last -= size;
  }
  const spaces = (/** @type {string} */ text) => text.replace(NO_SPACE, "");
  return { start, end: last, before: spaces(leading), after: spaces(line.slice(last, end)) };
}

/** @param {string} line @param {number} start @param {number} end @param {string | null} language
 * @returns {Layer | null} */
function outermost(line, start, end, language) {
  const opening = characterAt(line, start);
  const next = start + opening.length;
  const nextCharacters = Array.from(line.slice(next, next + 10)).slice(0, 5); // of two units at most
  if (!/^\p{L}$/u.test(opening) || nextCharacters.includes(")")) {
    const text = line.slice(0, end);
    MARKER.lastIndex = start;
    const marker = MARKER.exec(text);
    if (marker) {
      const kind = marker.groups?.number ?? "bullet";
      return { kind, start: start + marker[0].length, end, before: marker[0], after: "" };
    }
    for (const [kind, closings] of /** @type {const} */ ([
      ["double", DOUBLE_QUOTES],
      ["single", SINGLE_QUOTES],
      ["", BRACKETS],
    ])) {
      if (!Object.hasOwn(closings, opening)) continue;
      const layer = enclosed(line, start, end, kind || opening, closings[opening], language);
      if (layer) return layer;
    }
    LEADING_SIGNS.lastIndex = start;
    const signs = LEADING_SIGNS.exec(text)?.[0];
    if (signs) return { kind: `${trim(signs)} ...`, start: start + signs.length, end, before: signs, after: "" };
    const layer = emphasized(line, start, end);
    if (layer) return layer;
  }
  return tail(line, start, end);
}

/** The layer of a mark of emphasis around a text, maybe with punctuation after it.
 * @param {string} line @param {number} start @param {number} end @returns {Layer | null} */
function emphasized(line, start, end) {
  const mark = EMPHASIS.find((one) => line.slice(start, end).startsWith(one));
  if (mark === undefined) return null;
  let last = end;
  while (last > start && FINAL.includes(line[last - 1])) last -= 1;
  const size = mark.length;
  if (last - start <= 2 * size || !line.slice(start, last).endsWith(mark)) return null;
  const inner = line.slice(start + size, last - size);
  if (inner.includes(mark[0]) || isBlank(inner[0]) || isBlank(inner[inner.length - 1])) return null;
  return { kind: mark, start: start + size, end: last - size, before: mark, after: mark + line.slice(last, end) };
}

/** Signs behind a text, or the marks behind its first "!" or "?".
 * @param {string} line @param {number} start @param {number} end @returns {Layer | null} */
function tail(line, start, end) {
  if ("!?".includes(line[end - 1])) {
    let place = end - 1;
    while (place > start && "!?".includes(line[place - 1])) place -= 1;
    if (place + 1 === end) return null;
    const marks = line.slice(place + 1, end);
    return { kind: `... ${marks}`, start, end: place + 1, before: "", after: marks };
  }
  const reversed = () => Array.from(line.slice(start, end)).reverse().join("");
  const last = Array.from(line.slice(Math.max(start, end - 2), end)).pop() ?? "";
  const signs = ENDS_IN_SIGN.test(last) ? TRAILING_SIGNS.exec(reversed())?.[0] : null;
  if (!signs) return null;
  const place = end - signs.length;
  return { kind: `... ${trim(line.slice(place, end))}`, start, end: place, before: "", after: line.slice(place, end) };
}

/** The layer of a pair of marks, if the second one closes the first one and ends the text.
 * @param {string} line @param {number} start @param {number} end @param {string} kind @param {string} closings
 * @param {string | null} language @returns {Layer | null} */
function enclosed(line, start, end, kind, closings, language) {
  let last = end - 1;
  while (last > start && FINAL.includes(line[last]) && !closings.includes(line[last])) last -= 1;
  const [opening, closing] = [line[start], line[last]];
  const inner = line.slice(start + 1, last);
  if (last <= start + 1 || !closings.includes(closing)) return null;
  if (kind === "single") {
    if (QUOTE_WITHIN.test(inner)) return null;
  } else if (!(opening === closing ? isQuoting(inner, opening) : isBalanced(inner, opening, closing))) return null;
  let [before, after] = [opening, closing];
  if (kind === "double" && language !== null && Object.hasOwn(QUOTES, language)) {
    if (!(ALSO[language] ?? "").includes(opening)) [before, after] = QUOTES[language];
  }
  return { kind, start: start + 1, end: last, before, after: after + line.slice(last + 1, end) };
}

/** Whether all quotes in a text stand in pairs around words of it: "A" in `the letter "A".`, not in `A" and "B`, which is
 * the inside of two quotations. @param {string} text @param {string} quote */
function isQuoting(text, quote) {
  const parts = text.split(quote); // every second one is quoted
  if (parts.length % 2 === 0) return false;
  for (let i = 1; i < parts.length; i += 2) {
    const [before, quoted, after] = parts.slice(i - 1, i + 2);
    if (!quoted || isBlank(quoted[0]) || isBlank(quoted[quoted.length - 1])) return false;
    if (!before || !BEFORE_QUOTE.includes(before[before.length - 1]) || !AFTER_QUOTE.includes(after[0] ?? "")) return false;
  }
  return true;
}

/** @param {string} text @param {string} opening @param {string} closing */
function isBalanced(text, opening, closing) {
  let depth = 0;
  for (const character of text) {
    depth += Number(character === opening) - Number(character === closing);
    if (depth < 0) return false;
  }
  return depth === 0;
}

// ---------------------------------------------------------------------------------------------------------- capitals

const PLACEHOLDER = new RegExp(String.raw`\{[^{}]*\}|%(?:\([${WORD}]+\))?[a-z]|<[^<>]*>`, "gu");
const NO_WORD = /:\/\/|@|www\.|[\p{Nd}{%<]/u;
const WORD_OR_NUMBER = /[\p{L}\p{N}]+/gu;
const REST = /^['’-]([\p{L}\p{N}]+)/u; // of a word that begins with a letter and one of these
const LONGEST_SMALL = 4; // letters of a word that titles leave small, such as "with"

/** Whether a line has two words or more of two letters or more, all in capitals. Addresses, placeholders and words
 * with digits do not count. @param {string} text */
export function isShouted(text) {
  const whole = text.replaceAll("ß", "ẞ").replace(PLACEHOLDER, " ");
  const quiet = wordSpans(whole)
    .map(([start, end]) => whole.slice(start, end))
    .filter((word) => !NO_WORD.test(word))
    .join(" ");
  if (quiet.toUpperCase() !== quiet) return false;
  const words = (quiet.match(WORD_OR_NUMBER) ?? []).filter((word) => word.toUpperCase() !== word.toLowerCase());
  return words.filter((word) => characterAt(word, 0).length < word.length).length > 1;
}

/** How a language is cased, as far as training text showed it. */
export class Casing {
  /** @param {CasingRecord} record */
  constructor({ starts_upper, names, common = "" } = { starts_upper: true, names: "" }) {
    this.startsUpper = starts_upper;
    this.common = new Set(common.split(" ").filter((word) => word)); // words in small letters
    /** @type {Map<string, string>} */
    this.names = new Map();
    for (const name of names.split(" ")) if (name) this.names.set(name.toLowerCase(), name);
  }

  /** Whether a line is in title case, by its common words with a capital. @param {string} text */
  isTitled(text) {
    if (!this.common.size) return false;
    let [numWords, numSmall, numRaised] = [0, 0, 0];
    for (const match of text.matchAll(WORD_OR_NUMBER)) {
      const word = match[0];
      if (word.toUpperCase() === word.toLowerCase()) continue;
      numWords += 1;
      if (numWords === 1) continue;
      if (/^\p{Uppercase}/u.test(word)) {
        const isWord = !isOne(word) || this.#isElided(text.slice(match.index + word.length));
        numRaised += Number(isWord && this.#isRaised(word));
      } else if (/['’]/.test(text[match.index - 1])) continue; // goes on with a word, as in "L'air" and "Don't"
      else if (length(word) > LONGEST_SMALL) return false;
      else numSmall += 1;
    }
    return numRaised > 1 && numRaised >= numSmall + Number(/[.!?]$/.test(text));
  }

  /** Whether a common word is written with a capital. @param {string} word */
  #isRaised(word) {
    const lower = word.toLowerCase();
    const rest = (/** @type {string} */ text) => text.slice(characterAt(text, 0).length);
    return word !== lower && rest(word) === rest(lower) && this.common.has(lower);
  }

  /** Whether a letter before this goes on with a word that is no name: "L'Air", "L'air", "A-T-Il". @param {string} rest */
  #isElided(rest) {
    const word = REST.exec(rest)?.[1];
    return word !== undefined && (word === word.toLowerCase() || this.#isRaised(word));
  }

  /** A text in title case with its common words in small letters; `isStart` of a sentence, its first word stays as
   * it is. @param {string} text @param {boolean} isStart */
  lowered(text, isStart = true) {
    const first = isStart ? firstLetter(text) : -1;
    const start = first < 0 ? 0 : first + characterAt(text, first).length;
    const lower = (/** @type {string} */ word, /** @type {number} */ place, /** @type {string} */ rest) => {
      // A letter by itself is a name, as in "Plan B:", unless a word follows as after "A".
      const after = rest.slice(place + word.length);
      const isWord = !isOne(word) || after.startsWith(" ") || this.#isElided(after);
      return isWord && this.#isRaised(word) ? word.toLowerCase() : word;
    };
    return text.slice(0, start) + text.slice(start).replace(WORD_OR_NUMBER, lower);
  }

  /** A text in capitals in small letters, as long as before. @param {string} text @param {boolean} isStart */
  quiet(text, isStart = true) {
    let quiet = Array.from(text, small).join("");
    quiet = quiet.replace(WORD_OR_NUMBER, (word) => this.names.get(word) ?? word);
    const at = isStart && this.startsUpper ? firstLetter(quiet) : -1;
    if (at < 0) return quiet;
    const first = characterAt(quiet, at);
    const capital = first.toUpperCase();
    return isOne(capital) ? quiet.slice(0, at) + capital + quiet.slice(at + first.length) : quiet;
  }
}

/** @param {string} text */
const isOne = (text) => characterAt(text, 0).length === text.length;

/** @param {string} character */
function small(character) {
  const lower = character.toLowerCase();
  return isOne(lower) ? lower : character;
}

// ------------------------------------------------------------------------------------------------------- all of them

/** How a run's model reads the lines of its source language. */
export class ModelInput {
  /** @param {{kind: string, target_language: string, casing: CasingRecord}} record */
  constructor({ kind, target_language, casing }) {
    this.isView = kind === "view";
    this.kind = kind;
    this.targetLanguage = target_language;
    this.source = sourceView(kind);
    this.casing = new Casing(casing);
  }

  /** @param {string} line @returns {Peeled} */
  peel(line) {
    return this.isView ? peel(line, this.targetLanguage) : { start: 0, end: line.length, before: "", after: "" };
  }

  /** Whether a line is not translated, as nothing in it could be. @param {string} line */
  isCopied(line) {
    return this.isView && !hasLetters(line);
  }

  /** @param {string} core */
  isShouted(core) {
    return this.isView && isShouted(core);
  }

  /** @param {string} core */
  isTitled(core) {
    return this.isView && this.casing.isTitled(core);
  }
}
