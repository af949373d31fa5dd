// SentencePiece models as `nmt` trains them (`nmt/text/tokenizer.py`): text to ids and back, without loss.
//
// Encoding follows SentencePiece's own algorithms (BPE by a queue of merges, unigram by Viterbi search in single
// precision), without a normaliser, as nmt trains with the rule `identity`.

import { MaskedLine } from "./placeholders.js";
import { decoded } from "./utf8.js";
import { characterAt, codePointOffsets, SPACE, wordSpans } from "./unicode.js";

/** @typedef {import("./characters.js").Span} Span */
/** @typedef {import("./placeholders.js").Copy} Copy */
/** @typedef {{piece: string, score: number, type: number}} Piece */

export const [PAD_ID, UNK_ID, BOS_ID, EOS_ID] = [0, 1, 2, 3];
export const FIRST_COPY_ID = 4;
const SMALL_ID = FIRST_COPY_ID + 16;
export const COPY_IDS = Array.from({ length: 16 }, (_, symbol) => FIRST_COPY_ID + symbol);
const SMALL = "｟small｠";
const UNKNOWN_SURFACE = "\u2047";
const [UNKNOWN, CONTROL, USER_DEFINED, BYTE] = [2, 3, 4, 6]; // types of pieces
const UNIGRAM = 1; // a type of model

const SPACE_MARK = "\u2581";
const ESCAPE = "\uf8e0";
// In the order of their digits: what is escaped, then what only copies have, a space and nothing at their edges.
const ESCAPED = [ESCAPE, SPACE_MARK, "｟", "\u2585", " ", ""];
const DETACHES = [0xc0, 0x0c, 0x01]; // what a model file ends with whose words are detached from opening marks
const OPENING = String.raw`(?:[«‹][\u00a0\u202f]?|["'“”„‟‚‘(\[{¿¡])+`;
const BEFORE_WORD = `((?<=[${SPACE}])${OPENING}|(?<=[^${SPACE}])[—–/])`;
const TO_DETACH = new RegExp(String.raw`${BEFORE_WORD}(?=[\p{L}\p{Nl}\p{No}]| )`, "gu");
const DETACHED = new RegExp(`${BEFORE_WORD} `, "gu");

const encoder = new TextEncoder();

/** Replaces characters with a meaning for SentencePiece, reversibly. @param {string} text */
export const escape = (text) =>
  text.replace(/[\uf8e0\u2581｟\u2585]/g, (character) => ESCAPE + ESCAPED.indexOf(character));

/** Undoes `escape`. An incomplete escape is dropped. @param {string} text */
export const unescape = (text) =>
  text.replace(/\uf8e0[0-5]?/g, (escaped) => (escaped.length > 1 ? ESCAPED[Number(escaped[1])] : ""));

/** `escape` for what a copy symbol is replaced by, of which nothing is taken for detached. @param {string} text */
const escapeCopy = (text) => `${ESCAPE}5${escape(text).replaceAll(" ", `${ESCAPE}4`)}${ESCAPE}5`;

/** An escaped line with a further space between an opening mark and the word after it. @param {string} text */
const detach = (text) => ` ${text}`.replace(TO_DETACH, "$1 ").slice(1);

/** The line with its first letter in lower case, unless its first word is in capitals; null if `unfold` would
 * not restore it. @param {string} line */
export function fold(line) {
  const first = characterAt(line, 0);
  const small = first.toLowerCase() + line.slice(first.length);
  const isCapitals = /^\p{Uppercase}$/u.test(characterAt(line, first.length));
  if (small !== line && !isCapitals && unfold(small) === line) return small;
  return unfold(line) === line ? line : null;
}

/** The line with a capital first letter. @param {string} line */
export function unfold(line) {
  const first = characterAt(line, 0);
  const capital = first.toUpperCase();
  const isOne = capital.length > 0 && characterAt(capital, 0) === capital;
  return isOne && capital.toLowerCase() === first ? capital + line.slice(first.length) : line;
}

