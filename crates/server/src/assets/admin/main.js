// The admin page: it shows one environment, and is kept up to date by a stream of its events.

import * as changes from "./changes.js";
import { el, fill, make, mistake, options, toast } from "./dom.js";
import * as editor from "./editor.js";
import * as events from "./events.js";
import * as flags from "./flags.js";
import { chosenEnvironment, follow, get, oneAtATime, onRefused, post, useEnvironment, useToken } from "./server.js";
import * as source from "./source.js";
import * as streams from "./streams.js";
import * as why from "./why.js";
import { tellTimes } from "./words.js";

const VIEWS = ["flags", "why", "changes", "streams", "events"];

/** The overview, with its flags and groups. */
let shown;
/** Who uses this page, and whether this user may `read` or `edit`. */
let user;

function show(overview) {
  // The reply leaves flags and groups out if they have not changed since the last one.
  shown = overview.flags ? overview : { ...overview, flags: shown.flags, groups: shown.groups };
  user = overview.user ?? user;
  const reads = user?.may === "read";
  // Where flags can be changed, the changes are logged.
  shown.logged ??= shown.editable;
  // Controls that change something are offered only while this is true.
  shown.editable &&= !reads;
  shown.reader = reads ? user.name : undefined;
  el("user").textContent = user && user.name !== "local" ? user.name : "";
  el("user").title = reads ? "may read, not edit" : "may edit";
  el("accept").disabled = reads;
  const { environment, environments, source: from } = shown;
  el("environment-label").hidden = false;
  options(el("environment"), environments.map((name) => [name, name]), environment);
  el("environment").disabled = environments.length < 2;
  el("flags-count").textContent = String(shown.flags.length);
  showStreams(shown.streams);
  if (from.error) showProblem("The last good version stays in force:", from.error);
  else showProblem("Flags are served as they should be, but:", from.warning ?? "", true);
  el("doubt").hidden = !shown.doubt;
  title();
  source.show(shown);
  editor.show(shown);
  changes.show(shown);
  flags.show(shown);
  why.show(shown);
}

function showStreams(count) {
  el("streams-count").textContent = count.toLocaleString("en");
}

function showProblem(headline, text, warning = false) {
  const node = el("problem");
  node.hidden = text === "";
  node.classList.toggle("warning", warning);
  fill(node, [headline, text], () => [make("strong", "", headline), text]);
}

function title() {
  const view = { flags: "Flags", why: "Why", changes: "Changes", streams: "Streams", events: "Events" }[current()];
  document.title = `${view}${shown ? ` · ${shown.environment}` : ""} · Flagwire`;
}

/** The view that the address names; `#why/dark-mode` also names a flag. */
const current = () => VIEWS.find((view) => location.hash.slice(1).split("/")[0] === view) ?? "flags";

function navigate() {
  const view = current();
  for (const section of document.querySelectorAll("[data-view]")) section.hidden = section.dataset.view !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const named = location.hash.indexOf("/");
  if (view === "why" && named > 0) why.ask(decodeURIComponent(location.hash.slice(named + 1)));
  if (view === "changes" && named > 0) changes.only(decodeURIComponent(location.hash.slice(named + 1)));
  changes.visible(view === "changes");
  streams.visible(view === "streams");
  title();
}

const refresh = oneAtATime(async () => {
  const known = shown?.content && shown.environment === (chosenEnvironment() ?? shown.environment) ? `?content=${shown.content}` : "";
  show(await get(`/admin/state${known}`));
});

function live(state, text) {
  el("live").dataset.state = state;
  if (el("live-text").textContent !== text) el("live-text").textContent = text;
}

let following = new AbortController();
function start() {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  const update = () => refresh().catch((error) => lost(error));
  const lost = (error) => {
    if (signal.aborted) return;
    const final = [401, 403, 404].includes(error?.status);
    live("lost", final ? "Closed" : "Reconnecting");
    if (error?.status === 403) showProblem("This page cannot be used here:", error.message);
    if (error?.status === 404 && chosenEnvironment() !== null) {
      // The address names an environment that does not exist any more.
      toast(error.message);
      useEnvironment(null);
      start();
    }
  };
  void follow({
    signal,
    opened: () => {
      el("token-form").hidden = true;
      live("live", "Live");
    },
    lost,
    event: (name, data) => {
      if (signal.aborted) return;
      if (name === "history") {
        events.start(data);
        void update();
        streams.changed();
        changes.changed();
      } else if (name === "activity") {
        events.add(data);
        el("announcer").textContent = events.sentence(data);
        // A replica that does not lead gets only the event of the change itself.
        if (data.kind === "edit") changes.changed();
      } else if (name === "changes") {
        changes.changed();
      } else if (name === "streams") {
        showStreams(data.count);
        streams.changed();
      } else {
        // Counts have no events of their own, so they are fetched at each heartbeat.
        void update();
      }
    },
  });
}

/** Changes a flag. Throws if that fails; nothing has changed then. */
async function change(flag, body) {
  show(await post(`/admin/flags/${encodeURIComponent(flag)}`, body));
}

/** Undoes a change. Throws if that fails; nothing has changed then. */
async function undo(id) {
  show(await post(`/admin/changes/${encodeURIComponent(id)}/undo`, {}));
}

el("accept").addEventListener("click", async () => {
  try {
    await post("/admin/accept", {});
    toast("What is missing is taken out.");
  } catch (error) {
    toast(error.message);
  }
});
source.start({ chosen: refresh });
editor.start();
flags.start({ change });
why.start();
changes.start({ undo });
streams.start();
onRefused((text) => {
  el("token-form").hidden = false;
  mistake(el("token-mistake"), text);
  el("token").focus();
  el("token").select();
});
el("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(el("token").value);
  start();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  // The fragment of the address names the view, so it cannot name the element to go to.
  event.preventDefault();
  el("content").focus();
});
el("environment").addEventListener("change", () => {
  useEnvironment(el("environment").value);
  shown = undefined;
  live("connecting", "Connecting");
  start();
});
addEventListener("hashchange", navigate);
// Times are shown as "3 minutes ago", so they are updated, but not every second.
setInterval(() => tellTimes(el("content")), 10_000);
navigate();
start();
