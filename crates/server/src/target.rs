//! Reads which target a request is for, and stores targets that are too long for a token.
//!
//! A client names its target three times: when it signs in, in the path, and in the header `Harness-Target`. The path
//! decides which target it is. The attributes come from the header, or else from the token, if that names the same
//! target.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flagwire_core::protocol::Target;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json;
use crate::peer::network;

/// The longest header that is read: the published JavaScript SDK leaves it out from this length on.
const MAX_HEADER_CHARS: usize = 262_144;

/// Base64 is read also without padding and with unused bits set in the last character, as clients with an encoder of
/// their own send it.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads the header `Harness-Target`: base64 of the target's JSON. Returns `None` if it cannot be read; the request is
/// then served without the header, as the published relay does.
pub(crate) fn from_header(text: &[u8]) -> Option<Target> {
    if text.len() > MAX_HEADER_CHARS {
        return None;
    }
    let bytes = STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()?;
    let text = utf8_or_cesu8(bytes)?;
    from_json(json::from_slice(text.as_bytes()).ok()?)
}

/// Reads a target from JSON. An identifier may also be a number or a boolean, as applications pass objects of their own
/// to the SDK. Returns `None` without an identifier.
pub(crate) fn from_json(json: Value) -> Option<Target> {
    let Value::Object(mut map) = json else {
        return None;
    };
    let identifier = match map.remove("identifier")? {
        Value::String(text) if !text.is_empty() => text,
        scalar @ (Value::Number(_) | Value::Bool(_)) => scalar.to_string(),
        _ => return None,
    };
    Some(Target {
        identifier,
        name: match map.remove("name") {
            Some(Value::String(name)) if !name.is_empty() => Some(name),
            _ => None,
        },
        anonymous: map.remove("anonymous").and_then(|value| value.as_bool()),
        attributes: match map.remove("attributes") {
            Some(Value::Object(attributes)) => Some(attributes),
            _ => None,
        },
    })
}

/// Decodes UTF-8 in which a character outside the Basic Multilingual Plane may be written as two surrogates of three
/// bytes each (CESU-8), as the published JavaScript SDK writes emoji.
fn utf8_or_cesu8(bytes: Vec<u8>) -> Option<String> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error.into_bytes(),
    };
    let mut repaired = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    loop {
        rest = match rest {
            [] => break,
            [
                0xED,
                a @ 0xA0..=0xAF,
                b @ 0x80..=0xBF,
                0xED,
                c @ 0xB0..=0xBF,
                d @ 0x80..=0xBF,
                tail @ ..,
            ] => {
                let high = u32::from(a & 0x0F) << 6 | u32::from(b & 0x3F);
                let low = u32::from(c & 0x0F) << 6 | u32::from(d & 0x3F);
                let character = char::from_u32(0x1_0000 + (high << 10) + low)?;
                repaired.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                tail
            }
            [byte, tail @ ..] => {
                repaired.push(*byte);
                tail
            }
        };
    }
    // A lone surrogate is replaced by U+FFFD, as in JSON where it is escaped.
    Some(String::from_utf8_lossy(&repaired).into_owned())
}

/// Returns a hash of a configuration and a target in 24 hex digits. It is the same on every replica and for every order
/// of attributes.
pub(crate) fn fingerprint(content: &str, target: &Target) -> String {
    let mut json = serde_json::to_value(target).unwrap_or_default();
    sort_keys(&mut json);
    let mut hash = Sha256::new();
    hash.update(content);
    hash.update(json.to_string());
    crate::auth::hex(hash.finalize().get(..12).unwrap_or_default())
}

fn sort_keys(json: &mut Value) {
    match json {
        Value::Object(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort_keys);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_keys),
        _ => {}
    }
}

/// Returns a target with nothing but its identifier.
pub(crate) fn bare(identifier: &str) -> Target {
    Target {
        identifier: identifier.to_owned(),
        ..Target::default()
    }
}

