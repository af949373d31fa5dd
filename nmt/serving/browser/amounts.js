// Prices, times of day and large numbers, and how another language writes them: `nmt/text/amounts.py`.

import { SPACE, WORD } from "./unicode.js";

/** @typedef {object} NumberFormat How a language writes the numbers of prices.
 * @property {string} decimal @property {string} group @property {boolean} signFirst */

/** @type {Record<string, NumberFormat>} */
const FORMATS = {
  de: { decimal: ",", group: ".", signFirst: false },
  en: { decimal: ".", group: ",", signFirst: true },
  es: { decimal: ",", group: ".", signFirst: false },
  fr: { decimal: ",", group: "\u00a0", signFirst: false },
  it: { decimal: ",", group: ".", signFirst: false },
};
// Of "$3 million", for French: by the letters that begin the English word and its short forms.
/** @type {Record<string, string>} */
const SCALES = { m: "million", b: "milliard", t: "billion" };
/** @type {Record<string, string>} */
const CURRENCIES = {
  $: "de dollars",
  US$: "de dollars américains",
  CA$: "de dollars canadiens",
  C$: "de dollars canadiens",
  "€": "d'euros",
  "£": "de livres sterling",
  "¥": "de yens",
};

const R = String.raw;
const GAP = R`[ \u00a0\u202f]`;
const SIGN = R`(?:(?:US|CA|AU|NZ|HK|C|A)?\$|[£¥₠-⃀])`;
const NUMBER = R`(?:[0-9]{1,3}(?:${GAP}[0-9]{3})+(?:[.,][0-9]{1,2})?|[0-9]+(?:[.,][0-9]+)*)`;
const SCALE = R`(?:[mM]n?|[bB]n?|tn|millions?|billions?|trillions?)`;
const BEFORE_HOUR = ["à", "À", "dès", "vers", "Vers", "avant", "après", "entre", "h et"]
  .map((word) => R`(?<=(?<![${WORD}])${word}${GAP})|`)
  .join("");
const MINUTES = R`(?:${GAP}?[0-5][0-9])?`;

/** Of some language, between groups of three digits. */
export const GROUP_SEPARATOR = "[ ,.'’\u00a0\u202f]";
const GROUPED = new RegExp(
  R`(?<![${WORD}.,])[1-9][0-9]{0,2}(?:${GROUP_SEPARATOR}[0-9]{3})+(?:[.,][0-9]+)?(?![${WORD}]|[.,][0-9])`,
  "gu",
);

/** Class -> regular expression without capturing groups. */
export const PATTERNS = {
  prices:
    R`(?<![${WORD}.,$£¥₠-⃀])(?<![0-9]${GAP})${SIGN}${GAP}?${NUMBER}` +
    R`(?:${GAP}?${SCALE}(?![${WORD}])|(?![${WORD}]|[.,\/:–\-]?[0-9]|${GAP}?(?:[kK](?![${WORD}])|hundred|thousand)))` +
    R`|(?<![${WORD}.,\/+$£¥₠-⃀\-])(?<![0-9]–)${NUMBER}${GAP}?${SIGN}(?![${WORD}])`,
  times:
    R`(?<![${WORD},:\/+])(?<![0-9][.–\-])(?:1[0-2]|0?[1-9])(?:[:.][0-5][0-9])?${GAP}?[AaPp]` +
    R`(?:\.${GAP}?[Mm]\.(?=[${SPACE}]*[^${SPACE}])|\.?${GAP}?[Mm](?![${WORD}]))` +
    R`|(?:${BEFORE_HOUR}(?<=(?<![${WORD}])[Dd]e${GAP})(?=[0-9]{1,2}${GAP}?h${MINUTES}${GAP}à${GAP}))` +
    R`(?:(?:1[3-9]|2[0-3])${GAP}?(?:heures|h)|(?:0?[0-9]|1[0-2])${GAP}?h)${MINUTES}` +
    R`(?![${WORD}]|${GAP}?[0-5][0-9]|${GAP}(?:min|(?:en|de|du)(?![${WORD}])|d['’]))`,
};

/** What stands for a `text` of class `kind` in a translation: a price or a time as the language `target` writes it, any
 * other text as it is. Null: it is better left to the model.
 * @param {string} kind @param {string} text @param {string} source @param {string} target */
