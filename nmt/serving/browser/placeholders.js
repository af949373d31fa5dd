// Text that is copied, not translated, and how it is masked: `nmt/text/placeholders.py`, for translating.

import { PATTERNS as AMOUNTS, rewritten } from "./amounts.js";
import { QUOTE_ENTITY } from "./characters.js";
import { hasLetters, isBlank, SPACE, WORD } from "./unicode.js";

/** @typedef {import("./characters.js").CharacterView} CharacterView */
/** @typedef {import("./characters.js").Span} Span */
/** @typedef {import("./model_input.js").ModelInput} ModelInput */

/** @typedef {object} Copy Units `start` to `end` of a line, encoded as one copy symbol.
 * @property {number} start @property {number} end @property {number} symbol
 * @property {string} restored the text it stands for @property {number} rawStart its place in the raw line */

export const NUM_COPY_SYMBOLS = 16;

/** A line whose copies are to be encoded as copy symbols. */
export class MaskedLine {
  /** @param {string} text @param {Copy[]} copies */
  constructor(text, copies = []) {
    this.text = text;
    this.copies = copies;
  }

  /** The line with `textOf` each copy in its place, and `rest` applied to the text between them.
   * @param {(copy: Copy) => string} textOf @param {(text: string) => string} rest */
  replaced(textOf, rest = (text) => text) {
    let replaced = "";
    let end = 0;
    for (const copy of this.copies) {
      replaced += rest(this.text.slice(end, copy.start)) + textOf(copy);
      end = copy.end;
    }
    return replaced + rest(this.text.slice(end));
  }

  /** Whether nothing but white space stands beside the copies. */
  get isAllCopies() {
    return this.copies.length > 0 && isBlank(this.replaced(() => ""));
  }

  get hasLetters() {
    return hasLetters(this.replaced(() => " "));
  }

  /** The line with `recase(text, isStart)` of the text beside its copies, as long as before.
   * @param {(text: string, isStart: boolean) => string} recase */
  recased(recase) {
    let text = "";
    let end = 0;
    for (const copy of [...this.copies, null]) {
      text += recase(this.text.slice(end, copy?.start), end === 0);
      if (copy) {
        text += this.text.slice(copy.start, copy.end);
        end = copy.end;
      }
    }
    return new MaskedLine(text, this.copies);
  }
}

const R = String.raw;
const D = R`\p{Nd}`;
const ALPHANUMERIC = R`(?:(?!_)[${WORD}])`;
const REST_OF_URL =
  R`(?:[^${SPACE}<>()\[\]{}"“”«»。，、]|\([^${SPACE}<>()]*\)|\{[^${SPACE}{}]*\})*(?<![.,;:!?'’…])`;

const FILE_SUFFIXES =
  "avif|bmp|css|csv|docx?|gif|gz|html?|ico|jpe?g|js|json|md|mp[34]|odt|ogg|pdf|php|png|pptx?|py" +
  "|svg|tiff?|tsx?|txt|wav|webm|webp|xlsx?|xml|ya?ml|zip";

const FORMAT_PLACEHOLDER =
  R`\{\{[^{}]*\}\}|[$%#]?\{[^{}${SPACE}]*\}|%#@[${WORD}]+@` +
  R`|(?<![${D}%])%(?:\([${WORD}]+\)|${D}+\$)?(?=(?<flags>[\-#0+]*))\k<flags>(?=(?<width>${D}*))\k<width>` +
  R`(?:\.${D}+)?(?:hh?|ll?|[jzt])?(?:[sd@]|[iufeEgGxXoc](?![A-Za-z]))|%%`;
