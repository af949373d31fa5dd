// A glossary for each pair of languages:  a file or the table on the page <-> the browser's storage -> requests.

import { isComposing, make, page } from "./rows.js";

const LONGEST = 200; // characters of a phrase

let limit = 0; // pairs that the server takes; 0: it takes no glossary
let characterLimit = Infinity; // of all pairs together
let key = ""; // of the chosen pair of languages
let codes = { source: "", target: "" };
let changed = () => {};
let entries = []; // [phrase, translation] of each row of the table, which may be incomplete

// ------------------------------------------------------------------------------------------------ what others ask for

/** Shows the panel if the server takes glossaries; `onChange()` is called when translations may differ. */
export function offerGlossary(maxPairs, maxCharacters, onChange) {
  limit = maxPairs ?? 0;
  characterLimit = maxCharacters ?? Infinity;
  changed = onChange;
  page.glossary.hidden = !limit;
}

/** Shows the glossary of a pair of languages. */
export function showGlossary(source, target) {
  codes = { source, target };
  key = `glossary.${source}-${target}`;
  entries = read();
  page["glossary-state"].textContent = "";
  showEntries();
}

/** The complete entries as the field of a request; no field if there are none. */
export function glossaryField() {
  const pairs = limit ? completePairs() : [];
  return pairs.length ? { glossary: pairs } : {};
}

// ---------------------------------------------------------------------------------------------------------- entries

const trimmed = (text) => text.replace(/\s+/gu, " ").trim();
/** Equal for phrases that are one to the server, which refuses two entries for one. */
const asRead = (phrase) => phrase.normalize().replace(/[’‘‚‛ʼ′＇‹›]/gu, "'").replace(/[“”„‟″〝〞＂«»]/gu, '"').replace(/[‐‑−]/gu, "-");

/** Entries with both sides, as many as the server takes; of several for a phrase the first. */
function completePairs() {
  let size = 0;
  const fits = (pair) => (size += Array.from(pair.join("")).length) <= characterLimit;
  const pairs = distinctPairs().slice(0, limit);
  const end = pairs.findIndex((pair) => !fits(pair));
  return end < 0 ? pairs : pairs.slice(0, end);
}

function distinctPairs() {
  const pairs = new Map();
  for (const [phrase, translation] of entries.map((entry) => entry.map(trimmed))) {
    const key = asRead(phrase);
    if (phrase && translation && !pairs.has(key)) pairs.set(key, [phrase, translation]);
  }
  return Array.from(pairs.values());
}

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? "[]");
    return stored.filter((entry) => Array.isArray(entry) && entry.length === 2 && entry.every((one) => typeof one === "string"));
  } catch {
    return []; // storage is forbidden, or holds something else
  }
}

function store() {
  try {
    if (entries.length) localStorage.setItem(key, JSON.stringify(entries));
    else localStorage.removeItem(key);
  } catch {} // where storage is forbidden or full, the glossary lasts as long as the page
}

/** Makes a change, and tells whoever translates if it matters to them. */
function change(edit) {
  const before = JSON.stringify(completePairs());
  edit();
  store();
  showSummary();
  if (JSON.stringify(completePairs()) !== before) changed();
}

// -------------------------------------------------------------------------------------------------------- the table

function showSummary() {
  const count = completePairs().length;
  page["glossary-count"].textContent = count ? `(${count})` : "";
  page["glossary-table"].hidden = !entries.length;
  page["glossary-export"].hidden = !count;
  page["glossary-add"].disabled = entries.length >= limit;
  const phrases = entries.map(([phrase]) => trimmed(phrase)).filter(Boolean);
  const keys = phrases.map(asRead);
  const twice = phrases.find((_, index) => keys.indexOf(keys[index]) < index);
  page["glossary-trouble"].textContent = [
    twice ? `“${twice}” is listed twice: the first translation counts.` : "",
    distinctPairs().length > count ? `The server takes no longer glossary: only the first ${count} entries are used.` : "",
  ].filter(Boolean).join(" ");
}

function showEntries() {
  page["glossary-entries"].replaceChildren(...entries.map(row));
  showSummary();
}

function row(entry, index) {
  const field = (side, name) => {
    const input = make("input", {
      type: "text", "aria-label": `${name} ${index + 1}`, maxlength: LONGEST, autocomplete: "off",
      dir: "auto", lang: side ? codes.target : codes.source,
    });
    input.value = entry[side];
    input.addEventListener("change", () => change(() => (entry[side] = input.value)));
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || isComposing(event)) return;
      change(() => (entry[side] = input.value));
      if (side === 1 && index === entries.length - 1) add();
      else input.closest("tr").querySelectorAll("input")[1].focus();
    });
    return make("td", {}, input);
  };
  const button = make("button", { type: "button", "aria-label": `Remove entry ${index + 1}`, title: "Remove" }, "×");
  button.addEventListener("click", () => remove(index));
  return make("tr", {}, field(0, "Phrase"), field(1, "Translation"), make("td", {}, button));
}

function add() {
  if (entries.length >= limit) return;
  change(() => entries.push(["", ""]));
  showEntries();
  page["glossary-entries"].lastElementChild.querySelector("input").focus();
}

function remove(index) {
  change(() => entries.splice(index, 1));
  showEntries();
  const rows = page["glossary-entries"].children;
  (rows[Math.min(index, rows.length - 1)]?.querySelector("button") ?? page["glossary-add"]).focus();
}

// ------------------------------------------------------------------------------------------------------------- files

/** Lines `phrase TAB translation`. An imported translation replaces the one that the table has for its phrase. */
async function importFile(file) {
  const lines = (await file.text()).replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim());
  const pairs = lines.map((line) => line.split("\t").map(trimmed)).filter(
    (fields) => fields.length === 2 && fields.every((field) => field && field.length <= LONGEST));
  const merged = new Map(entries.map((entry) => entry.map(trimmed)).filter(([phrase]) => phrase).concat(pairs));
  const kept = Array.from(merged).slice(0, limit);
  change(() => (entries = kept));
  showEntries();
  const left = lines.length - pairs.length;
  page["glossary-state"].textContent = [
    `${file.name}: ${pairs.length} ${pairs.length === 1 ? "entry" : "entries"}.`,
    left ? ` Left out: ${left} ${left === 1 ? "line that is" : "lines that are"} not phrase, tab, translation.` : "",
    merged.size > limit ? ` Only the first ${limit} entries are kept.` : "",
  ].join("");
}

function exportFile() {
  const text = completePairs().map((pair) => `${pair.join("\t")}\n`).join("");
  const href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
  make("a", { href, download: `glossary.${codes.source}-${codes.target}.tsv` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

addEventListener("storage", (event) => {
  // Another tab changed this glossary, or cleared the storage (null).
  if (event.key !== key && event.key !== null) return;
  change(() => (entries = read()));
  showEntries();
});
page["glossary-add"].addEventListener("click", add);
page["glossary-import"].addEventListener("click", () => page["glossary-file"].click());
page["glossary-export"].addEventListener("click", exportFile);
page["glossary-file"].addEventListener("change", () => {
  const [file] = page["glossary-file"].files;
  if (file) importFile(file);
  page["glossary-file"].value = ""; // the same file may be chosen again
});
