// The page:  text -> lines -> an answer for each, requested once -> rows of words -> panels.

import { offerFiles } from "./files.js";
import { glossaryField, offerGlossary, showGlossary } from "./glossary.js";
import { currentRow, focusOn, pointAt, showDetails, showHeatMap, walk } from "./look.js";
import { answers, chosen, lines, make, missing, page, placeOf, placeOfCaret, rows, showRows, translation } from "./rows.js";
import { call, EXPLANATIONS, LINES_AT_ONCE, REFUSED, Refusal } from "./server.js";
import { openSuggestion } from "./suggest.js";

const LONG = 2000; // characters; the attention of a longer line would be megabytes: it is only translated
const SEARCH = { n_best: 3, beam_size: 5 };

// --------------------------------------------------------------------------------------------------------- requests

let pause = 300; // ms without a keystroke before a request; the server's settings have its value
let request = new AbortController(); // of the request in progress
let timer = 0;
let earliest = 0; // the time before which the server wants no further request
let failures = 0; // in a row
const plain = new Set(); // lines that the server translates but does not explain: too many pieces
const alone = new Set(); // lines to ask for one by one, as the server refused one of them
const refused = new Map(); // line -> why the server refused it alone
let reason = ""; // why it refused several

/** Aborts the request in progress, which is out of date, and sends a new one after a pause. */
function askSoon(wait = pause) {
  if (!languages.length) return; // `timer` is the next try of `load`, which asks when it succeeds
  if (!missing().length) page.trouble.hidden = true; // nothing is left of what was refused
  request.abort();
  clearTimeout(timer);
  timer = setTimeout(ask, Math.max(wait, earliest - Date.now()));
}

/** Asks for the next lines, in place of any request in progress: that may be for other languages. */
async function ask() {
  request.abort();
  const [first, ...others] = new Set(missing().filter((line) => !refused.has(line)));
  if (first === undefined || isTooLong()) return settle();
  const isPlain = (line) => line.length > LONG || plain.has(line);
  const explains = !isPlain(first);
  const fits = (line) => isPlain(line) !== explains && !alone.has(line);
  const wanted = alone.has(first) ? [first] : [first, ...others.filter(fits)].slice(0, LINES_AT_ONCE);
  request = new AbortController();
  const { signal } = request;
  page.translation.setAttribute("aria-busy", "true");
  const looks = { attention: explains, choices: explains };
  const q = wanted.join("\n").toWellFormed(); // half a surrogate pair is no text
  const asked = { q, ...languagesAndKey(), ...SEARCH, ...looks, ...glossaryField() };
  try {
    const answer = await call("v1/translate", asked, signal);
    if (signal.aborted) return;
    wanted.forEach((line, index) => answers.set(line, answer.lines[index]));
  } catch (error) {
    if (signal.aborted) return;
    if (explains && error.status === 413) wanted.forEach((line) => plain.add(line));
    else if (error.status === 400 && wanted.length > 1) {
      wanted.forEach((line) => alone.add(line));
      reason = error.message;
    } else if (error.status === 400 && error.message !== reason) refused.set(first, error.message);
    else return fail(error, ask); // what is refused for the same reason is no matter of the line
    return ask();
  }
  recover();
  show();
  ask();
}

const languagesAndKey = () => ({
  source: page.source.value, target: page.target.value, ...(page.key.value && { api_key: page.key.value }),
});

function settle() {
  page.translation.removeAttribute("aria-busy");
  clearTimeout(timer);
  timer = setTimeout(announce, 3 * pause); // a screen reader hears a translation once typing has paused
  showRefused();
}

/** Says what is wrong with the first line that the server refused, if any. */
function showRefused() {
  const texts = lines();
  const index = texts.findIndex((line) => refused.has(line));
  if (index < 0) return;
  const place = texts.length > 1 ? `line ${index + 1}: ` : "";
  page.message.textContent = refusal(place + refused.get(texts[index]));
  page.trouble.hidden = false;
  page.again.onclick = () => {
    forgetRefusals();
    ask();
  };
}

function forgetRefusals() {
  plain.clear();
  alone.clear();
  refused.clear();
  reason = "";
}

const refusal = (message) => `${REFUSED}: ${message.replace(/\.$/, "")}.`;

