//! The text of a flags file: the whole truth of a source that is a file, as replicas share it.

use sha2::{Digest as _, Sha256};

/// A text and its hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// As it stands in the file.
    pub text: Vec<u8>,
    /// Hexadecimal SHA-256 of it.
    pub hash: String,
}

impl Document {
    /// Of this text.
    #[must_use]
    pub fn new(text: Vec<u8>) -> Self {
        let hash = crate::auth::hex(&Sha256::digest(&text));
        Self { text, hash }
    }
}
