// Lists the events of this environment, the newest first.

import { el, make } from "./dom.js";
import { code, time } from "./words.js";

const LIMIT = 200;
const SOURCE = { starting: "is starting", live: "is live again", polling: "is polled", degraded: "cannot be read; the last good flags are still served" };

export function start(history) {
  el("events").replaceChildren(...history.map(entry).reverse());
  el("events-none").hidden = history.length > 0;
}

export function add(one) {
  const list = el("events");
  list.prepend(entry(one));
  while (list.children.length > LIMIT) list.lastElementChild.remove();
  el("events-none").hidden = true;
}

/** Returns one entry as a sentence, for screen readers. */
export const sentence = (one) => [...headline(one), one.kind === "edit" ? "" : one.details.join(", ")].map((part) => (typeof part === "string" ? part : part.textContent)).join(" ").trim();

function headline(one) {
  const what = one.domain === "target-segment" ? "Group" : "Flag";
  switch (one.kind) {
    case "change":
      return [what, code(one.identifier), { create: "is new", patch: "changed", delete: "is gone" }[one.change] ?? one.change];
    case "changes":
      return [`${one.more.toLocaleString("en")} more changes at once`];
    case "edit":
      return [code(one.by), one.domain === "target-segment" ? "changed group" : "changed", code(one.flag), `here: ${one.details.join(", ")}`];
    default:
      return [`The source ${one.healthy || one.state === "degraded" || one.state === "starting" ? (SOURCE[one.state] ?? one.state) : "has a problem"}`];
  }
}

function entry(one) {
  const bad = one.kind === "source" && !one.healthy;
  const others = one.affectedTotal > 0
    ? make("p", "affected", "also concerns ", one.affected.flatMap((flag, at) => [at === 0 ? "" : ", ", code(flag)]), one.affectedTotal > one.affected.length ? ` and ${one.affectedTotal - one.affected.length} more` : "")
    : null;
  return make(
    "li",
    `event ${bad ? "bad" : (one.change ?? one.kind)}`,
    time(one.at),
    make(
      "div",
      "event-text",
      make("p", "headline", headline(one).flatMap((part, at) => [at === 0 ? "" : " ", part])),
      one.kind !== "edit" && one.details.length > 0 && make("ul", "details", one.details.map((text) => make("li", "", text))),
      others,
    ),
  );
}
