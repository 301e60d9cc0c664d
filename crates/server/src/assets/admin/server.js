// Talks to the server: sends requests with the token for the chosen environment, and reads the stream of events.

const TOKEN_KEY = "flagwire-admin-token";

let token = sessionStorage.getItem(TOKEN_KEY);
let environment = new URLSearchParams(location.search).get("environment");
let refused = () => {};

/** Calls `fn` with a sentence for the user whenever the server asks for a token, or for another one. */
export function onRefused(fn) {
  refused = fn;
}

export function useToken(text) {
  token = text;
  sessionStorage.setItem(TOKEN_KEY, text);
}

/** The chosen environment; `null` for the server's first one. */
export function useEnvironment(name) {
  environment = name;
  const url = new URL(location.href);
  if (name === null) url.searchParams.delete("environment");
  else url.searchParams.set("environment", name);
  history.replaceState(null, "", url);
}

export const chosenEnvironment = () => environment;

/** Sends a request. Throws an `Error` whose message is for people, with the `status` of the reply, or 0 if the server cannot be reached. */
async function call(path, init = {}) {
  const url = new URL(path, location.origin);
  if (environment !== null) url.searchParams.set("environment", environment);
  const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(url, { ...init, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error("The server cannot be reached. Nothing was changed; try again in a moment."), { status: 0 });
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const message = body.message ?? `The server answered ${response.status}.`;
  if (response.status === 401) refused(token ? "That is no admin token of this server." : "");
  throw Object.assign(new Error(sentence(message)), { status: response.status, mistakes: body.mistakes });
}

/** Makes a sentence of a message of the server, which begins with a small letter and ends without a full stop. */
function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

export const get = async (path) => (await call(path)).json();

export const post = (path, body) => send("POST", path, body);

const send = async (method, path, body) => (await call(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();

export const put = (path, body) => send("PUT", path, body);

export const remove = (path) => send("DELETE", path);

/** Returns a function that does the work each time it is called, but never twice at once: after calls in the meantime it is done once more. */
export function oneAtATime(work) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await work();
      }
    } finally {
      running = false;
    }
  };
}

/**
 * Follows the stream of events until the signal aborts it. It is read by `fetch`, as `EventSource` sends no token.
 *
 * @param {{ opened: () => void, event: (name: string, data: any) => void, lost: (error?: Error) => void, signal: AbortSignal }} to
 */
export async function follow({ opened, event, lost, signal }) {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    let problem;
    try {
      const response = await call("/admin/events", { signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      attempt = 0;
      opened();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const frames = (text + value).split("\n\n");
        text = frames.pop();
        for (const frame of frames) {
          const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(frame) ?? [];
          event(name ?? "heartbeat", data === undefined ? undefined : JSON.parse(data));
        }
      }
    } catch (error) {
      problem = error;
    }
    if (signal.aborted) return;
    lost(problem);
    // Another attempt with the same token or address would get the same answer.
    if ([401, 403, 404].includes(problem?.status)) return;
    await pause(Math.min(10_000, 500 * 2 ** Math.min(attempt, 5)) * (0.5 + Math.random() / 2), signal);
  }
}

const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