/** A trained SentencePiece model. */
export class Tokenizer {
  /** From the bytes of a model. @param {Uint8Array} model */
  constructor(model) {
    const { pieces, isUnigram, byteFallback } = parsed(model);
    this.pieces = pieces;
    this.isUnigram = isUnigram;
    this.byteFallback = byteFallback;
    /** @type {Map<string, number>} */
    this.ids = new Map(); // of pieces that text is cut into
    /** @type {Map<number, number>} */
    this.byteIds = new Map();
    this.longest = 0; // units of a piece
    /** @type {Map<string, number>} */
    this.symbols = new Map(); // which are never cut or merged
    /** @type {number[]} */
    const scores = [];
    pieces.forEach(({ piece, score, type }, id) => {
      if (type === BYTE) this.byteIds.set(parseInt(piece.slice(3, 5), 16), id);
      if (type === BYTE || type === UNKNOWN || type === CONTROL) return;
      this.ids.set(piece, id);
      this.longest = Math.max(this.longest, piece.length);
      if (type === USER_DEFINED) this.symbols.set(piece, id);
      else scores.push(score);
    });
    this.maxScore = scores.reduce((one, other) => Math.max(one, other), -Infinity);
    this.unknownScore = Math.fround(scores.reduce((one, other) => Math.min(one, other), Infinity) - 10);
    this.detaches = DETACHES.every((byte, i) => byte === model[model.length - DETACHES.length + i]);
    this.foldsInitial = pieces[SMALL_ID]?.piece === SMALL;
    this.surfaces = pieces.map((_, id) => this.#surface(id));
    this.known = new Set([" "]); // characters with a piece
    for (const { piece, type } of pieces) if (type !== BYTE && characterAt(piece, 0) === piece) this.known.add(piece);
  }

  get size() {
    return this.pieces.length;
  }

  /** The bytes a piece stands for. @param {number} id */
  #surface(id) {
    const { piece, type } = this.pieces[id];
    if (id === UNK_ID) return encoder.encode(UNKNOWN_SURFACE);
    if (type === BYTE) return Uint8Array.of(parseInt(piece.slice(3, 5), 16));
    const isMark = type === CONTROL || (this.foldsInitial && id === SMALL_ID);
    return encoder.encode(isMark ? "" : piece.replaceAll(SPACE_MARK, " "));
  }

  /** @param {number} id */
  isByte(id) {
    return this.pieces[id].type === BYTE;
  }

  /** The characters of a line that have no piece. A folded initial is read as the small letter. @param {string} line @returns {Set<string>} */
  unknownCharacters(line) {
    const isKnown = (/** @type {string} */ character) =>
      Array.from(escape(character)).every((one) => this.known.has(one));
    const read = this.foldsInitial ? fold(line) ?? line : line;
    return new Set(Array.from(read).filter((character) => !isKnown(character)));
  }

  /** The ids of a line, without `<s>` and `</s>`. @param {MaskedLine} line */
  encode(line) {
    return this.#encodeWithNames(line).map(({ id }) => id);
  }

