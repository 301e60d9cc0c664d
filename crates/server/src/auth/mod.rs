//! Who may do what: SDK keys, and the tokens given for them.

mod hs256;
pub(crate) mod token;

use std::collections::HashMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// For browsers and apps: reads evaluations of one target.
    Client,
    /// For back ends: reads all rules.
    Server,
}

impl KeyKind {
    /// As in the token's claim `key_type`.
    #[must_use]
    pub const fn claim(self) -> &'static str {
        match self {
            Self::Client => "Client",
            Self::Server => "Server",
        }
    }
}

/// What a key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The environment it belongs to.
    pub environment: String,
    /// What it is for.
    pub kind: KeyKind,
}

/// All keys. Only their hashes are kept, and a lookup by hash takes no longer for a key that is nearly right.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_hash: HashMap<[u8; 32], Grant>,
    by_name: HashMap<String, Grant>,
}

impl Keys {
    /// Adds a key.
    pub fn add(&mut self, key: &str, grant: Grant) {
        let hash = Sha256::digest(key.as_bytes());
        self.by_name.insert(name_of(&hash), grant.clone());
        self.by_hash.insert(hash.into(), grant);
    }

    /// What a key opens, and the name its tokens go by.
    pub(crate) fn find(&self, key: &str) -> Option<(&Grant, String)> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        self.by_hash.get(&hash).map(|grant| (grant, name_of(&hash)))
    }

    /// What the key of that name opens; `None` once it was removed.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Grant> {
        self.by_name.get(name)
    }
}

/// The first 64 bits of a key's hash: enough to find it, useless to guess it from.
fn name_of(hash: &[u8]) -> String {
    hex(hash.get(..8).unwrap_or(hash))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
