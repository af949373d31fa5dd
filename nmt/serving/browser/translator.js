// From lines to answers as the server's `/v1/translate` gives them: `nmt/inference/segments.py` and `translator.py`.

import { regrouped } from "./amounts.js";
import { search } from "./beam.js";
import { RAW, typography } from "./characters.js";
import { controlsOf, maximumLength } from "./controls.js";
import { descending } from "./engine.js";
import { ModelInput } from "./model_input.js";
import { digitPiecesOf, numbersOf, permits } from "./numbers.js";
import { Copier, MaskedLine } from "./placeholders.js";
import { sentences } from "./sentences.js";
import { COPY_IDS, EOS_ID, FIRST_COPY_ID, Tokenizer } from "./tokenizer.js";
import { characterAt, codePointOffsets, isBlank, trimEnd, wellFormed, wordSpans } from "./unicode.js";

/** @typedef {import("./beam.js").Hypothesis} Hypothesis */
/** @typedef {import("./characters.js").Span} Span */
/** @typedef {import("./engine.js").Engine} Engine */

/** @type {import("./numbers.js").SourceNumbers} */
const NO_NUMBERS = { permitted: [], required: [] };

/** @typedef {object} Settings What the export says about a run.
 * @property {string} source @property {string} target languages
 * @property {Record<string, string>} names of the languages
 * @property {string} model_input @property {import("./model_input.js").CasingRecord} casing of the source
 * @property {string[]} copying classes
 * @property {string[]} translated words that are not copied for a rare letter
 * @property {number[]} forbidden_ids @property {number} vocabulary_size
 * @property {import("./controls.js").DecodingOptions & {split_sentences: boolean, max_source_tokens: number,
 *   typography: {apostrophe: string, space: string, quotes: string}}} decoding */

/** @typedef {object} Segment The unit of search: a sentence, or a part of a long one.
 * @property {number[]} ids @property {import("./numbers.js").SourceNumbers} numbers
 * @property {Hypothesis[]} hypotheses best first */

/** @typedef {object} Sentence
 * @property {string} raw @property {number} start in the raw line @property {MaskedLine} masked
 * @property {Segment[]} segments none if there is nothing to translate
 * @property {string} before @property {string} after @property {boolean} isShouted */

/** @typedef {{text: string, spans: Span[], kept: Span[]}} Part of a translation; what is kept was copied */

/** @typedef {{n_best?: number, beam_size?: number, attention?: boolean, choices?: boolean}} Options */
/** @typedef {{text: string, start: number, end: number, log_probability?: number}} Word */

const SENTENCE_ENDS = [".", "!", "?"];
const NUM_CHOICES = 5;

export class Translator {
  /** @param {Settings} settings @param {Tokenizer} sourceTokenizer @param {Tokenizer} targetTokenizer
   * @param {Engine} engine */
  constructor(settings, sourceTokenizer, targetTokenizer, engine) {
    this.settings = settings;
    this.sourceTokenizer = sourceTokenizer;
    this.targetTokenizer = targetTokenizer;
    this.engine = engine;
    const { model_input: kind, target: target_language, casing } = settings;
    this.view = new ModelInput({ kind, target_language, casing });
    const unknown = (/** @type {string} */ line) => sourceTokenizer.unknownCharacters(line);
    const languages = /** @type {[string, string]} */ ([settings.source, settings.target]);
    this.copier = new Copier(settings.copying, unknown, this.view, languages, settings.translated);
    this.typography = typography(settings.decoding.typography);
    this.digitPieces = digitPiecesOf(targetTokenizer);
  }

