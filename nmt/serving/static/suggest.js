// A correction of the translation, suggested to the server.

import { isComposing, page } from "./rows.js";
import { call, Refusal } from "./server.js";

let lines = []; // of the text: [source, translation], when the form was opened; none once they are corrected
let sending = null; // the lines of which a correction is being sent
let fields = {}; // of a request: languages, and a key if there is one

/** Opens the form with the translated lines, [source, translation] each; with what was edited, if they are the same. */
export function openSuggestion(translated, requestFields) {
  const key = (translated, { source, target }) => JSON.stringify([translated, source, target]);
  const isSame = key(translated, requestFields) === key(lines, fields);
  lines = translated;
  fields = requestFields;
  if (!isSame) page.correction.value = lines.map(([, translation]) => translation).join("\n");
  page.correction.rows = Math.min(Math.max(lines.length, 2), 12);
  page.correction.lang = fields.target;
  page["suggestion-state"].textContent = "";
  page.suggestion.hidden = false;
  page.correction.focus();
}

async function send(event) {
  event.preventDefault();
  if (sending === lines) return; // the button was pressed twice
  const corrected = page.correction.value.split("\n");
  const say = (text) => (page["suggestion-state"].textContent = text);
  if (corrected.length !== lines.length) return say(`Keep the lines of the translation: expected ${lines.length}, received ${corrected.length}.`);
  const changed = lines.map(([source, translation], index) => [source, translation, corrected[index]])
    .filter(([source, translation, correction]) => source.trim() && correction.trim() && correction !== translation);
  if (!changed.length) return say("Nothing is corrected yet.");
  const side = (index) => changed.map((one) => one[index]).join("\n");
  const sent = (sending = lines);
  try {
    await call("suggest", { q: side(0), s: side(2), ...fields });
    if (lines === sent) { // else the form was opened again meanwhile
      lines = [];
      close();
    }
    page.announcement.textContent = page.state.textContent = "Thank you for the correction";
  } catch (error) {
    const { message, status } = error instanceof Refusal ? error : new Refusal(0);
    if (lines === sent) say(status ? `The server refused the correction: ${message || `error ${status}`}.` : "The server does not answer.");
  } finally {
    if (sending === sent) sending = null;
  }
}

function close() {
  const focused = document.activeElement;
  const isHere = focused === document.body || page.suggestion.contains(focused);
  page.suggestion.hidden = true;
  if (isHere) page.suggest.focus(); // whoever types elsewhere goes on typing
}

page["suggestion-form"].addEventListener("submit", send);
page["suggestion-close"].addEventListener("click", close);
page.suggestion.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !isComposing(event)) close(); // an input method's Escape ends its composition
});
