// Characters as the model reads them, and as a typographic convention has them, with the way back: what
// `nmt/text/characters.py` does, rule by rule.

import { SPACE, WORD } from "./unicode.js";

/** @typedef {[number, number]} Span start and end, in UTF-16 units */
/** @typedef {[name: string, pattern: string, replacement: string | ((match: string) => string)]} Rule */

const R = String.raw;

export const IGNORABLE =
  R`\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e` +
  R`\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}` +
  R`\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f`;
export const EMOJI =
  R`\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff` +
  R`\u3030\u303d\u3297\u3299\u{1f000}-\u{1faff}`;
const JOINING =
  R`\u0600-\u08ff\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u18af\u1900-\u1cff\ua840-\uabff` +
  R`\ufb50-\ufdff\ufe70-\ufefc\u{10a00}-\u{11fff}`;

/** A character that nobody sees. No two alternatives match the same one: a run of them would take exponential time. */
export const UNSEEN =
  `(?:[${IGNORABLE}]` +
  R`|(?<![${JOINING}])\u200c` +
  R`|(?<![${JOINING}${EMOJI}\ufe0f])\u200d|(?<=[${EMOJI}\ufe0f])\u200d(?![${EMOJI}])` +
  R`|(?<![${EMOJI}0-9#*])[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]` +
  R`|(?<![\u{1f3f4}\u{e0020}-\u{e007f}])[\u{e0000}-\u{e007f}])`;
const SPACES = `(?=${UNSEEN}*[${SPACE}])(?:[${SPACE}]|${UNSEEN})+`;

const DOUBLE_ENTITY = "&(?:quot|[lr]dquo|#0{0,3}34|#[xX]0{0,2}22);";
const SINGLE_ENTITY = "&(?:apos|[lr]squo|#0{0,3}39|#[xX]0{0,2}27);";
export const QUOTE_ENTITY = `(?:${DOUBLE_ENTITY}|${SINGLE_ENTITY})`;