  /** The ids of a line, and what each of them stands for: an unknown one has the characters that it replaces.
   * @param {MaskedLine} line @returns {{id: number, name: string}[]} */
  #encodeWithNames(line) {
    let { text } = line;
    let mark = false;
    if (this.foldsInitial && line.copies[0]?.start !== 0) {
      const folded = fold(text);
      mark = folded === null;
      // Folding keeps the length: copies stay where they are.
      text = folded ?? text;
    }
    const symbolOf = (/** @type {Copy} */ copy) => `｟${copy.symbol}｠`;
    const escaped = new MaskedLine(text, line.copies).replaced(symbolOf, escape);
    const ids = this.#encodeText(this.detaches ? detach(escaped) : escaped);
    return mark ? [{ id: SMALL_ID, name: SMALL }, ...ids] : ids;
  }

  /** @param {string} text @returns {{id: number, name: string}[]} */
  #encodeText(text) {
    if (!text) return [];
    const normalized = SPACE_MARK + text.replaceAll(" ", SPACE_MARK);
    /** @type {{id: number, name: string}[]} */
    const ids = [];
    for (const { id, name } of this.isUnigram ? this.#unigram(normalized) : this.#bpe(normalized)) {
      const last = ids[ids.length - 1];
      if (id !== UNK_ID) ids.push({ id, name });
      else if (this.byteFallback) for (const byte of encoder.encode(name)) ids.push(this.#byte(byte));
      else if (last?.id === UNK_ID) last.name += name; // one unknown piece for a run of unknown characters
      else ids.push({ id, name });
    }
    return ids;
  }

  /** @param {number} byte */
  #byte(byte) {
    const id = this.byteIds.get(byte) ?? UNK_ID;
    return { id, name: this.pieces[id].piece };
  }

  /** @param {string} text @returns {{id: number, name: string}[]} */
  #bpe(text) {
    const symbols = this.#symbols(text);
    const queue = new MergeQueue();
    const offer = (/** @type {number} */ left, /** @type {number} */ right) => {
      if (left < 0 || right < 0 || symbols[left].isFrozen || symbols[right].isFrozen) return;
      const merged = symbols[left].text + symbols[right].text;
      const id = this.ids.get(merged);
      if (id !== undefined) queue.push({ left, right, size: merged.length, score: this.pieces[id].score });
    };
    for (let i = 1; i < symbols.length; i += 1) offer(i - 1, i);
    for (let merge = queue.pop(); merge; merge = queue.pop()) {
      const [left, right] = [symbols[merge.left], symbols[merge.right]];
      if (!left.text || !right.text || left.text.length + right.text.length !== merge.size) continue; // out of date
      left.text += right.text;
      right.text = "";
      left.next = right.next;
      if (right.next >= 0) symbols[right.next].previous = merge.left;
      offer(left.previous, merge.left);
      offer(merge.left, left.next);
    }
    return symbols.filter(({ text: name }) => name).map(({ text: name }) => ({ id: this.ids.get(name) ?? UNK_ID, name }));
  }

  /** Characters, and symbols that are never cut or merged. @param {string} text */
  #symbols(text) {
    /** @type {{text: string, isFrozen: boolean, previous: number, next: number}[]} */
    const symbols = [];
    let start = 0;
    while (start < text.length) {
      const symbol = text[start] === "｟" ? this.#symbolAt(text, start) : undefined;
      const piece = symbol ?? characterAt(text, start);
      start += piece.length;
      const next = start < text.length ? symbols.length + 1 : -1;
      symbols.push({ text: piece, isFrozen: symbol !== undefined, previous: symbols.length - 1, next });
    }
    return symbols;
  }

  /** The longest symbol that begins here. @param {string} text @param {number} start */
  #symbolAt(text, start) {
    const symbol = text.slice(start, text.indexOf("｠", start) + 1);
    return this.symbols.has(symbol) ? symbol : undefined;
  }

  /** @param {string} text @returns {{id: number, name: string}[]} */
  #unigram(text) {
    /** @type {{id: number, score: number, start: number}[]} the best path to each unit, of those with an end there */
    const best = Array.from({ length: text.length + 1 }, () => ({ id: -1, score: 0, start: -1 }));
    const offer = (/** @type {number} */ id, /** @type {number} */ score, /** @type {number} */ start, /** @type {number} */ end) => {
      const candidate = score + best[start].score;
      if (best[end].start >= 0 && candidate <= best[end].score) return;
      best[end] = { id, score: Math.fround(candidate), start };
    };
    let start = 0;
    while (start < text.length) {
      const size = characterAt(text, start).length;
      let hasSingle = false;
      for (let end = start + size; end <= text.length && end - start <= this.longest; ) {
        const piece = text.slice(start, end);
        const id = this.ids.get(piece);
        if (id !== undefined) {
          const isSymbol = this.pieces[id].type === USER_DEFINED;
          const bonus = Math.fround(encoder.encode(piece).length * this.maxScore) - 0.1;
          offer(id, isSymbol ? bonus : this.pieces[id].score, start, end);
          hasSingle ||= end === start + size;
        }
        end += characterAt(text, end).length || 1;
      }
      if (!hasSingle) offer(UNK_ID, this.unknownScore, start, start + size);
      start += size;
    }
    const ids = [];
    for (let end = text.length; end > 0; end = best[end].start) {
      ids.push({ id: best[end].id, name: text.slice(best[end].start, end) });
    }
    return ids.reverse();
  }

  /** The text of ids, with what copies restore, and the span of each id in it. Unless it `begins` a sentence, the
   * first letter stays as it is. @param {number[]} ids @param {Copy[]} copies @returns {{text: string, spans: Span[]}} */
  decodeWithSpans(ids, copies = [], begins = true) {
    const { text, spans } = located(this.#surfacesOf(ids, copies), this.detaches);
    return { text: begins ? this.#unfolded(text, ids) : text, spans };
  }

  /** @param {number[]} ids @param {Copy[]} copies */
  #surfacesOf(ids, copies) {
    const restored = new Map(
      copies.map((copy) => [FIRST_COPY_ID + copy.symbol, encoder.encode(escapeCopy(copy.restored))]),
    );
    return ids.map((id) => restored.get(id) ?? this.surfaces[id]);
  }

  /** @param {string} text @param {number[]} ids */
  #unfolded(text, ids) {
    if (!this.foldsInitial || ids.includes(SMALL_ID)) return text;
    const first = ids.find((id) => this.surfaces[id].some((byte) => byte !== 0x20));
    return first !== undefined && COPY_IDS.includes(first) ? text : unfold(text);
  }

  /** The span of each id of `encode(line)`, without the spaces that begin a piece.
   * @param {MaskedLine} line @returns {Span[]} */
  spans(line) {
    const encoded = this.#encodeWithNames(line);
    const copies = line.copies.map((copy) => ({ ...copy, restored: line.text.slice(copy.start, copy.end) }));
    const surfaces = this.#surfacesOf(encoded.map(({ id }) => id), copies);
    encoded.forEach(({ id, name }, index) => {
      if (id === UNK_ID) surfaces[index] = encoder.encode(name.replaceAll(SPACE_MARK, " "));
    });
    return located(surfaces, this.detaches).spans;
  }

  /** Index in `wordSpans(line)` of each span's word, or -1. @param {string} line @param {Span[]} spans */
  static wordsOfSpans(line, spans) {
    const wordAt = new Int32Array(line.length + 1).fill(-1);
    wordSpans(line).forEach(([start, end], word) => wordAt.fill(word, start, end));
    return spans.map(([start, end]) => wordAt.slice(start, Math.max(end, start + 1)).find((word) => word >= 0) ?? -1);
  }
}

