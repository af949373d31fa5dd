// Paragraphs into sentences, by rules. The Python package uses `sentencex`, with longer lists of abbreviations: of texts
// with several sentences, a few are divided in other places.

import { SPACE, WORD } from "./unicode.js";

// A full stop after these does not end a sentence.
/** @type {Record<string, string>} */
const ABBREVIATIONS = {
  en: "mr mrs ms dr prof sr jr st vs etc e.g i.e no vol fig al inc ltd co corp dept gen gov sen rep rev hon capt col lt sgt approx est jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k",
  fr: "m mm mme mmes mlle dr pr st ste etc cf p.ex ex art av bd tél fig vol éd env janv févr juil sept oct nov déc",
  de: "hr fr dr prof st bzw ca d.h etc evtl ggf inkl nr str u.a usw vgl z.b abs art bd",
  es: "sr sra srta dr dra prof d dña etc p.ej art av núm pág vol ud uds ee.uu",
  it: "sig sig.ra dott prof ecc art p.es pag vol",
};
const END = new RegExp(
  // Marks, what closes, and white space; or the marks of scripts without spaces. A run of marks is tried once only.
  `(?<![.!?…؟۔।])[.!?…؟۔।]+(?:[${SPACE}]*[”’»]|["'])*[${SPACE}]+|[。！？｡．]+["'”’」』）]*[${SPACE}]*`,
  "gu",
);
// What stands between these is not divided.
const ENCLOSED = /"[^"]*"|“[^”]*”|«[^»]*»|\([^()]*\)|\[[^[\]]*\]/gu;
// What was said ends here, but not its sentence: `"Go!" he said`.
const QUOTED = new RegExp(`["'”’»][${SPACE}]+$`, "u");
const LAST_WORD = new RegExp(`(?:^|[${SPACE}("'“‘«\\[])([${WORD}.’'-]*)\\.["'”’»)\\]]*$`, "u");
const INITIAL = new RegExp(`(?:^|[^${WORD}])\\p{L}\\.[${SPACE}]*$`, "u");
const LIST_NUMBER = new RegExp(`^[${SPACE}]*\\p{Nd}+\\.[${SPACE}]*$`, "u");

/** The sentences of a text, each with the white space that follows it. @param {string} text @param {string} language
 * @returns {string[]} */
export function sentences(text, language) {
  const abbreviations = new Set((ABBREVIATIONS[language] ?? ABBREVIATIONS.en).split(" "));
  const enclosed = Array.from(closed(text).matchAll(ENCLOSED), (match) => [match.index, match.index + match[0].length]);
  const found = [];
  let [start, previous, first] = [0, 0, 0];
  for (const match of text.matchAll(END)) {
    const end = match.index + match[0].length;
    if (end >= text.length) break;
    // What decides stands after the previous end, even if that was not one of a sentence: each character is read once.
    const tail = text.slice(previous, end);
    const isListNumber = previous === start && LIST_NUMBER.test(tail);
    previous = end;
    while (first < enclosed.length && enclosed[first][1] <= end) first += 1;
    const isEnclosed = first < enclosed.length && enclosed[first][0] < end;
    if (isEnclosed || isListNumber || !endsHere(tail, text.slice(end), abbreviations)) continue;
    found.push(text.slice(start, end));
    start = end;
  }
  return [...found, text.slice(start)];
}

/** A text without the opening marks after the last closing one, for each of which the rest would be searched.
 * @param {string} text */
function closed(text) {
  for (const [opening, closing] of ["“”", "«»"]) {
    const end = text.lastIndexOf(closing) + 1;
    text = text.slice(0, end) + text.slice(end).replaceAll(opening, " ");
  }
  return text;
}

/** @param {string} tail the last words of a sentence @param {string} rest @param {Set<string>} abbreviations */
function endsHere(tail, rest, abbreviations) {
  if (QUOTED.test(tail) && /^\p{Lowercase}/u.test(rest)) return false;
  if (INITIAL.test(tail)) return false;
  const word = LAST_WORD.exec(tail.trimEnd())?.[1].toLowerCase();
  return word === undefined || !abbreviations.has(word);
}