  /** The answer for one line. `pause` is called after each step of search and ends it by an exception.
   * @param {string} line @param {Options} options @param {() => Promise<void>} pause */
  async explain(line, options = {}, pause = async () => {}) {
    line = wellFormed(line);
    if (isBlank(line)) return { source_text: line, source_tokens: [], hypotheses: [] };
    const { n_best: nBest = 1, attention = false, choices = false } = options;
    const decoding = { ...this.settings.decoding };
    if (options.beam_size) decoding.beam_size = options.beam_size;
    if (decoding.beam_size === 1) decoding.stopping = "first";
    const cut = this.cut(line);
    const segments = cut.flatMap((sentence) => sentence.segments);
    for (const segment of segments) {
      const sourceIds = [...segment.ids, EOS_ID];
      const maxLength = maximumLength(sourceIds.length, decoding);
      const copies = this.settings.copying.length > 0;
      const isRecorded = attention || choices;
      const searched = (/** @type {import("./numbers.js").SourceNumbers} */ numbers) => {
        const task = { sourceIds, maxLength, copies, numbers, digitPieces: this.digitPieces, isRecorded, pause };
        const controls = controlsOf(decoding, task);
        return search(this.engine, task, { beamSize: decoding.beam_size, nBest, controls });
      };
      segment.hypotheses = await searched(segment.numbers);
      // A number that cannot be written must not keep a translation from ending, and none is cut within.
      const { permitted, required } = decoding.source_numbers ? segment.numbers : NO_NUMBERS;
      const relaxed = [...(required.length ? [{ permitted, required: [] }] : []), ...(permitted.length ? [NO_NUMBERS] : [])];
      for (const numbers of relaxed) {
        if (!segment.hypotheses[0].truncated) break;
        const hypotheses = await searched(numbers);
        const text = this.targetTokenizer.decodeWithSpans(segment.hypotheses[0].ids).text;
        if (!hypotheses[0].truncated || !permits(segment.numbers, text)) segment.hypotheses = hypotheses;
      }
    }
    const count = Math.min(...segments.map(({ hypotheses }) => hypotheses.length), segments.length ? Infinity : 1);
    const hypotheses = [];
    for (let n = 0; n < count; n += 1) {
      hypotheses.push(this.#explained(line, cut, n, { attention, choices: choices && n === 0 }));
    }
    return { source_text: line, source_tokens: wordsOf(line), hypotheses };
  }

  /** Cuts a line into sentences, and those into segments. @param {string} line @returns {Sentence[]} */
  cut(line) {
    const { decoding, source } = this.settings;
    const outer = this.view.peel(line);
    if (isBlank(line) || this.view.isCopied(line)) {
      return [{ raw: line, start: 0, masked: new MaskedLine(line), segments: [], before: "", after: "", isShouted: false }];
    }
    const whole = line.slice(outer.start, outer.end);
    const isShouted = this.view.isShouted(whole);
    const isTitled = !isShouted && this.view.isTitled(whole);
    const texts = decoding.split_sentences ? sentences(whole, source) : [whole];
    let { start } = outer;
    return texts.map((text, number) => {
      let core = decoding.split_sentences ? trimEnd(text) : text;
      let [before, after, coreStart] = ["", text.slice(core.length), 0];
      if (texts.length > 1) {
        const inner = this.view.peel(core);
        before = inner.before;
        after = inner.after + after;
        coreStart = inner.start;
        core = core.slice(inner.start, inner.end);
      }
      if (number === 0) before = outer.before + before;
      if (number + 1 === texts.length) after += outer.after;
      const masked = this.#masked(core, isShouted, isTitled);
      const sentence = { raw: core, start: start + coreStart, ...masked, before, after, isShouted };
      start += text.length;
      return sentence;
    });
  }

  /** @param {string} core @param {boolean} isShouted @param {boolean} isTitled @returns {{masked: MaskedLine, segments: Segment[]}} */
  #masked(core, isShouted, isTitled) {
    let masked = isBlank(core) ? new MaskedLine(core) : this.copier.mask(core);
    const hasNothing = this.view.isView ? !masked.hasLetters : isBlank(masked.text) || masked.isAllCopies;
    if (hasNothing) return { masked, segments: [] };
    const { casing } = this.view;
    if (isShouted) masked = masked.recased((text, isStart) => casing.quiet(text, isStart));
    else if (isTitled) masked = masked.recased((text, isStart) => casing.lowered(text, isStart));
    const parts = this.#split(this.sourceTokenizer.encode(masked));
    const copies = masked.copies.map((copy) => ({ ...copy, restored: " " }));
    const textOf = (/** @type {number[]} */ ids) =>
      parts.length > 1 ? this.sourceTokenizer.decodeWithSpans(ids, copies).text : masked.replaced(() => " ");
    return { masked, segments: parts.map((ids) => ({ ids, numbers: numbersOf(textOf(ids)), hypotheses: [] })) };
  }

