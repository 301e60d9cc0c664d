//! The hash that puts targets into buckets: MurmurHash3, x86, 32 bits, seed 0.
//!
//! Source: <https://github.com/aappleby/smhasher/wiki/MurmurHash3>, a public-domain algorithm. Every SDK of this
//! protocol must hash alike, so the vectors in `vectors/hash/murmur3.json` must never change.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// Hashes bytes, which for texts are their UTF-8.
#[must_use]
pub fn murmur3_x86_32(bytes: &[u8], seed: u32) -> u32 {
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = seed;
    for block in blocks {
        hash ^= scramble(u32::from_le_bytes(*block));
        hash = hash
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let last = tail
        .iter()
        .rev()
        .fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
    if !tail.is_empty() {
        hash ^= scramble(last);
    }
    // The algorithm mixes in the length modulo 2^32.
    hash ^= bytes.len() as u32;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// Returns the bucket, from 1 to 100, of a target whose attribute `by` has the value `value`.
///
/// Neither the flag nor the environment is part of the hash: a target has the same bucket in every flag that
/// buckets by the same attribute. The published SDKs do it so.
#[must_use]
pub fn bucket(by: &str, value: &str) -> u8 {
    let mut input = String::with_capacity(by.len().saturating_add(value.len()).saturating_add(1));
    input.push_str(by);
    input.push(':');
    input.push_str(value);
    // The number is at most 100, so the cast cuts nothing off.
    (murmur3_x86_32(input.as_bytes(), 0) % 100).saturating_add(1) as u8
}

fn scramble(word: u32) -> u32 {
    word.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2)
}