/** @type {Rule[]} */
const SOURCE_RULES = [
  [
    "before_mark",
    R`(?<=[${WORD}\u0300-\u036f)\]"'«»‹›“”„‟″〝〞＂’‘‚‛ʼ′＇])${SPACES}(?=[!?;:\u037e]+(?:[${SPACE}]|$))`,
    "",
  ],
  ["guillemets", `(?<![${WORD}])[«‹][${SPACE}]+|[${SPACE}]+[»›](?![${WORD}])|[«»]`, '"'],
  ["space", SPACES, " "],
  ["unseen", `${UNSEEN}+`, ""],
  ["double", `[“”„‟″〝〞＂]|${DOUBLE_ENTITY}`, '"'],
  ["single", R`[’‘‚‛ʼ′＇‹›]|(?<=[${WORD}])[${"`"}´\u1fef](?=[${WORD}])|${SINGLE_ENTITY}`, "'"],
  ["hyphen", "[‐‑−]", "-"],
  ["ellipsis", "…", "..."],
  ["ligature", "[ﬀ-ﬆ\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]", (written) => written.normalize("NFKC")],
];
const SPECIAL =
  R`\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200d\u2028-\u202f\u205f\u3000${IGNORABLE}` +
  R`\ufe00-\ufe0f\u{e0000}-\u{e01ef}«»‹›“”„‟″〝〞＂’‘‚‛ʼ′＇${"`"}´\u1fef‐‑−…ﬀ-ﬆ\uff10-\uff19\uff21-\uff3a\uff41-\uff5a&`;
const SOURCE_GATE = R`(?=[${SPECIAL}]| [ ${SPECIAL}!?;:\u037e])`;

const MOST_PASSES = 5;
// More marks in a row than this are dropped: normalisation takes quadratic time for them.
const EXCESS_MARKS = /(?<=\p{M}{30})\p{M}+/gu;

/** Replacements by regular expressions; where several match, the first of them counts. */
class Rules {
  /** @param {Rule[]} rules @param {string} gate */
  constructor(rules, gate = "") {
    const patterns = rules.map(([name, pattern]) => `(?<${name}>${pattern})`);
    this.pattern = new RegExp(`${gate}(?:${patterns.join("|")})`, "gu");
    this.rules = rules;
  }

  /** @param {RegExpMatchArray} match */
  replacement(match) {
    const groups = match.groups ?? {};
    const rule = this.rules.find(([name]) => groups[name] !== undefined);
    const replacement = rule ? rule[2] : "";
    return typeof replacement === "string" ? replacement : replacement(match[0]);
  }

  /** @param {string} text @returns {{text: string, spans: Span[]}} the new text, and where each unit of it was */
  apply(text) {
    let replaced = "";
    /** @type {Span[]} */
    const spans = [];
    let end = 0;
    for (const match of text.matchAll(this.pattern)) {
      const start = /** @type {number} */ (match.index);
      for (let i = end; i < start; i += 1) spans.push([i, i + 1]);
      const replacement = this.replacement(match);
      const place = match[0] ? [start, start + match[0].length] : [Math.max(0, start - 1), Math.max(1, start)];
      for (let i = 0; i < replacement.length; i += 1) spans.push(/** @type {Span} */ (place));
      replaced += text.slice(end, start) + replacement;
      end = start + match[0].length;
    }
    for (let i = end; i < text.length; i += 1) spans.push([i, i + 1]);
    return { text: replaced + text.slice(end), spans };
  }
}

/** Characters as somebody reads them: what rules make of a text, in a Unicode normal form, if any. */
export class CharacterView {
  /** @param {"NFC" | "NFKC" | null} form @param {Rules | null} rules */
  constructor(form = null, rules = null) {
    this.form = form;
    this.rules = rules;
  }

  /** The text as the model reads it. @param {string} text */
  read(text) {
    return this.readWithSpans(text).text;
  }

  /** The same, and for each of its units the span of `text` that it was made of.
   * @param {string} text @returns {{text: string, spans: Span[]}} */
  readWithSpans(text) {
    /** @type {Span[]} */
    let spans = Array.from({ length: text.length }, (_, i) => [i, i + 1]);
    for (let pass = 0; pass < MOST_PASSES; pass += 1) {
      const once = this.#once(text);
      if (once.text === text) break;
      spans = once.spans.map(([start, end]) => [spans[start][0], spans[end - 1][1]]);
      text = once.text;
    }
    return { text, spans };
  }

  /** @param {string} text @returns {{text: string, spans: Span[]}} */
  #once(text) {
    /** @type {{text: string, spans: Span[]}} */
    const replaced = this.rules
      ? this.rules.apply(text)
      : { text, spans: Array.from({ length: text.length }, (_, i) => [i, i + 1]) };
    if (!this.form) return replaced;
    const limited = limitMarks(replaced);
    const normalized = limited.text.normalize(this.form);
    if (normalized === limited.text) return limited;
    const spans = normalizedSpans(limited.text, this.form);
    return {
      text: normalized,
      spans: spans.map(([start, end]) => [limited.spans[start][0], limited.spans[end - 1][1]]),
    };
  }
}

/** A text without the marks beyond 30 in a row. @param {{text: string, spans: Span[]}} read
 * @returns {{text: string, spans: Span[]}} */
function limitMarks({ text, spans }) {
  const dropped = new Set();
  for (const match of text.matchAll(EXCESS_MARKS)) {
    for (let i = 0; i < match[0].length; i += 1) dropped.add(match.index + i);
  }
  if (!dropped.size) return { text, spans };
  return { text: text.replace(EXCESS_MARKS, ""), spans: spans.filter((_, unit) => !dropped.has(unit)) };
}

/** For each unit of the text in a normal form the span that it was made of.
 * @param {string} text @param {"NFC" | "NFKC"} form @returns {Span[]} */
