// Requests to the server, and its errors.

const PATIENCE = 60_000; // ms without an answer until the server counts as unreachable

export class Refusal extends Error {
  /** Status 0: no answer. `seconds`: when the server accepts further requests, 0 if it does not say. */
  constructor(status, message = "", seconds = 0) {
    super(message);
    Object.assign(this, { status, seconds });
  }
}

/** The JSON at `path`, by POST if there is a `body`. Throws a Refusal. */
export async function call(path, body = undefined, signal = new AbortController().signal) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
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
