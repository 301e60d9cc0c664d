// Describes flags, rules and times in words, and builds the small elements that show them.

import { make, set } from "./dom.js";

const OPERATORS = {
  equal: "is",
  equal_sensitive: "is exactly",
  in: "is one of",
  starts_with: "starts with",
  ends_with: "ends with",
  contains: "contains",
  match: "matches",
  gt: "comes after",
};

const SVG = "http://www.w3.org/2000/svg";

/** How many colours there are for variations. */
const HUES = 6;

/** This many entries of a list are shown before "and 12 more". */
const SHOWN = 8;

/** Returns the colour of a variation. The "false" of a boolean has none, because it stands for the time before the flag. */
function hueOf(name, flag) {
  const at = flag ? flag.variations.findIndex((one) => one.identifier === name) : -1;
  if (at < 0) return undefined;
  return flag.kind === "boolean" && name === "false" ? "off" : String(at % HUES);
}

/** Returns a variation's name in its colour, which is the same everywhere in a flag. */
export function variation(name, flag) {
  const chip = make("span", "variation", make("span", "swatch"), make("span", "", name === "" || name === undefined ? "nothing" : name));
  const hue = hueOf(name, flag);
  if (hue !== undefined) chip.dataset.hue = hue;
  return chip;
}

export const code = (text) => make("code", "", text === "" ? "(empty)" : text);

/** Joins texts as `a, b or c`. Of a long list only the first ones are shown. */
export function listed({ first, total }, word = "or", show = code) {
  const shown = first.slice(0, total > SHOWN + 1 ? SHOWN : SHOWN + 1);
  const rest = total - shown.length;
  return shown.flatMap((text, at) => {
    const last = at === shown.length - 1 && rest === 0;
    return [at === 0 ? "" : last ? ` ${word} ` : ", ", show(text)];
  }).concat(rest > 0 ? [` ${word} ${rest.toLocaleString("en")} more`] : []);
}

export const all = (list) => ({ first: list, total: list.length });

/** Returns a condition in words. */
export function clause({ attribute, op, values }) {
  const many = Array.isArray(values) ? all(values) : values;
  if (op === "segmentMatch") return [make("span", "word", "in group "), ...listed(many)];
  const only = op === "in" ? many : { first: many.first.slice(0, 1), total: Math.min(1, many.total) };
  const words = OPERATORS[op];
  return [make("span", "attribute", attribute), make("span", "word", ` ${words ?? `${op} (unknown, so never)`} `), ...listed(only)];
}

/** Returns conditions that must all hold, in words. */
export function clauses(list) {
  if (list.length === 0) return [make("span", "word", "never: it has no condition")];
  return list.flatMap((one, at) => [at === 0 ? "" : make("b", "word", " and "), ...clause(one)]);
}

/** Returns an element for what is served: a variation, or shares as a bar with a legend. */
export function serving(serve, flag) {
  const { variation: name, distribution } = serve;
  if (!distribution) return variation(name ?? "", flag);
  return rollout(distribution.variations, flag, { by: distribution.bucketBy });
}

/** Returns shares as a bar, with a mark at the bucket if one is given. */
export function rollout(shares, flag, { by, bucket } = {}) {
  const text = shares.map((share) => `${share.weight} % ${share.variation}`).join(", ");
  const drawn = document.createElementNS(SVG, "svg");
  set(drawn, { class: "rollout-bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": text });
  let at = 0;
  shares.forEach((share, index) => {
    const width = index === shares.length - 1 ? Math.max(0, 100 - at) : Math.max(0, Math.min(share.weight, 100 - at));
    const rect = document.createElementNS(SVG, "rect");
    set(rect, { x: at, y: 0, width: Math.max(0, width - (index === shares.length - 1 ? 0 : 0.4)), height: 8, "data-hue": hueOf(share.variation, flag) ?? "off" });
    drawn.append(rect);
    at += width;
  });
  if (bucket) {
    const mark = document.createElementNS(SVG, "rect");
    drawn.append(set(mark, { class: "bucket", x: bucket - 1, y: 0, width: 1, height: 8 }));
  }
  const legend = make(
    "span",
    "shares",
    shares.map((share) => make("span", "share", make("b", "", `${share.weight} %`), " ", variation(share.variation, flag))),
    by && by !== "identifier" ? make("span", "by", "by ", make("span", "attribute", by)) : null,
  );
  return make("span", "rollout", drawn, legend);
}

/** Returns the name of a rule; an empty text for a name that the reader of flags files has made up for a rule without one. */
export const ruleName = (name) => (name && !/^rule-\d+$/.test(name) ? name : "");

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];

/** Returns a time as "3 minutes ago", with the exact one on hover. `tellTimes` keeps it up to date. */
export function time(milliseconds) {
  const node = make("time");
  const date = new Date(milliseconds);
  node.dateTime = date.toISOString();
  node.title = date.toLocaleString();
  node.textContent = ago(milliseconds);
  return node;
}

function ago(milliseconds) {
  const seconds = Math.max(0, Math.round((Date.now() - milliseconds) / 1000));
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return RELATIVE.format(-Math.floor(seconds / length), unit);
  }
  return seconds < 10 ? "just now" : RELATIVE.format(-Math.floor(seconds / 10) * 10, "second");
}

export function tellTimes(within) {
  for (const node of within.querySelectorAll("time")) {
    const text = ago(Date.parse(node.dateTime));
    if (node.textContent !== text) node.textContent = text;
  }
}