function normalizedSpans(text, form) {
  /** @type {Span[]} */
  const spans = [];
  /** @type {{start: number, text: string}} */
  let cluster = { start: 0, text: "" };
  const finish = () => {
    const end = cluster.start + cluster.text.length;
    for (let i = 0; i < cluster.text.normalize(form).length; i += 1) spans.push([cluster.start, end]);
  };
  for (const character of text) {
    // A cluster ends where the next character neither combines with it nor changes its form.
    const joined = cluster.text + character;
    const goesOn =
      !cluster.text ||
      isCombining(character) ||
      cluster.text.normalize(form) + character.normalize(form) !== joined.normalize(form);
    if (goesOn) cluster.text = joined;
    else {
      finish();
      cluster = { start: cluster.start + cluster.text.length, text: character };
    }
  }
  finish();
  return spans;
}

/** Whether its canonical combining class is not 0. Normalisation sorts marks by their class; U+0334 has class 1 and
 * U+0345 class 240, so that one of them changes places with it. @param {string} character */
function isCombining(character) {
  if (!/\p{M}/u.test(character)) return false;
  // Those that decompose have class 0, but for four.
  if (character.normalize("NFD") !== character) return "\u0340\u0341\u0343\u0344".includes(character);
  return [`${character}\u0334`, `\u0345${character}`].some((text) => text.normalize("NFD") !== text);
}

// -------------------------------------------------------------------------------------------------------- typography

/** @type {Record<string, string>} */
const TYPOGRAPHIC_SPACES = { narrow: "\u202f", no_break: "\u00a0", plain: " ", none: "" };
const BEFORE_MARK =
  R`(?<=[${WORD})\]%€"'’»])(?:[ \u00a0\u202f]|(?<![ \u00a0\u202f])(?=[!?;:]))` +
  R`(?=[!?;:]+(?:[${SPACE}»"]|$)|[!?]+[)\]])`;
const ALPHANUMERIC = R`\p{L}\p{N}`;

// Not of feet and inches: 5'10"
const OPENING_QUOTE = R`(?<![^${SPACE}(\[{«])["“„](?=[^${SPACE}])`;
const CLOSING_QUOTE = R`(?<=[^${SPACE}\p{Nd}(\[{«])["”](?![^${SPACE}.,;:!?…)\]}»])`;

/** A text with these apostrophes and double quotes, this space before `! ? : ;` and inside `« »`.
 * @param {{apostrophe: string, space: string, quotes: string}} options */
export function typography({ apostrophe, space, quotes }) {
  /** @type {Rule[]} */
  const rules = [];
  if (apostrophe !== "keep") {
    const pattern =
      `(?<=[${ALPHANUMERIC}])['’](?=[${ALPHANUMERIC}])|(?<=[${ALPHANUMERIC}])['’](?=[${SPACE}]|$)`;
    rules.push(["apostrophe", pattern, apostrophe === "straight" ? "'" : "’"]);
  }
  let [opening, closing] = [R`«[ \u00a0\u202f]?`, R`[ \u00a0\u202f]?»`];
  if (space !== "keep") rules.push(["before_mark", BEFORE_MARK, TYPOGRAPHIC_SPACES[space]]);
  if (quotes === "straight") {
    rules.push(["opening", `${opening}|[“„]`, '"'], ["closing", `${closing}|”`, '"']);
  } else if (quotes === "guillemets" || space !== "keep") {
    const character = TYPOGRAPHIC_SPACES[space === "keep" ? "no_break" : space];
    if (quotes === "guillemets") [opening, closing] = [`${opening}|${OPENING_QUOTE}`, `${closing}|${CLOSING_QUOTE}`];
    rules.push(["opening", opening, `«${character}`], ["closing", closing, `${character}»`]);
  }
  return rules.length ? new CharacterView(null, new Rules(rules)) : RAW;
}

export const RAW = new CharacterView();
const SOURCE = new CharacterView("NFC", new Rules(SOURCE_RULES, SOURCE_GATE));

/** How source lines are read by a run of this kind of view. @param {string} kind */
export function sourceView(kind) {
  if (kind === "view") return SOURCE;
  if (kind === "nfc") return new CharacterView("NFC");
  if (kind === "nfkc") return new CharacterView("NFKC");
  return RAW;
}