function announce() {
  page.announcement.textContent = currentRow()?.hypothesis.text ?? "";
}

/** Shows what is wrong, and calls `again` by itself where waiting may help. */
function fail(error, again) {
  const { status, message, seconds } = error instanceof Refusal ? error : new Refusal(0);
  const mayHelp = status === 0 || status === 429 || status >= 500;
  const wait = seconds || Math.min(2 ** ++failures, 30);
  const explanation = EXPLANATIONS[status] ?? refusal(message || `error ${status}`);
  page.message.textContent = mayHelp ? `${explanation} Trying again in ${wait} s.` : explanation;
  page.trouble.hidden = false;
  if (status === 403) page.unlock.hidden = false;
  page.translation.removeAttribute("aria-busy");
  clearTimeout(timer);
  earliest = mayHelp ? Date.now() + 1000 * wait : 0;
  if (mayHelp) timer = setTimeout(again, 1000 * wait);
  page.again.onclick = () => {
    clearTimeout(timer);
    earliest = 0;
    again();
  };
}

function recover() {
  failures = earliest = 0;
  page.trouble.hidden = true;
  page.message.textContent = "";
}

// ---------------------------------------------------------------------------------------------------------- the text

let limit = 0; // characters the server takes; 0 if it does not say
let takesSuggestions = false;

const size = () => Array.from(page.text.value).length;
const isTooLong = () => limit > 0 && size() > limit;

/** Shows everything; `line` is the index of the line that the panels describe from now on. */
function show(line = undefined) {
  showRows();
  showDetails(line);
  page.clear.hidden = !page.text.value;
  page.copy.hidden = !translation().trim();
  page.suggest.hidden = page.copy.hidden || !takesSuggestions;
  const advice = isTooLong() ? ": too long to be translated" : "";
  page.size.textContent = limit > 0 && size() > limit / 2 ? `${size()} of ${limit} characters${advice}` : "";
  page.size.classList.toggle("over", isTooLong());
}

function typed() {
  page.state.textContent = "";
  pointAt(null);
  focusOn(null);
  show(page.text.value.slice(0, page.text.selectionStart).split("\n").length - 1);
  askSoon();
}

/** Drops all answers, as they were to other languages or another glossary, and asks anew. */
function translateAgain() {
  pointAt(null);
  focusOn(null);
  answers.clear();
  chosen.clear();
  forgetRefusals();
  show();
  askSoon(0);
}

function suggest() {
  const translated = rows.filter(({ hypothesis }) => hypothesis);
  openSuggestion(translated.map(({ line, hypothesis }) => [line, hypothesis.text]), languagesAndKey());
}

function clear() {
  page.text.value = "";
  page.text.focus();
  typed();
}

async function copy() {
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(translation());
  } catch {
    // Only pages by https or from this machine may write to the clipboard.
    getSelection().selectAllChildren(page.translation);
    done = "Selected: copy it with Ctrl+C or ⌘C";
  }
  page.announcement.textContent = page.state.textContent = done;
}

// --------------------------------------------------------------------------------------------------------- languages

let languages = [];

const nameOf = (code) => languages.find((language) => language.code === code)?.name ?? code;
const targetsOf = (code) => languages.find((language) => language.code === code)?.targets ?? [];

function offer(select, codes, wanted) {
  select.replaceChildren(...codes.map((code) => make("option", { value: code }, nameOf(code))));
  select.value = codes.includes(wanted) ? wanted : codes[0];
  select.disabled = false;
}

/** The code of the language that a link means: EN, en-US and en_GB are en. */
function codeOf(wanted) {
  const [primary] = (wanted ?? "").toLowerCase().split(/[-_]/);
  return languages.find(({ code }) => code === wanted)?.code ?? languages.find(({ code }) => code === primary)?.code;
}

/** Chooses a pair, or the nearest one that is served, and translates again. */
function choosePair(source, target) {
  offer(page.source, languages.map(({ code }) => code).filter((code) => targetsOf(code).length), source);
  offer(page.target, targetsOf(page.source.value), target);
  page.text.lang = page.source.value;
  page.translation.lang = page.target.value;
  const possible = targetsOf(page.target.value).includes(page.source.value);
  const reverse = `${nameOf(page.target.value)} to ${nameOf(page.source.value)}`;
  page.swap.disabled = !possible;
  page.swap.title = possible ? `Translate from ${reverse}` : `No model is loaded for ${reverse}`;
  page.swap.setAttribute("aria-label", page.swap.title);
  showGlossary(page.source.value, page.target.value);
  translateAgain();
}

