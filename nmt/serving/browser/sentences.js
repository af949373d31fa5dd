// Paragraphs into sentences, by rules. The Python package uses `sentencex`, with longer lists of abbreviations: of texts
// with several sentences, a few are divided in other places.

import { isBlank, SPACE, WORD } from "./unicode.js";

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
  // Marks, what closes, and white space; or the marks of scripts without spaces.
  `[.!?…؟۔।]+(?:[${SPACE}]*[”’»]|["'])*[${SPACE}]+|[。！？｡．]+["'”’」』）]*[${SPACE}]*`,
  "gu",
);
// What stands between these is not divided.
const ENCLOSED = /"[^"]*"|“[^”]*”|«[^»]*»|\([^()]*\)|\[[^[\]]*\]/gu;
// What was said ends here, but not its sentence: `"Go!" he said`.
const QUOTED = new RegExp(`["'”’»][${SPACE}]+$`, "u");
const LAST_WORD = new RegExp(`(?:^|[${SPACE}("'“‘«\\[])([${WORD}.’'-]*)\\.["'”’»)\\]]*$`, "u");
const INITIAL = new RegExp(`(?:^|[^${WORD}])[${WORD}]\\.[${SPACE}]*$`, "u");

/** The sentences of a text, each with the white space that follows it. @param {string} text @param {string} language
 * @returns {string[]} */
export function sentences(text, language) {
  const abbreviations = new Set((ABBREVIATIONS[language] ?? ABBREVIATIONS.en).split(" "));
  const enclosed = Array.from(text.matchAll(ENCLOSED), (match) => [match.index, match.index + match[0].length]);
  const isEnclosed = (/** @type {number} */ place) => enclosed.some(([first, end]) => first < place && place < end);
  const found = [];
  let start = 0;
  for (const match of text.matchAll(END)) {
    const end = match.index + match[0].length;
    if (end >= text.length) break;
    const sentence = text.slice(start, end);
    if (isBlank(sentence) || isEnclosed(end) || !endsHere(sentence, text.slice(end), abbreviations)) continue;
    found.push(sentence);
    start = end;
  }
  return [...found, text.slice(start)];
}

/** @param {string} sentence @param {string} rest @param {Set<string>} abbreviations */
function endsHere(sentence, rest, abbreviations) {
  if (QUOTED.test(sentence) && /^\p{Lowercase}/u.test(rest)) return false;
  if (INITIAL.test(sentence)) return false;
  const word = LAST_WORD.exec(sentence.trimEnd())?.[1].toLowerCase();
  return word === undefined || !abbreviations.has(word);
}
