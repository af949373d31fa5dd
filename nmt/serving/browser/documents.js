// Documents that can be translated without their formats' libraries: plain text, SubRip subtitles, gettext catalogs. What
// is not translated stays byte by byte.

import { placeholdersOf } from "./placeholders.js";
import { hasLetters } from "./unicode.js";

/** @typedef {(text: string) => Promise<string>} Translate a text of one line */
/** @typedef {{texts: string[], fill: (translations: (string | null)[]) => string, numLeft?: number}} Document its texts;
 * the document with others, where null leaves a text as it was; how many texts are not among them */

const MAX_GAP = 1.5; // seconds between two cues of a sentence
const MAX_JOINED = 6; // cues of a sentence
const ICU_MESSAGE = /\{\s*\w+\s*,\s*(?:plural|select|selectordinal)\s*,/;

/** @param {Pick<import("./translator.js").Translator, "explain">} translator @param {string} name @param {Uint8Array} content
 * @param {() => Promise<void>} pause @param {(done: number, total: number) => void} progress */
export async function translateDocument(translator, name, content, pause, progress) {
  const document = readDocument(name, content);
  /** @type {(string | null)[]} */
  const translations = [];
  for (const text of document.texts) {
    progress(translations.length, document.texts.length);
    const translation = ICU_MESSAGE.test(text) ? null : await translated(text, async (line) => {
      const { hypotheses } = await translator.explain(line, {}, pause);
      return hypotheses[0]?.text ?? line;
    });
    const isKept = translation !== null && placeholdersOf(translation) === placeholdersOf(text);
    translations.push(isKept ? translation : null);
  }
  const numLeft = document.numLeft ?? 0;
  return {
    content: document.fill(translations),
    segments: document.texts.filter(hasLetters).length + numLeft,
    untranslated: translations.filter((translation) => translation === null).length + numLeft,
  };
}

/** A text of several lines, each translated for itself. @param {string} text @param {Translate} translate */
async function translated(text, translate) {
  const lines = [];
  for (const line of text.split("\n")) lines.push(hasLetters(line) ? await translate(line) : line);
  return lines.join("\n");
}

/** @param {string} name @param {Uint8Array} content @returns {Document} */
export function readDocument(name, content) {
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new Error("expected text in UTF-8");
  }
  const suffix = name.slice(name.lastIndexOf(".")).toLowerCase();
  if (suffix === ".srt") return subtitles(text);
  if (suffix === ".po") return catalog(text);
  return lines(text);
}

/** Each line is a text. @param {string} text @returns {Document} */
function lines(text) {
  const parts = text.split(LINE_END);
  return { texts: parts, fill: (translations) => translations.map((one, index) => one ?? parts[index]).join("") };
}

// --------------------------------------------------------------------------------------------------------- subtitles

/** @typedef {object} Cue @property {number} part its index among the parts of the file
 * @property {string} head number and times @property {string} before tags @property {string} text @property {string} after tags @property {number} numLines @property {string} lineEnd
 * @property {number} start @property {number} end seconds */

const LINE_END = /(\r\n|[\n\r\v\f\x85\u2028\u2029]|^\ufeff)/;

