//! Changes that people make to flags through the admin page or its API, and who makes them where the flags come from.

pub use flagwire_flags_file::{Edit, TargetEdit};

use super::document::Document;

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
        /// The variation that was asked for.
        variation: String,
        /// The variations that the flag has.
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
        /// The error of the system.
        error: std::io::Error,
    },
}

impl From<flagwire_flags_file::EditError> for EditError {
    fn from(error: flagwire_flags_file::EditError) -> Self {
        use flagwire_flags_file::EditError as InText;
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

/// Changes flags where they come from, so that the changes last.
pub trait Editor: Send + Sync + std::fmt::Debug {
    /// Makes the change and returns once it is in force. Blocks for as long as files are written, which has a limit.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn edit(&self, flag: &str, edit: &Edit) -> Result<(), EditError>;

    /// Replaces the whole flags file, if the hash of its text is still `expected`. Returns whether it was, once the new flags are in
    /// force. Blocks.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn replace(&self, expected: &str, document: Document) -> Result<bool, EditError> {
        let (_, _) = (expected, document);
        Err(EditError::Refused("the flags are not in a file".to_owned()))
    }
}
