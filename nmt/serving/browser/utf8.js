// UTF-8 as `bytes.decode("utf-8", errors="ignore")` reads it: what forms no character is dropped.

/** @typedef {{character: string, start: number, end: number}} Decoded a character and its bytes */

/** The characters that bytes spell, each with its place. A character that bytes cut off at the end is dropped, too.
 * @param {ArrayLike<number>} bytes @returns {Decoded[]} */
export function decoded(bytes) {
  /** @type {Decoded[]} */
  const characters = [];
  let start = 0;
  while (start < bytes.length) {
    const lead = bytes[start];
    const size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (!size) {
      start += 1;
      continue;
    }
    let code = size === 1 ? lead : lead & (0x7f >> size);
    let end = start + 1;
    while (end < start + size && end < bytes.length) {
      const [least, most] = end === start + 1 ? secondByte(lead) : [0x80, 0xbf];
      if (bytes[end] < least || bytes[end] > most) break;
      code = (code << 6) | (bytes[end] & 0x3f);
      end += 1;
    }
    if (end === start + size) characters.push({ character: String.fromCodePoint(code), start, end });
    start = end;
  }
  return characters;
}

/** What may follow a first byte: neither overlong forms, nor surrogates, nor more than U+10FFFF.
 * @param {number} lead @returns {[number, number]} */
function secondByte(lead) {
  if (lead === 0xe0) return [0xa0, 0xbf];
  if (lead === 0xed) return [0x80, 0x9f];
  if (lead === 0xf0) return [0x90, 0xbf];
  if (lead === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}
