// Characters as Python's `str` and `re` classify them, and code points as Python counts them.
//
// JavaScript's own \s, \w and \b differ: they know U+FEFF but not U+0085, or ASCII only. Strings of these modules
// are indexed in UTF-16 units; `codePointOffsets` converts to code points where an answer needs them.

/** For a character class: what `\s`, `str.isspace` and `str.strip` take for white space in Python. */
export const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

/** For a character class: `\w`. */
export const WORD = String.raw`\p{L}\p{N}_`;

const LEADING = new RegExp(`^[${SPACE}]+`, "u");
const WORDS = new RegExp(`[^${SPACE}]+`, "gu");
const LETTER = /[\p{L}\p{Nl}\p{No}]/u; // `[^\W\d_]`

/** @param {string} text */
export const isBlank = (text) => !new RegExp(`[^${SPACE}]`, "u").test(text);

/** `text.rstrip()`, by hand: a regular expression for spaces at an end takes quadratic time. @param {string} text */
export function trimEnd(text) {
  let end = text.length;
  while (end > 0 && isBlank(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

/** `text.strip()`. @param {string} text */
export const trim = (text) => trimEnd(text).replace(LEADING, "");

/** The spans of `text.split()`. @param {string} text @returns {[number, number][]} */
export function wordSpans(text) {
  return Array.from(text.matchAll(WORDS), (match) => [match.index, match.index + match[0].length]);
}

/** Whether there is anything to translate in a line. "½" and "①" are numbers. @param {string} text */
export const hasLetters = (text) => /\p{L}/u.test(text);

/** The index of the first letter, or -1. @param {string} text */
export const firstLetter = (text) => text.search(LETTER);

/** The character at an index, which may have two units; "" at the end. @param {string} text @param {number} index */
export function characterAt(text, index) {
  const code = text.codePointAt(index);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** The number of characters. @param {string} text */
export function length(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** For each unit of a text, and its end, the number of characters that begin before it. @param {string} text */
export function codePointOffsets(text) {
  const offsets = new Uint32Array(text.length + 1);
  let count = 0;
  let unit = 0;
  for (const character of text) {
    offsets[unit] = count;
    count += 1;
    if (character.length === 2) offsets[unit + 1] = count; // the end of a span, if it is inside
    unit += character.length;
  }
  offsets[unit] = count;
  return offsets;
}

/** Text without halves of surrogate pairs, which are no characters. @param {string} text */
export const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "");
