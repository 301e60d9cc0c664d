// Plots as SVG text: horizontal bars, plain or logarithmic. Readable on white and on dark pages, without scripts or fonts.

import { short } from "./stats.mjs";

const ROW = 24;
const GAP = 10;
const LABELS = 350;
const PLOT = 430;
const NUMBERS = 150;
const OURS = "#0b7a75";
const OTHERS = "#8a94a6";

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value
 * @property {number} [low] with `high`, the bounds between which half of the samples lie
 * @property {number} [high]
 * @property {boolean} [ours]
 * @property {string} [group] a heading over this bar and those that follow
 */

/**
 * @param {{ title: string, unit: string, rows: Bar[], log?: boolean }} plot
 * @returns {string}
 */
export function bars({ title, unit, rows, log = false }) {
  if (rows.length === 0) throw new Error(`nothing to plot in “${title}”`);
  const top = Math.max(...rows.map(({ value, high }) => Math.max(value, high ?? value)));
  const least = Math.min(...rows.map(({ value, low }) => Math.min(value, low ?? value)).filter((value) => value > 0));
  // A logarithmic bar has no zero to start from; it starts at the power of ten below the least.
  const floor = log ? 10 ** Math.floor(Math.log10(least) - 0.001) : 0;
  const at = (/** @type {number} */ value) => {
    if (!log) return (value / top) * PLOT;
    return value <= floor ? 0 : (Math.log10(value / floor) / Math.log10(top / floor)) * PLOT;
  };
  /** @type {string[]} */
  const parts = [];
  let y = 46;
  for (const { label, value, low, high, ours, group } of rows) {
    if (group) {
      y += GAP;
      parts.push(text(8, y + 15, group, { weight: 600 }));
      y += ROW;
    }
    parts.push(text(LABELS - 10, y + 15, label, { anchor: "end", weight: ours ? 600 : 400 }));
    parts.push(`<rect x="${LABELS}" y="${y + 3}" width="${round(Math.max(at(value), 1))}" height="${ROW - 8}" rx="2" fill="${ours ? OURS : OTHERS}"/>`);
    let end = at(value);
    if (low !== undefined && high !== undefined) {
      const [from, to] = [LABELS + at(low), LABELS + at(high)];
      parts.push(`<path d="M${round(from)} ${y + 7}v8m0-4H${round(to)}m0-4v8" stroke="#d1495b" stroke-width="1.5" fill="none"/>`);
      end = Math.max(end, at(high));
    }
    parts.push(text(LABELS + end + 8, y + 15, `${short(value)} ${unit}`));
    y += ROW;
  }
  for (const tick of ticks(log, floor, top)) {
    const x = round(LABELS + at(tick));
    parts.unshift(`<path d="M${x} 40V${y}" stroke="#c5cad3" stroke-width="0.5"/>`);
    parts.push(text(x, y + 16, short(tick), { anchor: "middle", size: 11 }));
  }
  const [width, height] = [LABELS + PLOT + NUMBERS, y + 28];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}" font-family="system-ui, sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(8, 24, title, { weight: 600, size: 15 }),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/**
 * @param {boolean} log
 * @param {number} floor
 * @param {number} top
 */
function ticks(log, floor, top) {
  if (log) {
    const powers = Math.floor(Math.log10(top / floor) + 0.001);
    return Array.from({ length: powers + 1 }, (_, power) => floor * 10 ** power);
  }
  const rough = top / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * (rough / unit >= 5 ? 5 : rough / unit >= 2 ? 2 : 1);
  return Array.from({ length: Math.floor(top / step + 0.001) + 1 }, (_, index) => index * step);
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {{ anchor?: string, weight?: number, size?: number }} [options]
 */
function text(x, y, content, { anchor = "start", weight = 400, size = 13 } = {}) {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="#1c2430">${escape(content)}</text>`;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** @param {string} content */
function escape(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
