//! Changes that people make to flags through the admin page or its API, and who makes them where the flags come from.

pub use flagwire_flags_file::{Edit, TargetEdit};

use super::document::Document;
use crate::flags_file;

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

impl From<flags_file::EditError> for EditError {
    fn from(error: flags_file::EditError) -> Self {
        use flags_file::EditError as InText;
        match error {
            InText::UnknownFlag(flag) => Self::UnknownFlag(flag),
            InText::UnknownVariation {
                flag,
                variation,
                known,
            } => Self::UnknownVariation {
                flag,
                variation,
                known,
            },
            InText::Refused(reason) => Self::Refused(reason),
        }
    }
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