/** The text that pieces spell, and the span of each of them in it, followed byte by byte. Words may be `detached`.
 * @param {Uint8Array[]} surfaces @param {boolean} detached @returns {{text: string, spans: Span[]}} */
function located(surfaces, detached) {
  const bytes = surfaces.flatMap((surface) => Array.from(surface));
  const characters = decoded(bytes);
  const added = detached ? addedSpaces(characters.map(({ character }) => character).join("")) : new Set();
  let text = "";
  const unitAt = new Map(); // byte -> unit of `text`; bytes of what is dropped are missing
  const endsBefore = new Uint32Array(bytes.length + 1); // byte -> units of `text` that end before it
  for (let i = 0; i < characters.length; i += 1) {
    const { character, start } = characters[i];
    const isEscape = character === ESCAPE && "012345".includes(characters[i + 1]?.character ?? "x");
    const { end } = characters[isEscape ? i + 1 : i];
    const raw = unescape(isEscape ? character + characters[i + 1].character : character).replace("\n", "");
    const isAdded = added.has(i) || (raw === " " && i === 0 && !isEscape); // the space put before each line
    if (isEscape) i += 1;
    if (!raw || isAdded) continue;
    for (let byte = start; byte < end; byte += 1) unitAt.set(byte, text.length);
    text += raw;
    endsBefore[end] = raw.length;
  }
  for (let byte = 1; byte < endsBefore.length; byte += 1) endsBefore[byte] += endsBefore[byte - 1];
  let end = 0;
  const spans = surfaces.map((surface) => {
    const start = end;
    end += surface.length;
    /** @type {number[]} */
    const units = [];
    for (let byte = start; byte < end; byte += 1) if (unitAt.has(byte)) units.push(unitAt.get(byte));
    while (units.length && text[units[0]] === " ") units.shift();
    const last = units[units.length - 1];
    return /** @type {Span} */ (
      units.length ? [units[0], last + characterAt(text, last).length] : [endsBefore[end], endsBefore[end]]
    );
  });
  return { text, spans };
}