const MARKUP =
  `(?<![${WORD}\`])\`[^\`${SPACE}](?:[^\`]*[^\`${SPACE}])?\`(?![${WORD}\`])` +
  R`|<\/?[A-Za-z0-9][${WORD}:.\-]*` +
  R`(?:[${SPACE}]+[${WORD}:.@\-]+[${SPACE}]*=[${SPACE}]*(?:"[^"<>]*"|'[^'<>]*'|[^${SPACE}"'<>]+))*[${SPACE}]*\/?>` +
  R`|(?!${QUOTE_ENTITY})&(?:#${D}{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][${WORD}]{0,31});` +
  R`|(?<![${WORD}:]):(?:[a-z][${WORD}]*|[+\-]1):(?![${WORD}:])` +
  R`|(?<![${WORD}&#\/])#${D}*(?!${D})[${WORD}]+|(?<![${WORD}@.])@[A-Za-z_][${WORD}]*` +
  R`|(?<![${WORD}])${ALPHANUMERIC}+(?:_${ALPHANUMERIC}+)+(?![${WORD}])`;

/** Class -> regular expression. Where several match at one place, the first does. @type {Record<string, string>} */
const PATTERNS = {
  urls:
    R`(?<![${WORD}+\-])(?:[A-Za-z][A-Za-z0-9+.\-]{0,20}:\/\/|www\.)${REST_OF_URL}` +
    R`|(?<![${WORD}@.\-])(?:[${WORD}\-]+\.)+(?:com|edu|gov|info|io|net|org)(?![${WORD}])(?:[\/?#:]${REST_OF_URL})?` +
    R`|(?<![${WORD}@.\/\\~\-])(?:[${WORD}\-]+\.)+(?:${FILE_SUFFIXES}|${FILE_SUFFIXES.toUpperCase()})` +
    R`(?![${WORD}\-]|\.[${WORD}])` +
    R`|(?<![${WORD}.\/\\:~)\-])(?:(?:[A-Za-z]:\\|~\/|\.{1,2}\/)[${WORD}.~\-]+|\/[${WORD}.~\-]+\/[${WORD}.~\-]+)` +
    R`(?:[\/\\][${WORD}.~\-]+)*[\/\\]?(?<!\.)`,
  emails: R`(?<![${WORD}.+\-])(?:mailto:)?[${WORD}.+\-]+@[${WORD}\-]+(?:\.[${WORD}\-]+)+`,
  placeholders: `${FORMAT_PLACEHOLDER}|${MARKUP}`,
  phones:
    R`(?<![${WORD}.,\/+\-])(?!${D}{1,3}(?:[ \u00a0\u202f.]${D}{3})+(?![ .]?${D}))` +
    R`(?:\+?${D}{1,4}(?: ?\(0\) ?${D}{1,4})?(?:[ \u00a0\u202f.\-]${D}{1,4}){3,}` +
    R`|(?:\(${D}{3}\) ?|${D}{3}-)${D}{3}[ \-]${D}{4})(?![${WORD}]|[.,\/\-]${D}|:${D}${D}?(?!${D}))` +
    R`|(?<![${WORD}.,\/+\-])${D}{1,13}(?:-${D}{1,13}){3,}(?![${WORD}]|[.,\/\-]${D})` +
    R`|(?<![${WORD}\-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![${WORD}\-])` +
    R`|(?<![${WORD}])(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{7,}(?![${WORD}])` +
    R`|(?<![${WORD}:.\-])(?=[a-fA-F:]*[0-9])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?:[.,]${D}+)?(?![${WORD}:])`,
  ...AMOUNTS,
  numbers: R`(?<![${WORD}.,])${D}+(?:[.,:\/\-]${D}+)*(?![${WORD}])`,
};

/** The placeholders of a text in any order, as a string to compare. @param {string} text */
export function placeholdersOf(text) {
  return (text.match(new RegExp(FORMAT_PLACEHOLDER, "gu")) ?? []).sort().join("\n");
}

/** @typedef {[start: number, end: number, restored: string]} CopySpan A span of a line, and the text that restores it. */

/** Finds and masks the spans of a line that its translation has to copy. */
export class Copier {
  /** @param {string[]} classes names of PATTERNS, or "unseen"
   * @param {(line: string) => Set<string>} unknownCharacters @param {ModelInput} view
   * @param {[source: string, target: string]} languages
   * @param {string[]} translated words that are not copied for an unknown character, in any case */
  constructor(classes, unknownCharacters, view, languages, translated) {
    this.translated = new Set(translated.map(spelling));
    this.view = view;
    this.languages = languages;
    this.unknownCharacters = classes.includes("unseen") ? unknownCharacters : null;
    const patterns = Object.entries(PATTERNS).filter(([name]) => classes.includes(name));
    this.pattern = patterns.length
      ? new RegExp(patterns.map(([name, pattern]) => `(?<${name}>${pattern})`).join("|"), "gu")
      : null;
  }