/// Stores targets that are too long for a token, up to a limit of number and bytes. A target that was dropped is
/// evaluated by its identifier alone until its client sends it again.
///
/// A client key is public, and with it anybody can store targets. So past a limit the oldest targets are dropped of the
/// address that has stored the most bytes, and other addresses keep theirs. Targets are stored as text, as a parsed one
/// takes up to sixteen times as much memory.
#[derive(Debug, Default)]
pub(crate) struct TargetStore {
    inner: Mutex<Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    by_hash: HashMap<String, Box<str>>,
    by_address: HashMap<IpAddr, Share>,
    bytes: usize,
}

/// The targets that one address was the first to store.
#[derive(Debug, Default)]
struct Share {
    /// The hashes of the targets, the oldest first.
    oldest_first: VecDeque<String>,
    bytes: usize,
}

const MAX_STORED: usize = 10_000;
const MAX_STORED_BYTES: usize = 64 * 1024 * 1024;

/// About how many bytes an entry takes besides its text.
const STORED_OVERHEAD: usize = 300;

impl TargetStore {
    /// Stores the JSON of a target that this address has sent. Returns the hash by which `get` returns the target.
    pub(crate) fn put(&self, json: &str, address: IpAddr) -> String {
        let hash = crate::auth::hex(&Sha256::digest(json.as_bytes()));
        let mut stored = self.inner.lock();
        stored.put(&hash, json, network(address));
        stored.shrink();
        hash
    }

    pub(crate) fn get(&self, hash: &str) -> Option<Target> {
        let json = {
            let stored = self.inner.lock();
            stored.by_hash.get(hash)?.clone()
        };
        serde_json::from_str(&json).ok()
    }
}

impl Stored {
    fn put(&mut self, hash: &str, json: &str, address: IpAddr) {
        if self.by_hash.contains_key(hash) {
            return;
        }
        let bytes = json.len() + STORED_OVERHEAD;
        self.by_hash.insert(hash.to_owned(), json.into());
        self.bytes += bytes;
        let share = self.by_address.entry(address).or_default();
        share.bytes += bytes;
        share.oldest_first.push_back(hash.to_owned());
    }

    /// Drops targets until the store is within its limits.
    fn shrink(&mut self) {
        while self.bytes > MAX_STORED_BYTES || self.by_hash.len() > MAX_STORED {
            if !self.forget_one() {
                return;
            }
        }
    }