/** The characters, by number, that `DETACHED` takes away again. @param {string} text @returns {Set<number>} */
function addedSpaces(text) {
  const offsets = codePointOffsets(text);
  return new Set(Array.from(text.matchAll(DETACHED), (match) => offsets[match.index + match[0].length - 1]));
}

/** Merges, the best first: by score, then from left to right. A binary heap. */
class MergeQueue {
  /** @type {{left: number, right: number, size: number, score: number}[]} */
  #heap = [];

  /** @param {number} one @param {number} other indices in the heap */
  #isBefore(one, other) {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    return a.score > b.score || (a.score === b.score && a.left < b.left);
  }

  /** @param {number} one @param {number} other */
  #swap(one, other) {
    [this.#heap[one], this.#heap[other]] = [this.#heap[other], this.#heap[one]];
  }

  /** @param {{left: number, right: number, size: number, score: number}} merge */
  push(merge) {
    let index = this.#heap.push(merge) - 1;
    for (let parent = (index - 1) >> 1; index > 0 && this.#isBefore(index, parent); parent = (index - 1) >> 1) {
      this.#swap(index, parent);
      index = parent;
    }
  }

  pop() {
    if (!this.#heap.length) return undefined;
    this.#swap(0, this.#heap.length - 1);
    const best = this.#heap.pop();
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#isBefore(child + 1, child)) child += 1;
      if (!this.#isBefore(child, index)) break;
      this.#swap(child, index);
      index = child;
    }
    return best;
  }
}

// ------------------------------------------------------------------------------------------------- the model's bytes

/** The parts of a SentencePiece model (sentencepiece_model.proto) that encoding needs. @param {Uint8Array} model */
function parsed(model) {
  /** @type {Piece[]} */
  const pieces = [];
  let isUnigram = true; // the default of the format
  let byteFallback = false;
  for (const { field, bytes } of fields(model)) {
    if (field === 1) {
      const piece = { piece: "", score: 0, type: 1 };
      for (const part of fields(bytes)) {
        if (part.field === 1) piece.piece = new TextDecoder("utf-8", { ignoreBOM: true }).decode(part.bytes);
        if (part.field === 2) piece.score = new DataView(part.bytes.buffer, part.bytes.byteOffset).getFloat32(0, true);
        if (part.field === 3) piece.type = part.number;
      }
      pieces.push(piece);
    } else if (field === 2) {
      for (const part of fields(bytes)) {
        if (part.field === 3) isUnigram = part.number === UNIGRAM;
        if (part.field === 35) byteFallback = part.number === 1;
      }
    }
  }
  return { pieces, isUnigram, byteFallback };
}

/** The fields of a protocol buffer. @param {Uint8Array} message
 * @returns {Generator<{field: number, number: number, bytes: Uint8Array}>} */
function* fields(message) {
  let position = 0;
  const varint = () => {
    let number = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[position];
      position += 1;
      number += (byte & 0x7f) * scale;
      if (!(byte & 0x80)) return number;
    }
  };
  while (position < message.length) {
    const key = varint();
    const [field, wireType] = [key >>> 3, key & 7];
    if (wireType === 0) {
      yield { field, number: varint(), bytes: new Uint8Array() };
      continue;
    }
    const length = wireType === 2 ? varint() : wireType === 1 ? 8 : 4;
    yield { field, number: 0, bytes: message.subarray(position, position + length) };
    position += length;
  }
}