  /** Parts that the model takes, each cut after the last sentence end that fits, else before the last word that fits.
   * @param {number[]} ids */
  #split(ids) {
    const limit = this.settings.decoding.max_source_tokens;
    const parts = [];
    while (ids.length > limit) {
      const names = ids.slice(0, limit + 1).map((id) => this.sourceTokenizer.pieces[id].piece);
      const starts = Array.from(names.keys()).filter((i) => i > 0 && names[i].startsWith("▁"));
      const ends = starts.filter((i) => [...SENTENCE_ENDS, ";"].some((mark) => names[i - 1].endsWith(mark)));
      const places = [ends, starts].map((one) => one[one.length - 1] ?? 0);
      const place = places.find((one) => one > Math.floor(limit / 4)) ?? limit;
      parts.push(ids.slice(0, place));
      ids = ids.slice(place);
    }
    return [...parts, ids];
  }

  /** @param {string} line @param {Sentence[]} cut @param {number} n @param {{attention: boolean, choices: boolean}} asked */
  #explained(line, cut, n, asked) {
    const { text, spans } = this.#joined(cut, n);
    const segments = cut.flatMap((sentence) => sentence.segments);
    const found = segments.map(({ hypotheses }) => hypotheses[n]);
    const sum = (/** @type {number[]} */ values) => values.reduce((one, other) => one + other, 0);
    const words = wordsOf(text);
    /** @type {Record<string, any>} */
    const answer = {
      text,
      score: found.length ? sum(found.map(({ score }) => score)) / found.length : 0,
      log_probability: sum(found.map(({ logProb }) => logProb)),
      truncated: found.some(({ truncated }) => truncated),
      tokens: words,
    };
    if (!asked.attention && !asked.choices) return answer;
    const targetWords = Tokenizer.wordsOfSpans(text, spans);
    const wordOfPiece = targetWords.values();
    const pieces = found.flatMap(({ ids, truncated }) => (truncated ? ids : [...ids, EOS_ID]));
    const pieceWords = pieces.map((id) => (id === EOS_ID ? -1 : Number(wordOfPiece.next().value)));
    const logProbs = found.flatMap(({ tokenLogProbs }) => tokenLogProbs);
    words.forEach((word, index) => {
      word.log_probability = sum(logProbs.filter((_, t) => pieceWords[t] === index));
    });
    if (asked.attention) answer.attention = this.#attention(line, cut, n, words.length, targetWords);
    if (asked.choices && segments.length) {
      const nameOf = (/** @type {number} */ id) => this.targetTokenizer.pieces[id].piece;
      answer.pieces = pieces.map(nameOf);
      answer.piece_words = pieceWords;
      answer.choices = found.flatMap(({ looks }) => looks).map((look) =>
        likeliest(look).map(({ id, logProb }) => ({
          piece: nameOf(id),
          text: nameOf(id).replace(/^▁/, ""),
          log_probability: logProb,
        })),
      );
    }
    return answer;
  }

  /** The text of the n-th best translation, and the span of each of its tokens but `</s>`.
   * @param {Sentence[]} cut @param {number} n @returns {{text: string, spans: Span[]}} */
  #joined(cut, n) {
    let text = "";
    /** @type {Span[]} */
    const spans = [];
    for (const sentence of cut) {
      // Copies are neither put into capitals nor written in a typography, nor regrouped.
      let part = this.#sentenceText(sentence, n);
      part.text = regrouped(part.text, part.kept, sentence.raw, ...this.copier.languages);
      if (sentence.isShouted) part = inCapitals(part);
      if (this.typography !== RAW) part = inTypography(part, this.typography);
      text += sentence.before;
      spans.push(...shifted(part.spans, text.length));
      text += part.text + sentence.after;
    }
    return { text, spans };
  }

  /** @param {Sentence} sentence @param {number} n @returns {Part} */
  #sentenceText(sentence, n) {
    const { raw } = sentence;
    if (!sentence.segments.length) return { text: raw, spans: [], kept: [[0, raw.length]] };
    let text = "";
    /** @type {Span[]} */
    const spans = [];
    /** @type {Span[]} */
    const kept = [];
    const { copies } = sentence.masked;
    const emitted = new Set();
    sentence.segments.forEach(({ hypotheses }, number) => {
      const { ids } = hypotheses[n];
      const begins = number === 0 || SENTENCE_ENDS.some((mark) => text.endsWith(mark));
      if (number) text += " ";
      const part = this.targetTokenizer.decodeWithSpans(ids, copies, begins);
      const places = shifted(part.spans, text.length);
      spans.push(...places);
      kept.push(...places.filter((_, t) => COPY_IDS.includes(ids[t])));
      text += part.text;
      for (const id of ids) emitted.add(id);
    });
    // A copy that search could not place is appended: it must not be lost.
    for (const { symbol, restored } of copies) {
      if (emitted.has(FIRST_COPY_ID + symbol)) continue;
      text += ` ${restored}`;
      kept.push([text.length - restored.length, text.length]);
    }
    return { text, spans, kept };
  }

  /** Attention between words: sums over the pieces of a source word, means over those of a target word.
   * @param {string} line @param {Sentence[]} cut @param {number} n @param {number} numTarget @param {number[]} targetWords */
  #attention(line, cut, n, numTarget, targetWords) {
    const numSource = wordSpans(line).length;
    const sums = Array.from({ length: numTarget }, () => Array(numSource).fill(0));
    const counts = Array(numTarget).fill(0);
    for (const word of targetWords) if (word >= 0) counts[word] += 1;
    let target = 0;
    for (const sentence of cut.filter(({ segments }) => segments.length)) {
      const sourceWords = Tokenizer.wordsOfSpans(line, this.sourceSpans(sentence));
      let source = 0;
      for (const { ids, hypotheses } of sentence.segments) {
        hypotheses[n].ids.forEach((_, t) => {
          const row = targetWords[target + t];
          if (row < 0) return;
          ids.forEach((_id, s) => {
            const column = sourceWords[source + s];
            if (column >= 0) sums[row][column] += hypotheses[n].looks[t].weights[s];
          });
        });
        target += hypotheses[n].ids.length;
        source += ids.length;
      }
    }
    return sums.map((row, word) => row.map((sum) => sum / Math.max(counts[word], 1)));
  }

  /** Where each id of a sentence stands in the raw line. @param {Sentence} sentence @returns {Span[]} */
  sourceSpans({ raw, start, masked }) {
    /** @type {Span[]} */
    const places = [];
    let end = 0;
    for (const copy of masked.copies) {
      places.push(...shifted(this.view.source.readWithSpans(raw.slice(end, copy.rawStart)).spans, end));
      end = copy.rawStart + copy.end - copy.start;
      for (let unit = copy.rawStart; unit < end; unit += 1) places.push([unit, unit + 1]);
    }
    places.push(...shifted(this.view.source.readWithSpans(raw.slice(end)).spans, end), [raw.length, raw.length]);
    return shifted(
      this.sourceTokenizer.spans(masked).map(([from, to]) => [places[from][0], places[Math.max(from, to - 1)][from < to ? 1 : 0]]),
      start,
    );
  }
}

