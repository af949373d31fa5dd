// Requests to the server, and its errors.

/** What is said of an error, by its status. */
export const EXPLANATIONS = {
  0: "The server does not answer. Your text stays here.",
  403: "The server requires an API key.",
  429: "Too many requests: this is more than the server allows.",
  503: "The server is busy.",
};
export const REFUSED = "The server cannot do this";
export const LINES_AT_ONCE = 16; // of a long text: the first lines appear while the others are still being translated

const PATIENCE = 60_000; // ms without an answer until the server counts as unreachable

export class Refusal extends Error {
  /** Status 0: no answer. `seconds`: when the server accepts further requests, 0 if it does not say. */
  constructor(status, message = "", seconds = 0) {
    super(message);
    Object.assign(this, { status, seconds });
  }
}

/** A value of JSON without halves of surrogate pairs, which are no text: the server refuses them. */
const wellFormed = (name, value) => (typeof value === "string" ? value.toWellFormed() : value);

/** The JSON at `path`, by POST if there is a `body`. Throws a Refusal. */
export async function call(path, body = undefined, signal = new AbortController().signal) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body, wellFormed) };
  let response, answer;
  try {
    response = await fetch(path, { ...(body && post), signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]) });
    answer = await response.json();
  } catch {
    // A proxy's errors may be HTML.
    throw new Refusal(response && !response.ok ? response.status : 0);
  }
  if (!response.ok) throw new Refusal(response.status, answer.error, Number(response.headers.get("Retry-After")));
  return answer;
}

/** Uploads a form with a file; the answer says where its translation is. */
export async function translateFile(form, signal) {
  const response = await fetch("translate_file", { method: "POST", body: form, signal });
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({})); // a proxy's errors may be HTML
    const explanation = response.status === 413 ? "The file is too large for the server." : EXPLANATIONS[response.status];
    throw new Error(error ?? explanation ?? `${REFUSED}: error ${response.status}.`);
  }
  const answer = await response.json();
  const name = new URL(answer.translatedFileUrl).pathname.split("/").at(-1);
  return { ...answer, translatedFileUrl: `download_file/${name}` }; // relative: a proxy may add a prefix to paths
}