export function rewritten(kind, text, source, target) {
  [source, target] = [source, target].map((language) => language.split("-")[0].toLowerCase());
  const pair = `${source} ${target}`;
  if (kind === "times") return pair === "en fr" || pair === "fr en" ? timeOf(text, target) : null;
  if (kind === "prices") {
    const [scale] = text.match(new RegExp(`(?<=[0-9 \u00a0\u202f])${SCALE}$`, "u")) ?? [];
    if (scale) return pair === "en fr" ? largeOf(text, scale) : null;
    return priceOf(text, FORMATS[source], FORMATS[target]);
  }
  return text;
}

/** A translation in which the numbers of `line` that have several groups of digits are written as the language `target`
 * does. It is as long as before, and what stands in the spans `kept` stays.
 * @param {string} translation @param {[number, number][]} kept @param {string} line @param {string} source @param {string} target */
export function regrouped(translation, kept, line, source, target) {
  const [sourceFormat, targetFormat] = [source, target].map((language) => FORMATS[language.split("-")[0].toLowerCase()]);
  if (!sourceFormat || !targetFormat) return translation;
  /** @type {Map<string, string>} */
  const written = new Map();
  for (const number of line.match(GROUPED) ?? []) {
    const { groups, decimals } = partsOf(number, sourceFormat);
    if (groups.length < 2) continue;
    written.set([...groups, ...(decimals ? [decimals] : [])].join(" "), writtenNumber(groups, decimals, targetFormat));
  }
  if (!written.size) return translation;
  return translation.replace(GROUPED, (number, /** @type {number} */ start) => {
    const isKept = kept.some(([first, last]) => start < last && first < start + number.length);
    return isKept ? number : (written.get(number.replace(/[^0-9]/gu, " ")) ?? number);
  });
}

/** Of a language that is not known, or not written as the language does: as it is.
 * @param {string} text @param {NumberFormat | undefined} source @param {NumberFormat | undefined} target */
function priceOf(text, source, target) {
  const [sign, number] = signAndNumber(text);
  const { groups, decimals } = source ? partsOf(number, source) : { groups: [], decimals: "" };
  if (!groups.length || !target) return text;
  const written = writtenNumber(groups, decimals, target);
  return target.signFirst ? sign + written : `${written}\u00a0${sign}`;
}

/** 3 millions de dollars, of $3 million. @param {string} text @param {string} scale */
function largeOf(text, scale) {
  const [sign, number] = signAndNumber(text);
  const { groups, decimals } = partsOf(number, FORMATS.en);
  if (!(sign in CURRENCIES) || groups.length !== 1) return null;
  const written = writtenNumber(groups, decimals, FORMATS.fr);
  const plural = Number(groups[0]) > 1 ? "s" : "";
  return `${written}\u00a0${SCALES[scale[0].toLowerCase()]}${plural} ${CURRENCIES[sign]}`;
}

/** @param {string} text */
function signAndNumber(text) {
  return [SIGN, NUMBER].map((pattern) => text.match(new RegExp(pattern, "u"))?.[0] ?? "");
}

/** The groups of digits before the decimal separator, and the digits behind it; no groups if the number is not written
 * as the language does. Two digits behind either separator are decimals.
 * @param {string} number @param {NumberFormat} language */
function partsOf(number, language) {
  const separators = number.match(/[^0-9]/gu) ?? [];
  const groups = number.split(/[^0-9]/u);
  let decimals = "";
  const last = separators.at(-1);
  if (last && ".,".includes(last) && (last === language.decimal || groups.at(-1)?.length === 2)) {
    decimals = groups.pop() ?? "";
    separators.pop();
  }
  const isGrouped = groups.slice(1).every((group) => group.length === 3) && groups[0].length <= 3;
  const isSeparator = (/** @type {string} */ one) => one === language.group || " \u00a0\u202f".includes(one);
  if (separators.length && !(isGrouped && separators.every(isSeparator))) return { groups: [], decimals: "" };
  return { groups, decimals };
}

/** @param {string[]} groups @param {string} decimals @param {NumberFormat} language */
function writtenNumber(groups, decimals, language) {
  return groups.join(language.group) + (decimals && language.decimal + decimals);
}

/** @param {string} text @param {string} target */
function timeOf(text, target) {
  const [hour, minutes = 0] = (text.match(/[0-9]+/gu) ?? []).map(Number);
  const two = String(minutes).padStart(2, "0");
  if (target === "fr") {
    const of24 = (hour % 12) + (text.toLowerCase().includes("p") ? 12 : 0);
    return `${of24}\u00a0h${minutes ? `\u00a0${two}` : ""}`;
  }
  return hour > 12 ? `${hour - 12}${minutes ? `:${two}` : ""} pm` : `${hour}:${two}`;
}
