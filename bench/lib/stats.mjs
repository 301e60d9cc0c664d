// Numbers out of many samples, and numbers as text.

/**
 * @typedef {object} Summary
 * @property {number} n how many samples
 * @property {number} min
 * @property {number} p25
 * @property {number} median
 * @property {number} p75
 * @property {number} p99
 * @property {number} max
 */

/**
 * @param {number[]} samples
 * @param {number} share between 0 and 1
 */
export function quantile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/**
 * @param {number[]} samples
 * @returns {Summary}
 */
export function summary(samples) {
  if (samples.length === 0 || samples.some((sample) => !Number.isFinite(sample))) throw new Error(`no summary of [${samples.slice(0, 5)}]`);
  const at = (/** @type {number} */ share) => quantile(samples, share);
  return { n: samples.length, min: at(0), p25: at(0.25), median: at(0.5), p75: at(0.75), p99: at(0.99), max: at(1) };
}

/** @param {number} value with three significant digits, and no more decimals than that takes */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3 });
}

/** @param {Summary} of the median, and between which bounds half of the samples lie */
export function spread({ median, p25, p75 }) {
  return `${short(median)} (${short(p25)}–${short(p75)})`;
}

/** @param {number} bytes */
export function bytes(bytes) {
  return Math.round(bytes).toLocaleString("en");
}

/**
 * A Markdown table; the first column is text, the others are numbers.
 *
 * @param {string[]} head
 * @param {(string | number)[][]} rows
 */
export function table(head, rows) {
  const line = (/** @type {(string | number)[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n");
}

/**
 * The same things in an order that differs from round to round, so that none always follows the same other.
 *
 * @template T
 * @param {T[]} items
 * @param {number} round
 */
export function interleaved(items, round) {
  const shift = round % items.length;
  const turned = [...items.slice(shift), ...items.slice(0, shift)];
  return Math.floor(round / items.length) % 2 === 1 ? turned.reverse() : turned;
}
