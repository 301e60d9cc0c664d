//! Decides what a client may do, by SDK keys and the tokens that are given for them.

mod admin;
mod guesses;
mod hashed;
mod hs256;
pub(crate) mod token;

use std::collections::HashMap;
use std::fmt::Write as _;

pub use self::admin::{AdminTokens, AdminUser, BadAdminToken, Permission};
pub(crate) use self::guesses::Guesses;
pub use self::hashed::{BadSecret, Hashed};

/// The name that this server gives for the protocol's project, organisation and account. There is one of each, but
/// clients expect names.
pub(crate) const PROJECT: &str = "default";

/// The name of the only cluster.
pub(crate) const CLUSTER: &str = "1";

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A key for browsers and apps, which reads evaluations of one target.
    Client,
    /// A key for back ends, which reads all rules.
    Server,
}

impl KeyKind {
    /// Returns the value of a token's claim `key_type`.
    #[must_use]
    pub const fn claim(self) -> &'static str {
        match self {
            Self::Client => "Client",
            Self::Server => "Server",
        }
    }
}

/// The environment that a key belongs to, and what the key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name of the environment.
    pub environment: String,
    /// The kind of the key.
    pub kind: KeyKind,
}

/// All keys, by the names that their tokens carry. Only hashes are kept.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_name: HashMap<String, (Hashed, Grant)>,
}

impl Keys {
    /// Adds a key. If it was there already, returns the grant that it had.
    pub fn add(&mut self, key: Hashed, grant: Grant) -> Option<Grant> {
        let before = self.by_name.insert(key.name(), (key, grant));
        before.map(|(_, grant)| grant)
    }

    /// Returns the grant of a key, and the name that its tokens carry.
    pub(crate) fn find(&self, key: &str) -> Option<(&Grant, String)> {
        let given = Hashed::of(key);
        let name = given.name();
        let (known, grant) = self.by_name.get(&name)?;
        (*known == given).then_some((grant, name))
    }

    /// Returns the grant of the key with this name; `None` once the key was removed.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Grant> {
        self.by_name.get(name).map(|(_, grant)| grant)
    }
}

/// Returns bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
