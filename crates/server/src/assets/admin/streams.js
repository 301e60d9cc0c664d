// Lists the readers of the open streams.

import { el, fill, make, mistake, plural } from "./dom.js";
import { get, oneAtATime } from "./server.js";
import { code, time } from "./words.js";

const TRANSPORTS = {
  fetch: "fetch",
  eventSource: "EventSource",
  server: "a server key",
  ofrep: "OpenFeature",
};

let shownNow = false;

export function start() {
  el("streams-search").addEventListener("input", changed);
}

export function visible(wanted) {
  shownNow = wanted;
  if (wanted) changed();
}

/** Fetches the readers again if this view is visible. */
export function changed() {
  if (shownNow) void refresh();
}

const refresh = oneAtATime(async () => {
  try {
    show(await get(`/admin/streams?search=${encodeURIComponent(el("streams-search").value)}`));
    mistake(el("streams-mistake"), "");
  } catch (error) {
    mistake(el("streams-mistake"), error.message);
  }
});

function show({ total, matching, byTransport, streams }) {
  const kinds = byTransport.map(([transport, count]) => `${count.toLocaleString("en")} by ${TRANSPORTS[transport] ?? transport}`);
  const cut = streams.length < matching ? ` The newest ${streams.length} of ${matching.toLocaleString("en")} are listed.` : "";
  const text = total === 0 ? "" : byTransport.length === 1 ? `${plural(total, "open stream")}, read by ${TRANSPORTS[byTransport[0][0]]}.${cut}` : `${plural(total, "open stream")}: ${kinds.join(", ")}.${cut}`;
  if (el("streams-summary").textContent !== text) el("streams-summary").textContent = text;
  el("streams").hidden = streams.length === 0;
  el("streams-none").hidden = streams.length > 0;
  el("streams-none").textContent = total === 0 ? "No stream is open. A page that uses a client SDK shows up here as it connects." : "No stream matches.";
  fill(el("streams").querySelector("tbody"), streams, () => streams.map(line));
}

function line({ target, transport, since, address }) {
  const who = target === undefined ? make("span", "word", transport === "server" ? "all flags" : "not told") : code(target);
  return make("tr", "", make("td", "", who), make("td", "", TRANSPORTS[transport] ?? transport), make("td", "", time(since * 1000)), make("td", "", address ?? ""));
}
