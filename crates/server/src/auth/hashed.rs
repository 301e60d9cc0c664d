//! Stores keys and admin tokens as hashes.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::hex;

/// The SHA-256 of a key or token, which is all that the server keeps of it.
///
/// Read from text, it is either the secret itself, hashed at once, or `sha256:` and 64 hexadecimal digits, so that a
/// configuration need not hold the secret. There is no salt, as keys are long and random, so that no dictionary holds
/// them.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct Hashed([u8; 32]);

/// Why a text cannot be a key or secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSecret {
    /// The key is empty, so that requests without a key would be let in.
    #[error("a key is empty; leave the option out or give it a value")]
    Empty,
    /// The text has a blank or a line end in it and would never match: a header holds no line end, and no key has a
    /// blank.
    #[error("a key has a blank or a line end in it; copy it again")]
    Blank,
    /// The text after `sha256:` is not a hash, for instance because it was cut short.
    #[error(
        "`sha256:` must be followed by 64 hexadecimal digits, as `printf %s \"$KEY\" | sha256sum` prints them"
    )]
    NotAHash,
}

impl Hashed {
    /// Returns the hash of a secret as it is sent. A text that looks like a hash is hashed like any other, as a hash is no key.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Returns the text by which a configuration file names the hash in place of the secret.
    pub(crate) fn written(&self) -> String {
        format!("sha256:{}", hex(&self.0))
    }

    /// Returns the first 64 bits in hexadecimal. They identify the key, and are of no use for guessing it.
    pub(super) fn name(&self) -> String {
        hex(self.0.get(..8).unwrap_or(&self.0))
    }
}

/// Compares hashes in constant time.
impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Hashed {}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(…)")
    }
}

impl FromStr for Hashed {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        // Files with secrets often end in a line end.
        let text = text.trim();
        if text.is_empty() {
            return Err(BadSecret::Empty);
        }
        if text.contains(char::is_whitespace) {
            return Err(BadSecret::Blank);
        }
        let Some(digits) = text.strip_prefix("sha256:") else {
            return Ok(Self::of(text));
        };
        let mut hash = [0; 32];
        // `from_str_radix` takes a sign, too.
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadSecret::NotAHash);
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = digits
                .get(at..at + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or(BadSecret::NotAHash)?;
        }
        Ok(Self(hash))
    }
}

impl TryFrom<String> for Hashed {
    type Error = BadSecret;

    fn try_from(text: String) -> Result<Self, BadSecret> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `abc`, from the standard.
    const ABC: &str = "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_secret_and_its_hash_are_the_same_and_neither_is_shown() {
        let hashed: Hashed = ABC.parse().unwrap();
        assert_eq!(hashed, "abc".parse().unwrap());
        assert_eq!(hashed, Hashed::of("abc"));
        for padded in [" abc", "abc\n", "\tabc\r\n", &format!(" {ABC}\n")] {
            assert_eq!(hashed, padded.parse().unwrap(), "{padded:?}");
        }
        assert_ne!(hashed, Hashed::of("abd"));
        assert_eq!(format!("{hashed:?}"), "Hashed(…)");
    }

    #[test]
    fn whoever_has_the_hash_alone_has_nothing() {
        assert_ne!(Hashed::of(ABC), ABC.parse().unwrap());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for (text, error) in [
            ("", BadSecret::Empty),
            ("  ", BadSecret::Empty),
            ("a b", BadSecret::Blank),
            ("a\nb", BadSecret::Blank),
            ("sha256:", BadSecret::NotAHash),
            (&ABC[..70], BadSecret::NotAHash),
            (&format!("{ABC}0"), BadSecret::NotAHash),
            (&ABC.replace("BA", "+1"), BadSecret::NotAHash),
            (&ABC.replace("BA", "é"), BadSecret::NotAHash),
        ] {
            assert_eq!(text.parse::<Hashed>().unwrap_err(), error, "{text}");
        }
    }
}