    /// Drops the oldest target of the address that has stored the most bytes. Returns whether there was anything to
    /// drop.
    fn forget_one(&mut self) -> bool {
        let largest = self.by_address.iter().max_by_key(|(_, share)| share.bytes);
        let Some(address) = largest.map(|(address, _)| *address) else {
            return false;
        };
        let share = self.by_address.get_mut(&address);
        let Some(hash) = share.and_then(|share| share.oldest_first.pop_front()) else {
            return self.by_address.remove(&address).is_some();
        };
        if let Some(json) = self.by_hash.remove(&hash) {
            let bytes = json.len() + STORED_OVERHEAD;
            self.bytes = self.bytes.saturating_sub(bytes);
            if let Some(share) = self.by_address.get_mut(&address) {
                share.bytes = share.bytes.saturating_sub(bytes);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_address_cannot_push_out_the_targets_of_the_others() {
        let store = TargetStore::default();
        let json = |who: &str, n: usize| format!(r#"{{"identifier":"{who}-{n}"}}"#);
        let theirs: Vec<String> = (0..100)
            .map(|n| store.put(&json("user", n), at(1)))
            .collect();
        let first = store.put(&json("other", 0), at(2));
        for n in 1..MAX_STORED + 500 {
            store.put(&json("other", n), at(2));
        }
        for (n, hash) in theirs.iter().enumerate() {
            let target = store.get(hash).map(|target| target.identifier);
            assert_eq!(target, Some(format!("user-{n}")));
        }
        assert_eq!(store.get(&first), None);
        let stored = store.inner.lock();
        assert_eq!(stored.by_hash.len(), MAX_STORED);
        let bytes: usize = stored.by_address.values().map(|share| share.bytes).sum();
        assert_eq!(stored.bytes, bytes);
    }

    #[test]
    fn large_targets_are_bounded_by_their_bytes() {
        let mut stored = Stored::default();
        let long = "x".repeat(60_000);
        for n in 0..2_000 {
            stored.put(&n.to_string(), &long, at(2));
            stored.shrink();
        }
        assert!(stored.bytes <= MAX_STORED_BYTES);
        assert!(stored.by_hash.len() > 1_000);
    }

    #[test]
    fn reads_the_headers_that_the_published_sdk_is_tested_with() {
        let target = from_header(b"eyJpZGVudGlmaWVyIjoidGVzdC1pZGVudGlmaWVyIiwibmFtZSI6IlRlc3QgTmFtZSIsImF0dHJpYnV0ZXMiOnsic29tZXRoaW5nSW5KYXBhbmVzZSI6IuaXpeacrOiqnuOBp+S9leOBiyJ9fQ==").unwrap();
        assert_eq!(target.identifier, "test-identifier");
        assert_eq!(target.name.as_deref(), Some("Test Name"));
        assert_eq!(
            target.attributes.unwrap()["somethingInJapanese"],
            "日本語で何か"
        );
    }

    #[test]
    fn reads_an_emoji_written_as_two_surrogates() {
        let json = [
            br#"{"identifier":"t","name":""#.as_slice(),
            &[0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80],
            br#""}"#,
        ]
        .concat();
        assert_eq!(
            from_header(STANDARD.encode(json).as_bytes())
                .unwrap()
                .name
                .as_deref(),
            Some("\u{1F600}")
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_target() {
        for text in ["", "%%%", "bm90IGpzb24=", "W10=", "e30="] {
            assert_eq!(from_header(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn half_a_character_is_replaced() {
        let half = [
            br#"{"identifier":"t","name":"x"#.as_slice(),
            &[0xED, 0xA0, 0xBD],
            br#""}"#,
        ];
        for json in [
            half.concat(),
            br#"{"identifier":"t","name":"x\ud83d"}"#.to_vec(),
        ] {
            let target = from_header(STANDARD.encode(json).as_bytes()).unwrap();
            assert!(target.name.unwrap().starts_with("x\u{FFFD}"));
        }
    }

    #[test]
    fn a_number_passes_as_identifier_and_a_missing_pad_is_forgiven() {
        assert_eq!(
            from_json(serde_json::json!({"identifier": 42}))
                .unwrap()
                .identifier,
            "42"
        );
        let text = STANDARD.encode(r#"{"identifier":"a1"}"#);
        assert_eq!(
            from_header(text.trim_end_matches('=').as_bytes())
                .unwrap()
                .identifier,
            "a1"
        );
    }

    #[test]
    fn a_fingerprint_depends_on_what_is_said_and_not_on_the_order() {
        let of = |content: &str, json: &str| {
            fingerprint(
                content,
                &from_json(serde_json::from_str(json).unwrap()).unwrap(),
            )
        };
        let one = of(
            "c",
            r#"{"identifier":"t","attributes":{"a":1,"b":{"x":[],"y":2}}}"#,
        );
        assert_eq!(
            one,
            of(
                "c",
                r#"{"attributes":{"b":{"y":2,"x":[]},"a":1},"identifier":"t"}"#
            )
        );
        assert_ne!(
            one,
            of(
                "d",
                r#"{"identifier":"t","attributes":{"a":1,"b":{"x":[],"y":2}}}"#
            )
        );
        assert_ne!(
            one,
            of(
                "c",
                r#"{"identifier":"t","attributes":{"a":2,"b":{"x":[],"y":2}}}"#
            )
        );
    }

    #[test]
    fn the_store_forgets_the_oldest_past_its_bound() {
        let store = TargetStore::default();
        let hashes: Vec<String> = (0..=MAX_STORED)
            .map(|n| store.put(&format!(r#"{{"identifier":"{n}"}}"#), at(1)))
            .collect();
        assert_eq!(store.get(&hashes[0]), None);
        assert!(store.get(&hashes[1]).is_some() && store.get(&hashes[MAX_STORED]).is_some());
    }
}