const TIME = String.raw`(?:(\d{1,9}):)?(\d\d?):(\d\d?)(?:[.,:](\d{1,3}))?`; // some programs write no milliseconds
const TIMING = new RegExp(String.raw`${TIME}\s*-->\s*${TIME}(?=\s)[^\n]*\n`);
const SENTENCE_END = /[.!?:;…♪\])]["'”’»)\]]*$/u;
const STARTS_ANEW = /^(?:[-–—♪>[(#]|[A-Z][A-Z ]+:)/u;

/** Sentences may go on in the next cue: they are translated as one text, and divided again by the length of the cues.
 * @param {string} text @returns {Document} */
function subtitles(text) {
  const parts = text.split(/((?:\r?\n[ \t]*){2,}|\r?\n$)/);
  /** @type {Cue[][]} */
  const sentences = [];
  let numLeft = 0;
  parts.forEach((part, index) => {
    const timing = TIMING.exec(part);
    if (!timing) {
      numLeft += Number(hasLetters(part)); // the text of a cue after a blank line, say
      return;
    }
    const cue = cueOf(part, timing, index);
    const last = sentences[sentences.length - 1];
    if (last && goesOn(last, cue)) last.push(cue);
    else sentences.push([cue]);
  });
  return {
    texts: sentences.map((cues) => cues.map((cue) => cue.text).join(" ")),
    numLeft,
    fill(translations) {
      const filled = [...parts];
      sentences.forEach((cues, index) => {
        const translation = translations[index];
        if (translation === null || translation === cues.map((cue) => cue.text).join(" ")) return;
        divided(translation, cues.map((cue) => cue.text.length)).forEach((share, place) => {
          const { part, head, before, after, numLines, lineEnd } = cues[place];
          filled[part] = head + before + wrapped(share, numLines).join(lineEnd) + after;
        });
      });
      return filled.join("");
    },
  };
}

/** @param {string} part @param {RegExpExecArray} timing @param {number} index @returns {Cue} */
function cueOf(part, timing, index) {
  const [, h1, m1, s1, f1, h2, m2, s2, f2] = timing;
  const head = part.slice(0, timing.index + timing[0].length);
  const raw = part.slice(head.length);
  const before = /^(?:\{\\[^{}]*\}|<[^<>]*>|[-–—]\s+|\s)*/u.exec(raw)?.[0] ?? "";
  const after = before.length < raw.length ? (/(?:<\/[^<>]*>|\s)*$/u.exec(raw)?.[0] ?? "") : "";
  const inner = raw.slice(before.length, raw.length - after.length);
  const hasTags = /<[^<>]*>/.test(inner);
  const lineEnd = inner.includes("\r\n") ? "\r\n" : "\n";
  return {
    part: index,
    head,
    before: hasTags ? before.replace(/<[^<>]*>/g, "") : before, // what is set in italics inside a cue is not found again
    text: inner.replace(/<[^<>]*>/g, "").replace(/\s+/g, " "),
    after: hasTags ? after.replace(/<[^<>]*>/g, "") : after,
    numLines: inner.split(lineEnd).length,
    lineEnd,
    start: seconds(h1, m1, s1, f1),
    end: seconds(h2, m2, s2, f2),
  };
}

/** @param {string | undefined} hours @param {string} minutes @param {string} whole @param {string | undefined} fraction */
function seconds(hours, minutes, whole, fraction) {
  return 3600 * Number(hours ?? 0) + 60 * Number(minutes) + Number(whole) + Number(`0.${fraction ?? 0}`);
}

/** @param {Cue[]} cues @param {Cue} following */
function goesOn(cues, following) {
  const last = cues[cues.length - 1];
  const gap = following.start - last.end;
  const isNear = gap >= -0.5 && gap <= MAX_GAP && cues.length < MAX_JOINED;
  return isNear && !SENTENCE_END.test(last.text) && !/^[-–—]/u.test(following.before) && !STARTS_ANEW.test(following.text);
}

/** The words of a text in shares that are about as long as these; no share is empty while there are words. @param {string} text @param {number[]} lengths */
function divided(text, lengths) {
  const words = text.split(" ");
  const total = lengths.reduce((sum, length) => sum + length, 0) || 1;
  const shares = [];
  let goal = 0;
  let used = 0;
  for (const [index, length] of lengths.entries()) {
    goal += (text.length * length) / total;
    const share = [];
    const numOthers = lengths.length - 1 - index;
    const fits = () => words.length > numOthers && (!numOthers || used + words[0].length / 2 < goal);
    while (words.length && (!share.length || fits())) {
      used += words[0].length + 1;
      share.push(/** @type {string} */ (words.shift()));
    }
    shares.push(share.join(" "));
  }
  return shares;
}

/** At most so many lines of about the same length; an empty one would end the cue. @param {string} text @param {number} numLines */
function wrapped(text, numLines) {
  return divided(text, Array(numLines).fill(1)).filter((line) => line);
}

// ---------------------------------------------------------------------------------------------------------- catalogs

const ENTRY = /^(?:msgctxt[^\n]*\n(?:"[^\n]*\n)*)?msgid ([^\n]*\n(?:"[^\n]*\n)*)msgstr ("[^\n]*(?:\n"[^\n]*)*)/gm;

const PLURAL_ENTRY = /^msgid_plural [^\n]*\n(?:"[^\n]*\n)*((?:msgstr\[\d+\] [^\n]*(?:\n"[^\n]*)*\n?)+)/gm;

/** Entries without plural forms that have no translation; they are marked as fuzzy. Those with plural forms stay.
 * @param {string} text @returns {Document} */
function catalog(text) {
  const entries = Array.from(text.matchAll(ENTRY))
    .map((match) => ({ match, source: unquoted(match[1]), target: unquoted(match[2]) }))
    .filter(({ source, target }) => source && !target);
  return {
    texts: entries.map(({ source }) => source),
    numLeft: Array.from(text.matchAll(PLURAL_ENTRY)).filter((match) => !unquoted(match[1])).length,
    fill(translations) {
      let filled = "";
      let end = 0;
      entries.forEach(({ match, source }, index) => {
        const translation = translations[index];
        if (!hasLetters(source) || translation === null) return;
        const start = /** @type {number} */ (match.index);
        filled += withFuzzy(text.slice(end, start));
        end = start + match[0].length;
        filled += match[0].slice(0, match[0].length - match[2].length) + quoted(translation);
        if (match[2].endsWith("\r")) filled += "\r";
      });
      return filled + text.slice(end);
    },
  };
}

/** What stands before an entry, with the flag that a person has to look at it. @param {string} before */
function withFuzzy(before) {
  const flags = /(^|\n)#,([^\n]*)\n((?:#[^\n]*\n)*)$/.exec(before);
  if (!flags) return `${before}#, fuzzy\n`;
  if (/\bfuzzy\b/.test(flags[2])) return before;
  return `${before.slice(0, flags.index)}${flags[1]}#, fuzzy,${flags[2]}\n${flags[3]}`;
}

const ESCAPES = { n: "\n", t: "\t", r: "\r" };

/** @param {string} quotedLines */
function unquoted(quotedLines) {
  const strings = Array.from(quotedLines.matchAll(/"((?:[^"\\]|\\.)*)"/g), (match) => match[1]);
  return strings.join("").replace(/\\(.)/g, (_, character) => ESCAPES[/** @type {"n"} */ (character)] ?? character);
}

/** @param {string} text */
function quoted(text) {
  const escaped = (/** @type {string} */ line) => line.replace(/[\\"]/g, "\\$&").replaceAll("\t", "\\t").replaceAll("\r", "\\r");
  const parts = text.split("\n").map(escaped);
  if (parts.length === 1) return `"${parts[0]}"`;
  const ended = parts.map((part, index) => (index < parts.length - 1 ? `${part}\\n` : part)).filter((part) => part);
  return ['""', ...ended.map((part) => `"${part}"`)].join("\n");
}
