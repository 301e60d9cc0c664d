// The bucket of a target, as crates/evaluation computes it. A test compares both by the vectors of that crate.

const encoder = new TextEncoder();

/** MurmurHash3, x86, 32 bits, seed 0. @param {Uint8Array} bytes */
function murmur3(bytes) {
  let hash = 0;
  const whole = bytes.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    hash ^= scramble(bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let word = 0;
  for (let at = bytes.length - 1; at >= whole; at -= 1) word = (word << 8) | bytes[at];
  if (whole < bytes.length) hash ^= scramble(word);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** @param {number} word */
function scramble(word) {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** From 1 to 100. @param {string} by the attribute @param {string} value what the target has there */
export function bucket(by, value) {
  return (murmur3(encoder.encode(`${by}:${value}`)) % 100) + 1;
}
