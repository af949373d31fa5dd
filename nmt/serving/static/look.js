// Attention: highlighted words, alternatives of a line, choices at a word, a heat map.

import { chosen, make, page, placeOf, rows, showRows, wordsOf } from "./rows.js";

const FAINT = 0.04; // attention below this is not shown
const MOST_CELLS = 10_000; // of a heat map

let pointed = null; // the place under the pointer
let focused = null; // the place that has the focus, or the caret
let current = 0; // index of the row that alternatives and heat map describe
let lit = [];
let shown = {}; // the answer and the hypothesis that alternatives and heat map show

function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1\u00a0%";
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)}\u00a0%`;
}

// ------------------------------------------------------------------------------------------------- words that light up

export function pointAt(place) {
  pointed = place;
  relight();
}

export function focusOn(place) {
  focused = place;
  relight();
}

/** Highlights the words that belong to the word under the pointer, or else to the focused one. */
function relight() {
  for (const element of lit.splice(0)) {
    element.classList.remove("lit", "at");
    element.removeAttribute("aria-selected");
  }
  const place = pointed ?? focused;
  if (!place) return;
  const { here, others } = around(place);
  for (const { element, weight } of others) {
    element.style.setProperty("--weight", weight.toFixed(3));
    element.classList.add("lit");
    lit.push(element);
  }
  here.classList.add("at");
  if (place.side === "target") here.setAttribute("aria-selected", "true");
  lit.push(here);
  showDetails(rows.indexOf(place.row));
  showLook(place);
}

/** The element of a place, and those of the other side that it attends to, or that attend to it: {element, weight}. */
function around({ row, side, word }) {
  const { attention = [] } = row.hypothesis;
  const weights = side === "target" ? (attention[word] ?? []) : attention.map((weights) => weights[word]);
  const there = wordsOf(side === "target" ? row.source : row.target);
  const others = weights.map((weight, index) => ({ element: there[index], weight }));
  return { here: wordsOf(row[side])[word], others: others.filter(({ weight }) => weight >= FAINT) };
}

/** Arrow keys, Home and End move through the words of the translation. */
export function walk(event) {
  const place = placeOf(event.target);
  if (!place || event.ctrlKey || event.altKey || event.metaKey) return;
  const words = wordsOf(page.translation);
  const at = words.indexOf(event.target);
  const row = rows.indexOf(place.row);
  const forwards = getComputedStyle(event.target).direction === "rtl" ? -1 : 1;
  const firstOf = (candidates) => candidates.flatMap(({ target }) => wordsOf(target).slice(0, 1))[0];
  const next = {
    ArrowRight: words[at + forwards],
    ArrowLeft: words[at - forwards],
    ArrowDown: firstOf(rows.slice(row + 1)),
    ArrowUp: firstOf(rows.slice(0, row).reverse()),
    Home: words[0],
    End: words.at(-1),
  };
  if (!(event.key in next)) return;
  event.preventDefault();
  next[event.key]?.focus();
}

// ------------------------------------------------------------------------------------------------------- the panels

/** The row that the panels describe: the current one, or the first translated one. */
export const currentRow = () => (rows[current]?.hypothesis ? rows[current] : rows.find((row) => row.hypothesis));

const ofLine = (row) => (rows.length > 1 ? ` of line ${rows.indexOf(row) + 1}` : "");

/** Alternatives and heat map of the row at an index, or of the current one. */
export function showDetails(index = current) {
  current = index;
  const row = currentRow();
  page.details.hidden = !row;
  if (!row) return;
  if (shown.answer !== row.answer) showAlternatives(row);
  if (shown.hypothesis !== row.hypothesis) {
    showHint(row);
    showHeatMap();
  }
  shown = { answer: row.answer, hypothesis: row.hypothesis };
}

function showAlternatives(row) {
  const labels = row.answer.hypotheses.map((hypothesis, index) => {
    const radio = make("input", { type: "radio", name: "alternative", value: index });
    radio.checked = hypothesis === row.hypothesis;
    radio.addEventListener("change", () => {
      chosen.set(row.line, index);
      pointAt(null);
      showRows();
      showDetails();
    });
    const score = hypothesis.score.toFixed(2).replace("-", "\u2212");
    const cut = hypothesis.truncated ? ", cut at the maximum length" : "";
    return make("label", {}, radio, make("span", { lang: page.target.value, dir: "auto" }, hypothesis.text),
      make("small", {}, `probability ${percent(Math.exp(hypothesis.log_probability))}, score ${score}${cut}`));
  });
  page.alternatives.replaceChildren(make("legend", {}, `Alternatives${ofLine(row)}`), ...labels);
}

function showHint(row) {
  page.looked.textContent = row.hypothesis.attention?.length
    ? "Point at a word, or reach it with Tab and the arrow keys, to see which words the model looked at."
    : "There is no attention to show for this line.";
  page.choices.replaceChildren();
}

/** The attention of a word, or to it, and the choices at its pieces. */
function showLook(place) {
  const { here, others } = around(place);
  others.sort((one, other) => other.weight - one.weight);
  const list = others.map(({ element, weight }) => `${element.textContent} ${percent(weight)}`).join(", ");
  const verb = place.side === "target" ? "looked at" : "was looked at by";
  page.looked.replaceChildren(make("b", {}, here.textContent), ` ${verb} ${list || "nothing in particular"}`);
  const lists = place.side === "target" ? choicesAt(place) : [];
  if (lists.length) lists.unshift(make("p", { class: "quiet" }, "Alternatives considered here, with their probabilities:"));
  page.choices.replaceChildren(...lists);
}

/** The likeliest pieces at each place of a word. The server knows them for the best hypothesis only. */
function choicesAt({ row, word }) {
  const { pieces = [], piece_words, choices } = row.hypothesis;
  const steps = pieces.map((piece, step) => [piece, choices[step]]).filter((_, step) => piece_words[step] === word);
  return steps.map(([taken, offered]) => make("ol", { "aria-label": `Choices for ${surface(taken)}` },
    ...offered.map(({ piece, log_probability }) => {
      const share = Math.exp(log_probability);
      const item = make("li", {}, make("span", { lang: page.target.value }, surface(piece)), ` ${percent(share)}`);
      item.style.setProperty("--share", share.toFixed(3));
      if (piece === taken) {
        item.classList.add("taken");
        item.append(make("span", { class: "hidden" }, ", taken"));
      }
      return item;
    })));
}

/** A piece for display: U+2581 marks the beginning of a word in the vocabulary; here a dash marks its continuation. */
function surface(piece) {
  if (piece === "</s>") return "(end)";
  if (piece === "\u2581") return "(space)";
  return piece.startsWith("\u2581") ? piece.slice(1) : `-${piece}`;
}

/** A table, so that its numbers can be read without its colours. */
export function showHeatMap() {
  const row = currentRow();
  page.map.replaceChildren();
  page.legend.textContent = "";
  if (!page.heatmap.open || !row?.hypothesis.attention) return;
  const texts = (element) => wordsOf(element).map((word) => word.textContent);
  const [source, target] = [texts(row.source), texts(row.target)];
  if (source.length * target.length > MOST_CELLS) {
    page.legend.textContent = `This line is too long for a table: ${target.length} by ${source.length} words.`;
    return;
  }
  page.legend.textContent =
    `Attention of each word of the translation${ofLine(row)} (rows) to each word of the text (columns), in per cent`;
  const body = row.hypothesis.attention.map((weights, index) => make("tr", {},
    make("th", { scope: "row" }, target[index]),
    ...weights.map((weight) => {
      const cell = make("td", {}, weight < 0.01 ? "" : (100 * weight).toFixed(0));
      cell.style.setProperty("--weight", weight.toFixed(3));
      return cell;
    })));
  const head = source.map((word) => make("th", { scope: "col" }, make("span", {}, word)));
  page.map.append(make("table", { "aria-labelledby": "legend" },
    make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...body)));
}
