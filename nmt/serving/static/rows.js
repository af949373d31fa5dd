// The rows of the page: source and translation line by line, each as a sequence of words.
//
// The server's texts become text nodes, never markup. It counts characters, and JavaScript UTF-16 units:
// `Array.from(text)` are characters.

const ANSWERS_KEPT = 500;

export const page = Object.fromEntries(Array.from(document.querySelectorAll("[id]"), (element) => [element.id, element]));

export const answers = new Map(); // line -> its answer, for the chosen pair of languages
export const chosen = new Map(); // line -> index of the hypothesis shown, if not the best
export const rows = []; // a line each: {line, answer, hypothesis, source: its element, target: its element}

export const lines = () => page.text.value.split("\n");
export const missing = () => lines().filter((line) => line.trim() && !answers.has(line));
export const translation = () => rows.map((row) => row.hypothesis?.text ?? "").join("\n");
export const wordsOf = (element) => Array.from(element.querySelectorAll("[data-word]"));

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Whether a key belongs to an input method. Safari ends a composition before the key that ends it, whose code is 229. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Updates both sides to the text and the answers received so far. */
export function showRows() {
  const texts = lines();
  for (const row of rows.splice(texts.length)) [row.source, row.target].forEach((element) => element.remove());
  texts.forEach((line, index) => {
    rows[index] ??= makeRow(index);
    showRow(rows[index], line);
  });
  // The words are the options of a list box, which may not be empty, and one stop of the Tab key.
  const words = wordsOf(page.translation);
  for (const [name, value] of Object.entries({ role: "listbox", "aria-label": "Words of the translation" })) {
    if (words.length) page.translation.setAttribute(name, value);
    else page.translation.removeAttribute(name);
  }
  if (!words.some((word) => word.tabIndex === 0)) words[0]?.setAttribute("tabindex", "0");
  if (answers.size > ANSWERS_KEPT) {
    const kept = new Set(texts);
    for (const line of answers.keys()) if (!kept.has(line)) answers.delete(line);
  }
}

function makeRow(index) {
  const source = make("div", { class: "row", dir: "auto" });
  const target = make("div", { class: "row", role: "group", "aria-label": `Line ${index + 1}`, dir: "auto" });
  page.mirror.append(source);
  page.translation.append(target);
  return { source, target };
}

/** Until its answer arrives, a line keeps the previous translation, in grey. */
function showRow(row, line) {
  const answer = answers.get(line);
  const hypothesis = answer?.hypotheses[chosen.get(line) ?? 0];
  if (row.line === line && row.answer === answer && row.hypothesis === hypothesis) return;
  if (row.line !== line || row.answer !== answer) fill(row.source, line, answer?.source_tokens ?? []);
  if (hypothesis) fill(row.target, hypothesis.text, hypothesis.tokens, { role: "option", tabindex: "-1" });
  else if (answer || !line.trim()) row.target.replaceChildren();
  row.target.classList.toggle("stale", !hypothesis);
  Object.assign(row, { line, answer, hypothesis });
}

/** Fills an element with text, whose words become spans of their own. */
function fill(element, text, tokens, attributes = {}) {
  const characters = Array.from(text);
  const part = (start, end) => characters.slice(start, end).join("");
  const nodes = tokens.flatMap(({ start, end }, word) => [
    part(tokens[word - 1]?.end ?? 0, start),
    make("span", { "data-word": word, ...attributes }, part(start, end)),
  ]);
  element.replaceChildren(...nodes, part(tokens.at(-1)?.end ?? 0));
}

// A place is a word on one side of a translated row: {row, side: "source" or "target", word: its index}.

/** The place of an element, or null. */
export function placeOf(element) {
  const span = element?.closest("[data-word]");
  const row = span && rows.find(({ source, target }) => source.contains(span) || target.contains(span));
  if (!row?.hypothesis) return null;
  return { row, side: row.source.contains(span) ? "source" : "target", word: Number(span.dataset.word) };
}

/** The place of the source word in which, or after which, the caret stands, or null. */
export function placeOfCaret() {
  const before = page.text.value.slice(0, page.text.selectionStart).split("\n");
  const row = rows[before.length - 1];
  const column = Array.from(before.at(-1)).length;
  const word = row?.answer?.source_tokens.findIndex(({ start, end }) => start <= column && column <= end) ?? -1;
  return word >= 0 && row.hypothesis ? { row, side: "source", word } : null;
}
