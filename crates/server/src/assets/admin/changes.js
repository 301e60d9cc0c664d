// Lists the changes of flags and groups: who made them, when, and the text before and after. The last change of each can be undone.

import { button, el, fill, make, mistake, mistakeLine, set, toast } from "./dom.js";
import { get, oneAtATime } from "./server.js";
import { code, time } from "./words.js";

/** How many changes of a single flag are listed at first, and how many more each time. */
const PAGE = 30;
const OF_FLAG = 5;

/** The server lists at most this many changes in one reply. */
const AT_ONCE = 100;

/** A difference that has more lines than this is folded. */
const FOLDED = 6;

let actions;
let editable = false;
/** Whether the server logs changes, which it does where the flags are in a file. */
let logged = false;
/** The name of the user's token if it may only read; undefined otherwise. */
let reader;
let shownNow = false;
let wanted = PAGE;
/** The functions that update the lists of open flags, by the elements of these lists. */
const lists = new Map();

export function start(given) {
  actions = given;
  el("changes-flag").addEventListener("input", () => {
    wanted = PAGE;
    changed();
  });
  el("changes-more").addEventListener("click", () => {
    wanted += PAGE;
    changed();
  });
}

export function show(overview) {
  const before = [editable, reader];
  editable = overview.editable;
  logged = overview.logged;
  el("changes-tab").hidden = !logged;
  reader = overview.reader;
  if (before[0] !== editable || before[1] !== reader) changed();
}

export function visible(shown) {
  shownNow = shown;
  if (shown) changed();
}

/** Lists only the changes of this flag or group. */
export function only(name) {
  el("changes-flag").value = name;
}

/** Fetches the changes again if this view is visible. */
export function changed() {
  if (shownNow) void refresh();
  for (const [node, update] of lists) {
    if (!node.isConnected) lists.delete(node);
    else if (node.checkVisibility()) update();
  }
}

const refresh = oneAtATime(async () => {
  const name = el("changes-flag").value.trim();
  try {
    const { changes, more, damaged } = await load(name, wanted);
    const skipped = damaged > 0 ? ` ${damaged.toLocaleString("en")} damaged ${damaged === 1 ? "line of the log is" : "lines of the log are"} left out.` : "";
    el("changes-summary").textContent = `Every change of a flag or group, by this page and in the file, the newest first.${skipped}`;
    draw(el("changes"), changes);
    el("changes-more").hidden = !more;
    el("changes-none").hidden = changes.length > 0;
    el("changes-none").textContent = name === "" ? "Nothing has changed yet. What changes shows up here as it happens." : `No change of ${name} is in the log.`;
    mistake(el("changes-mistake"), "");
  } catch (error) {
    mistake(el("changes-mistake"), error.message);
  }
});

async function load(name, count) {
  const of = name === "" ? "" : `&flag=${encodeURIComponent(name)}&group=${encodeURIComponent(name)}`;
  const all = [];
  for (;;) {
    const before = all.length > 0 ? `&before=${all.at(-1).id}` : "";
    const { changes, more, damaged } = await get(`/admin/changes?limit=${Math.min(AT_ONCE, count - all.length)}${of}${before}`);
    all.push(...changes);
    if (!more || all.length >= count) return { changes: all, more, damaged };
  }
}

export const areLogged = () => logged;

/** Returns the last changes of one flag, for its details. They are updated for as long as they are visible. */
export function ofFlag(name) {
  const list = make("ol", "changes");
  const wrong = mistakeLine();
  const link = make("a", "", "All its changes");
  link.href = `#changes/${encodeURIComponent(name)}`;
  const none = make("p", "word", "none in the log");
  const more = make("p", "", link);
  const update = oneAtATime(async () => {
    try {
      const loaded = await load(name, OF_FLAG);
      const changes = loaded.changes.filter((one) => one.what.flag === name);
      draw(list, changes);
      none.hidden = changes.length > 0;
      more.hidden = !loaded.more;
      mistake(wrong, "");
    } catch (error) {
      none.hidden = true;
      more.hidden = true;
      mistake(wrong, error.message);
    }
  });
  none.hidden = true;
  more.hidden = true;
  const node = make("div", "", list, none, more, wrong);
  lists.set(node, () => void update());
  return { node, update: () => void update() };
}

function draw(list, changes) {
  const inside = list.contains(document.activeElement);
  const drawn = fill(list, [changes, editable, reader], () => changes.map((change) => entry(change, list)));
  // The button that had the focus may be gone.
  if (drawn && inside && !list.contains(document.activeElement)) (list.querySelector("button:enabled") ?? set(list, { tabindex: "-1" })).focus();
}

function entry(change, list) {
  const name = change.what.flag ?? change.what.group;
  const who = change.by === "file" ? [make("span", "word", "in the file")] : [make("span", "word", "by "), set(make("b", "", change.by), { title: change.address })];
  const wrong = mistakeLine();
  const undo = change.last && (editable || reader) ? button("quiet undo", "Undo", press, { "aria-label": `Undo the last change of ${name}` }) : null;
  if (undo && !editable) set(undo, { disabled: true, title: `Your token, ${reader}, may read, not edit.` });

  async function press() {
    undo.disabled = true;
    mistake(wrong, "");
    try {
      await actions.undo(change.id);
      toast(`The last change of ${name} is undone.`);
      changed();
    } catch (error) {
      undo.disabled = false;
      mistake(wrong, error.message);
      undo.focus();
    }
  }

  return make(
    "li",
    "change",
    make("p", "change-when", time(Date.parse(change.at)), " ", who),
    make("div", "change-what", make("p", "headline", make("span", "word", change.what.group === undefined ? "Flag " : "Group "), code(name), `: ${change.change}`), difference(change, list), wrong),
    undo,
  );
}

/** Returns the lines that differ, with a few unchanged lines around them that show the place. */
function difference({ from, to, omitted }) {
  if (omitted) return make("p", "word", "The definition is too long to be shown.");
  const [old, now] = [from, to].map((text) => (text === null ? [] : text.split("\n")));
  let same = 0;
  while (same < Math.min(old.length, now.length) && old[same] === now[same]) same += 1;
  let end = 0;
  while (end < Math.min(old.length, now.length) - same && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const lines = [...old.slice(same, old.length - end).map((text) => line("−", "was", text)), ...now.slice(same, now.length - end).map((text) => line("+", "is", text))];
  if (lines.length === 0) return null;
  const drawn = make("div", "difference", lines);
  if (lines.length <= FOLDED) return drawn;
  return make("details", "nested", make("summary", "", `${lines.length.toLocaleString("en")} lines differ`), drawn);
}

function line(sign, word, text) {
  return make("p", `line ${word}`, set(make("span", "sign", sign), { "aria-hidden": "true" }), make("span", "sr-only", `${word}: `), make("span", "line-text", text === "" ? " " : text));
}