function swap() {
  const isComplete = rows.every((row) => row.hypothesis || !row.line.trim());
  if (isComplete) page.text.value = translation();
  choosePair(page.target.value, page.source.value);
}

async function load() {
  try {
    const [listed, settings] = await Promise.all([call("languages"), call("frontend/settings")]);
    languages = listed;
    limit = settings.charLimit;
    pause = settings.frontendTimeout;
    recover();
    takesSuggestions = settings.suggestions;
    page.unlock.hidden = !settings.keyRequired; // for files, too, which are sent without a text
    offerFiles(settings.supportedFilesFormat, () => {
      const { glossary } = glossaryField();
      return { ...languagesAndKey(), ...(glossary && { glossary: JSON.stringify(glossary) }) };
    });
    offerGlossary(settings.glossaryLimit, settings.glossaryCharLimit, translateAgain);
    const { source, target } = settings.language;
    choosePair(codeOf(link.get("source")) ?? source.code, codeOf(link.get("target")) ?? target.code);
  } catch (error) {
    fail(error, load);
  }
}

// ------------------------------------------------------------------------------------------------------------- theme

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

/** Applies the theme chosen before, if any; else the system's. */
function showTheme() {
  try {
    const stored = localStorage.getItem("theme"); // maybe of another page of this host
    if (["light", "dark"].includes(stored)) document.documentElement.dataset.theme = stored;
  } catch {} // where storage is forbidden, the page forgets
  page.theme.title = theme() === "dark" ? "Use the light theme" : "Use the dark theme";
  page.theme.setAttribute("aria-label", page.theme.title);
}

function switchTheme() {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", theme());
  } catch {}
  showTheme();
}

// ------------------------------------------------------------------------------------------------------------ events

page.text.addEventListener("input", typed);
page.text.addEventListener("keyup", ({ key }) => /^(Arrow|Home|End|Page)/.test(key) && focusOn(placeOfCaret()));
page.text.addEventListener("click", () => focusOn(placeOfCaret()));
page.text.addEventListener("blur", () => focusOn(null));
page.text.addEventListener("pointermove", ({ clientX, clientY, pointerType }) => {
  // The words lie in the mirror, behind the text area.
  const below = document.elementsFromPoint(clientX, clientY).find((element) => page.mirror.contains(element));
  if (pointerType !== "touch") pointAt(placeOf(below));
});
page.text.addEventListener("pointerleave", () => pointAt(null));

page.translation.addEventListener("pointerover", ({ target }) => pointAt(placeOf(target)));
page.translation.addEventListener("pointerleave", () => pointAt(null));
page.translation.addEventListener("keydown", walk);
page.translation.addEventListener("focusin", ({ target }) => {
  page.translation.querySelectorAll("[tabindex='0']").forEach((word) => word.setAttribute("tabindex", "-1"));
  target.setAttribute("tabindex", "0");
  target.setAttribute("aria-describedby", "looked");
  focusOn(placeOf(target));
});
page.translation.addEventListener("focusout", ({ target }) => {
  target.removeAttribute("aria-describedby");
  focusOn(null);
});

page.heatmap.addEventListener("toggle", showHeatMap);
page.source.addEventListener("change", () => choosePair(page.source.value, page.target.value));
page.target.addEventListener("change", () => choosePair(page.source.value, page.target.value));
page.swap.addEventListener("click", swap);
page.copy.addEventListener("click", copy);
page.suggest.addEventListener("click", suggest);
page.clear.addEventListener("click", clear);
page.theme.addEventListener("click", switchTheme);
dark.addEventListener("change", showTheme);
page.unlock.addEventListener("submit", (event) => {
  event.preventDefault();
  if (page.trouble.hidden) askSoon(0);
  else page.again.click();
});

// A link may bring a text and its languages: ?source=en&target=fr&q=A+dog
const link = new URLSearchParams(location.search);
page.text.value = link.get("q") ?? "";

showTheme();
show();
load();