/** The tokens that the model liked best in a place. @param {import("./beam.js").Look} look */
function likeliest({ candidates: { ids, logProbs } }) {
  const found = Array.from(ids, (id, c) => ({ id, logProb: logProbs[c] }));
  found.sort((one, other) => descending(one.logProb, other.logProb));
  return found.filter(({ logProb }) => logProb > -Infinity).slice(0, NUM_CHOICES);
}

/** @param {Span[]} spans @param {number} by @returns {Span[]} */
const shifted = (spans, by) => spans.map(([start, end]) => [start + by, end + by]);

/** The words of a line, in code points. @param {string} line @returns {Word[]} */
function wordsOf(line) {
  const offsets = codePointOffsets(line);
  return wordSpans(line).map(([start, end]) => ({ text: line.slice(start, end), start: offsets[start], end: offsets[end] }));
}

/** A text in capitals, but for what stands in the spans `kept`. @param {Part} part @returns {Part} */
function inCapitals({ text, spans, kept }) {
  let capitals = "";
  /** @type {Span[]} */
  const places = [];
  for (let unit = 0; unit < text.length; ) {
    const character = characterAt(text, unit);
    const isKept = kept.some(([start, end]) => start <= unit && unit < end);
    const capital = isKept ? character : character.toUpperCase();
    for (let i = 0; i < capital.length; i += 1) places.push([unit, unit + character.length]);
    capitals += capital;
    unit += character.length;
  }
  return { text: capitals, spans: moved(spans, places), kept: moved(kept, places) };
}

/** The same in a typography, which changes no letter: what is kept is letters to it.
 * @param {Part} part @param {import("./characters.js").CharacterView} typography @returns {Part} */
function inTypography({ text, spans, kept }, typography) {
  const isKept = (/** @type {number} */ unit) => kept.some(([start, end]) => start <= unit && unit < end);
  const masked = Array.from({ length: text.length }, (_, unit) => (isKept(unit) ? "x" : text[unit])).join("");
  const read = typography.readWithSpans(masked);
  const written = Array.from({ length: read.text.length }, (_, unit) => {
    const [start] = read.spans[unit];
    return read.text[unit] === "x" && isKept(start) ? text[start] : read.text[unit];
  });
  return { text: written.join(""), spans: moved(spans, read.spans), kept };
}

/** Spans of a text in one that was made of it; `places` are the old spans of its units.
 * @param {Span[]} spans @param {Span[]} places @returns {Span[]} */
function moved(spans, places) {
  const firstAfter = (/** @type {number} */ start) => {
    const found = places.findIndex(([, end]) => end > start);
    return found < 0 ? places.length : found;
  };
  const lastBefore = (/** @type {number} */ end) => {
    const found = places.findIndex(([start]) => start >= end);
    return found < 0 ? places.length : found;
  };
  return spans.map(([start, end]) => {
    const first = firstAfter(start);
    return [first, end > start ? Math.max(first, lastBefore(end)) : first];
  });
}
