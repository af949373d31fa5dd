// A file, chosen or dropped on the page:  upload -> progress -> download.

import { call, translateFile as send } from "./server.js";

const INTERVAL = 500; // ms between two looks at the progress

const part = (id) => document.getElementById(id);
const parts = {
  button: part("open"), chooser: part("file"), panel: part("document"), state: part("document-state"),
  progress: part("document-progress"), link: part("download"), close: part("document-close"),
};
let upload = new AbortController(); // in progress
let suffixes = [];
let fieldsOf = () => ({});

/** Offers files of these suffixes. `fields()` are those of a request: languages, and a key if there is one. */
export function offerFiles(supported, fields) {
  suffixes = supported;
  fieldsOf = fields;
  parts.chooser.accept = supported.join();
  parts.button.hidden = !supported.length;
}

function show(state, { isBusy = false, url = "", name = "" } = {}) {
  parts.panel.hidden = false;
  parts.state.textContent = state;
  parts.progress.hidden = !isBusy;
  parts.link.hidden = !url;
  parts.close.textContent = isBusy ? "Cancel" : "Close";
  if (url) Object.assign(parts.link, { href: url, download: name });
}

async function translateFile(file) {
  upload.abort();
  upload = new AbortController();
  const { signal } = upload;
  const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  if (!suffixes.includes(suffix)) return show(`${file.name}: this kind of file is not supported.`);
  parts.progress.removeAttribute("value");
  show(`${file.name} is being translated`, { isBusy: true });
  const name = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const timer = setInterval(() => look(name, signal), INTERVAL);
  try {
    const form = new FormData();
    for (const [key, value] of Object.entries({ ...fieldsOf(), progress: name, file })) form.set(key, value);
    const answer = await send(form, signal);
    const left = answer.untranslated ? `, ${answer.untranslated} of ${answer.segments} segments ${answer.untranslated === 1 ? "was" : "were"} left untranslated` : "";
    show(`${file.name} is translated${left}.`, { url: answer.translatedFileUrl, name: answer.name });
    // Whoever types meanwhile goes on typing.
    const focused = document.activeElement;
    if (focused === document.body || focused === parts.button || parts.panel.contains(focused)) parts.link.focus();
  } catch (error) {
    const reason = error instanceof TypeError || error instanceof SyntaxError ? "The server does not answer." : error.message;
    if (!signal.aborted) show(`${file.name}: ${reason}`);
  } finally {
    clearInterval(timer);
  }
}

async function look(name, signal) {
  const { done, total } = await call(`file_progress/${name}`, undefined, signal).catch(() => ({}));
  if (total && !signal.aborted) Object.assign(parts.progress, { max: total, value: done });
}

function close() {
  upload.abort();
  parts.panel.hidden = true;
  parts.button.focus();
}

const hasFiles = ({ dataTransfer }) => suffixes.length && dataTransfer?.types.includes("Files");

parts.button.addEventListener("click", () => parts.chooser.click());
parts.close.addEventListener("click", close);
parts.chooser.addEventListener("change", () => {
  if (parts.chooser.files.length) translateFile(parts.chooser.files[0]);
  parts.chooser.value = ""; // the same file may be chosen again
});
addEventListener("dragover", (event) => {
  if (hasFiles(event)) event.preventDefault();
  document.body.classList.toggle("drop", Boolean(hasFiles(event)));
});
addEventListener("dragleave", () => document.body.classList.remove("drop"));
addEventListener("drop", (event) => {
  document.body.classList.remove("drop");
  if (!hasFiles(event)) return;
  event.preventDefault();
  translateFile(event.dataTransfer.files[0]);
});
