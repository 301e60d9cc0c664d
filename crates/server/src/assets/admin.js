// The admin page: shows all flags, changes them, and follows changes made elsewhere.

const el = (id) => document.getElementById(id);
const TOKEN_KEY = "flagwire-admin-token";
const ROLLOUT = "\0rollout";

/** Rows by flag: kept across updates, so that focus and open details stay. */
const rows = new Map();
let shown;
let token = sessionStorage.getItem(TOKEN_KEY);

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

async function call(path, init = {}) {
  const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(path, { ...init, headers, cache: "no-store" });
  if (response.ok) {
    el("token-form").hidden = true;
    return response;
  }
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) {
    el("token-form").hidden = false;
    el("token").select();
    if (token) toast("That is not this server's admin token.", true);
  }
  throw Object.assign(new Error(body.message ?? `The server answered ${response.status}.`), { status: response.status });
}

let toastTimer;
function toast(text, bad = false) {
  const node = el("toast");
  node.textContent = text;
  node.classList.toggle("bad", bad);
  node.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => node.classList.remove("shown"), bad ? 8000 : 2500);
}

async function change(flag, body, done) {
  try {
    const response = await call(`/admin/flags/${encodeURIComponent(flag)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    show(await response.json());
    toast(done);
  } catch (error) {
    toast(error.message, true);
    if (shown) show(shown);
  }
}

function row(view) {
  const item = make("li", "flag");
  const name = make("h3", "name");
  const kind = make("span", "kind");
  name.append(make("span", "", view.flag), kind);
  const pick = make("label", "pick");
  const select = make("select");
  pick.append(make("span", "sr-only", `Default variation of ${view.flag}`), select);
  const toggle = make("button", "switch");
  toggle.type = "button";
  toggle.setAttribute("role", "switch");
  toggle.setAttribute("aria-label", `${view.flag} is on`);
  const word = make("span", "word");
  toggle.append(make("span", "track"), word);
  const rules = make("ul", "rules");
  const details = make("details");
  const summary = make("summary");
  const values = make("table", "values");
  details.append(summary, values);
  item.append(name, pick, toggle, rules, details);

  toggle.addEventListener("click", () => {
    const on = toggle.getAttribute("aria-checked") !== "true";
    const body = parts.plain ? { state: "on", default: String(on) } : { state: on ? "on" : "off" };
    change(view.flag, body, `${view.flag} is ${on ? "on" : "off"}`);
  });
  select.addEventListener("change", () => {
    change(view.flag, { default: select.value }, `${view.flag} serves ${select.value} by default`);
  });
  const parts = { item, kind, select, toggle, word, rules, details, summary, values, text: "" };
  rows.set(view.flag, parts);
  return parts;
}

function update(parts, view, editable) {
  const text = JSON.stringify([view, editable]);
  if (parts.text === text) return;
  const differs = parts.text !== "" && signature(parts.text) !== signature(text);
  parts.text = text;
  const { item, kind, select, toggle, word, rules, values, summary } = parts;
  parts.plain = isPlain(view);
  const on = view.on && !(parts.plain && view.default === "false");
  item.classList.toggle("is-off", !on);
  kind.textContent = view.kind;
  toggle.setAttribute("aria-checked", String(on));
  toggle.disabled = !editable;
  word.textContent = on ? "On" : "Off";
  select.parentElement.hidden = parts.plain;

  const options = view.variations.map(({ identifier }) => new Option(identifier, identifier));
  if (view.default === undefined) options.unshift(new Option(view.serves, ROLLOUT));
  select.replaceChildren(...options);
  select.value = view.default ?? ROLLOUT;
  select.disabled = !editable || options.length < 2;

  rules.replaceChildren(
    ...(view.on || parts.plain ? view.rules : [{ when: "off, so everybody gets", serves: view.off }, ...view.rules]).map((rule) => {
      const line = make("li");
      line.append(make("span", "", rule.when), make("span", "serves", rule.serves));
      return line;
    }),
  );
  summary.textContent = `${view.variations.length} ${view.variations.length === 1 ? "variation" : "variations"}`;
  const counted = view.variations.some(({ count }) => count > 0);
  values.replaceChildren(
    ...view.variations.map((variation) => {
      const line = make("tr");
      const head = make("th", "", variation.identifier);
      head.scope = "row";
      line.append(head, make("td", "", variation.value === "" ? "(empty)" : variation.value));
      if (counted) line.append(make("td", "count", `${variation.count.toLocaleString()}\u00a0×\u00a0served`));
      return line;
    }),
  );
  if (differs) {
    item.classList.remove("changed");
    // Reading the layout lets the animation start anew.
    void item.offsetWidth;
    item.classList.add("changed");
  }
}

/** A boolean that is the same for everybody: its switch is its value, as "off" and "serves false" would be the same to see. */
function isPlain(view) {
  return view.kind === "boolean" && view.rules.length === 0 && ["true", "false"].includes(view.default) && view.off === "false";
}

/** What about a flag is worth a highlight: counts are not. */
function signature(text) {
  return text.replaceAll(/"count":\d+/g, "");
}

function show(state) {
  shown = state;
  el("tools").hidden = false;
  el("environment").textContent = state.environment;
  document.title = `Flags · ${state.environment} · Flagwire`;
  const streams = `${state.streams} open ${state.streams === 1 ? "stream" : "streams"}`;
  const flags = `${state.flags.length} ${state.flags.length === 1 ? "flag" : "flags"}`;
  el("summary").textContent = `${flags} from ${state.source.source} · ${streams}`;
  const problem = el("problem");
  problem.hidden = !state.source.error;
  if (state.source.error) {
    problem.replaceChildren(make("strong", "", "The last good version stays in force:"), state.source.error);
  }

  const list = el("flags");
  const names = new Set(state.flags.map((view) => view.flag));
  for (const [flag, parts] of rows) {
    if (names.has(flag)) continue;
    parts.item.remove();
    rows.delete(flag);
  }
  state.flags.forEach((view, index) => {
    const parts = rows.get(view.flag) ?? row(view);
    update(parts, view, state.editable);
    if (list.children[index] !== parts.item) list.insertBefore(parts.item, list.children[index] ?? null);
  });
  filter();

  el("groups-section").hidden = state.groups.length === 0;
  el("groups").replaceChildren(
    ...state.groups.map((group) => {
      const item = make("li", "group");
      item.append(make("h3", "name", group.group), ...group.members.map((text) => make("p", "", text)));
      return item;
    }),
  );
}

function filter() {
  const wanted = el("search").value.trim().toLowerCase();
  let visible = 0;
  for (const [flag, parts] of rows) {
    const match = flag.toLowerCase().includes(wanted);
    parts.item.hidden = !match;
    if (match) visible += 1;
  }
  el("none").hidden = visible > 0 || rows.size === 0;
}

let asking = false;
let askAgain = false;
async function refresh() {
  // One request at a time; what happens meanwhile is asked for once more.
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  try {
    do {
      askAgain = false;
      show(await (await call("/admin/state")).json());
    } while (askAgain);
  } finally {
    asking = false;
  }
}

function live(state, text) {
  el("live").dataset.state = state;
  el("live-text").textContent = text;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Follows changes for as long as the page is open. The stream is read by hand, as `EventSource` sends no token. */
async function follow() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await call("/admin/events");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      await refresh();
      live("live", "Live");
      attempt = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        // Heartbeats are comments; they are a good moment to look at the number of streams and counts.
        if (value.includes("data:") || value.startsWith(":")) await refresh();
      }
    } catch (error) {
      if (error.status === 401 || error.status === 403) {
        live("lost", "Closed");
        if (error.status === 403) {
          el("problem").hidden = false;
          el("problem").textContent = error.message;
        }
        return;
      }
    }
    live("lost", "Reconnecting");
    await pause(Math.min(10_000, 500 * 2 ** Math.min(attempt, 5)) * (0.5 + Math.random() / 2));
  }
}

el("search").addEventListener("input", filter);
el("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = el("token").value;
  sessionStorage.setItem(TOKEN_KEY, token);
  follow();
});
follow();
