//! The text of a flags file, as replicas share it.

use sha2::{Digest as _, Sha256};

/// A text and its hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// The bytes of the file.
    pub text: Vec<u8>,
    /// The hexadecimal SHA-256 of the text.
    pub hash: String,
}

impl Document {
    /// Returns a document with this text.
    #[must_use]
    pub fn new(text: Vec<u8>) -> Self {
        let hash = crate::auth::hex(&Sha256::digest(&text));
        Self { text, hash }
    }
}