  /** The spans of a raw line that would be copied, in order, without overlaps. @param {string} line */
  find(line) {
    /** @type {CopySpan[]} */
    const spans = [];
    for (const match of this.pattern ? line.matchAll(this.pattern) : []) {
      const kind = Object.keys(AMOUNTS).find((name) => match.groups?.[name] !== undefined) ?? "";
      const restored = rewritten(kind, match[0], ...this.languages);
      if (restored !== null) spans.push([match.index, match.index + match[0].length, restored]);
    }
    const unknown = this.#unknown(line);
    if (unknown.size) {
      const edges = [0, ...spans.flatMap(([start, end]) => [start, end]), line.length];
      for (let i = 0; i < edges.length; i += 2) {
        const [start, end] = [edges[i], edges[i + 1]];
        for (const [a, b] of unseenRuns(line.slice(start, end), unknown)) {
          const run = line.slice(start + a, start + b);
          if (!this.translated.has(spelling(run))) spans.push([start + a, start + b, run]);
        }
      }
    }
    return spans.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  }

  /** Those of a raw line's characters that are unknown, also as the model reads them. @param {string} line */
  #unknown(line) {
    /** @type {Set<string>} */
    const none = new Set();
    if (!this.unknownCharacters) return none;
    const { unknownCharacters } = this;
    let unknown = unknownCharacters(line);
    if (unknown.size && this.view.isShouted(line)) {
      unknown = new Set(Array.from(unknown).filter((one) => unknownCharacters(one.toLowerCase()).size));
    }
    if (!unknown.size || this.view.kind === "raw") return unknown;
    const { text, spans } = this.view.source.readWithSpans(line);
    const still = unknownCharacters(text);
    const raw = new Set();
    let unit = 0;
    for (const character of text) {
      const last = unit + character.length - 1;
      if (still.has(character)) for (const one of line.slice(spans[unit][0], spans[last][1])) raw.add(one);
      unit += character.length;
    }
    return new Set(Array.from(unknown).filter((character) => raw.has(character)));
  }

  /** Masks a raw line to be translated: its first 16 copies become symbols 0, 1, ... @param {string} line */
  mask(line) {
    const spans = this.find(line).slice(0, NUM_COPY_SYMBOLS);
    let text = "";
    let end = 0;
    /** @type {Copy[]} */
    const copies = [];
    spans.forEach(([start, stop, restored], symbol) => {
      text += this.view.source.read(line.slice(end, start));
      const kept = line.slice(start, stop);
      copies.push({ start: text.length, end: text.length + kept.length, symbol, restored, rawStart: start });
      text += kept;
      end = stop;
    });
    return new MaskedLine(text + this.view.source.read(line.slice(end)), copies);
  }
}

/** A word without its case and without the ways to encode an accent. @param {string} word */
function spelling(word) {
  return word.normalize("NFC").toLowerCase();
}

/** Spans with unknown characters: whole words, and signs or spaces alone; joined where they touch.
 * @param {string} text @param {Set<string>} unknown @returns {Span[]} */
function unseenRuns(text, unknown) {
  /** @type {Span[]} */
  const runs = [];
  const add = (/** @type {number} */ start, /** @type {number} */ end) => {
    const last = runs[runs.length - 1];
    if (last && last[1] === start) last[1] = end;
    else runs.push([start, end]);
  };
  const isCopied = (/** @type {string} */ character) => unknown.has(character) && !"’ʼ".includes(character);
  for (const match of text.matchAll(/[\p{L}\p{M}\p{N}]+|[^\p{L}\p{M}\p{N}]/gu)) {
    const run = match[0];
    const start = match.index;
    if (Array.from(run).some(isCopied)) add(start, start + run.length);
  }
  return runs;
}
