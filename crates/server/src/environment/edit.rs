//! Changes that people make to flags through the admin page or its API, and who makes them where the flags come from.

use serde::{Deserialize, Serialize};

use super::document::Document;

/// What to change about a flag. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// On or off.
    pub state: Option<bool>,
    /// Identifier of the variation to serve by default.
    pub default: Option<String>,
    /// Identifier of the variation for everybody while the flag is off.
    pub off: Option<String>,
    /// What one target gets.
    pub target: Option<TargetEdit>,
}

/// What one target gets, whatever the rules say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEdit {
    /// Its identifier.
    pub identifier: String,
    /// Identifier of the variation; `None` for what the rules say.
    pub variation: Option<String>,
}

/// Why an edit was not made. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such flag.
    #[error("there is no flag `{0}`")]
    UnknownFlag(String),
    /// The flag has no such variation.
    #[error("flag `{flag}` has no variation `{variation}`; it has: {known}")]
    UnknownVariation {
        /// The flag.
        flag: String,
        /// What was asked for.
        variation: String,
        /// What it has.
        known: String,
    },
    /// The text cannot be edited without touching more than the place concerned.
    #[error("{0}")]
    Refused(String),
    /// The file could not be read or written.
    #[error("cannot change {path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Changes flags where they come from, for good.
pub trait Editor: Send + Sync + std::fmt::Debug {
    /// Makes the change and returns once it is in force. Blocks, but not without end: it writes files.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn edit(&self, flag: &str, edit: &Edit) -> Result<(), EditError>;

    /// Replaces all flags by those of a whole file, if the file still says what hashes to `expected`. Returns whether it did,
    /// once they are in force. Blocks.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn replace(&self, expected: &str, document: Document) -> Result<bool, EditError> {
        let (_, _) = (expected, document);
        Err(EditError::Refused("the flags are not in a file".to_owned()))
    }
}
