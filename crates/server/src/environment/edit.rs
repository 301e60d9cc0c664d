//! Changes that people make to flags through the admin page or its API, and who makes them where the flags come from.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use flagwire_flags_file::edit::{Entry, Mistake};
pub use flagwire_flags_file::{Edit, TargetEdit};

use std::sync::Arc;

use super::document::Document;
pub use crate::change_log::{Author, ChangeQuery, ChangesPage, LoggedChange};

/// A change of flags or groups that a person makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagsChange {
    /// Changes single settings of a flag.
    Settings {
        /// The flag.
        flag: String,
        /// What to change about it.
        edit: Edit,
    },
    /// Writes the whole definition of a flag or group.
    Define {
        /// The flag or group.
        entry: Entry,
        /// The definition, in the short or the full form.
        definition: Value,
        /// The revision of the definition that is replaced; `None` adds a flag or group.
        revision: Option<String>,
    },
    /// Deletes a flag or group.
    Delete {
        /// The flag or group.
        entry: Entry,
        /// The revision of the definition that is deleted; `None` deletes any.
        revision: Option<String>,
    },
}

impl FlagsChange {
    /// Returns the flag or group that is changed.
    #[must_use]
    pub fn entry(&self) -> Entry {
        match self {
            Self::Settings { flag, .. } => Entry::Flag(flag.clone()),
            Self::Define { entry, .. } | Self::Delete { entry, .. } => entry.clone(),
        }
    }

    /// Makes the change in the text of a flags file, and returns the new text.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn apply(&self, text: &str) -> Result<String, EditError> {
        use flagwire_flags_file::edit;
        let new = match self {
            Self::Settings { flag, edit } => edit::apply(text, flag, edit),
            Self::Define {
                entry,
                definition,
                revision,
            } => edit::put(text, entry, definition, revision.as_deref()),
            Self::Delete { entry, revision } => edit::delete(text, entry, revision.as_deref()),
        };
        Ok(new?)
    }
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
        /// The variation that was asked for.
        variation: String,
        /// The variations that the flag has.
        known: String,
    },
    /// There is no such group.
    #[error("there is no group `{0}`")]
    UnknownGroup(String),
    /// The definition has mistakes.
    #[error("{}", flagwire_flags_file::EditError::Mistakes(.0.clone()))]
    Mistakes(Vec<Mistake>),
    /// The log has no such change.
    #[error("there is no change `{0}` in the log; it may be too old")]
    UnknownChange(String),
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
            InText::UnknownGroup(group) => Self::UnknownGroup(group),
            InText::Mistakes(mistakes) => Self::Mistakes(mistakes),
            InText::Refused(reason) => Self::Refused(reason),
        }
    }
}

/// Changes flags where they come from, so that the changes last.
pub trait Editor: Send + Sync + std::fmt::Debug {
    /// Makes the change for its author and returns once it is in force and logged. Blocks for as long as files are written, which
    /// has a limit.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn edit(&self, change: &FlagsChange, by: &Author) -> Result<(), EditError>;

    /// Undoes the logged change with this identifier, if it is the last one of its flag or group, and returns it. Blocks as
    /// [`edit`](Self::edit) does.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn undo(&self, id: &str, by: &Author) -> Result<LoggedChange, EditError> {
        let (_, _) = (id, by);
        Err(EditError::Refused("changes are not logged here".to_owned()))
    }

    /// Lists logged changes, the newest first. Blocks.
    ///
    /// # Errors
    /// [`EditError`]
    fn changes(&self, query: &ChangeQuery) -> Result<ChangesPage, EditError> {
        let _ = query;
        Err(EditError::Refused("changes are not logged here".to_owned()))
    }

    /// Replaces the whole flags file, if the hash of its text is still `expected`. Returns whether it was, once the new flags are in
    /// force. Blocks.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn replace(&self, expected: &str, document: Document) -> Result<bool, EditError> {
        let (_, _) = (expected, document);
        Err(EditError::Refused("the flags are not in a file".to_owned()))
    }

    /// Has each text announced from now on before it is written to the flags file. Does nothing where the flags are not in a file.
    fn announce_by(&self, announce: Arc<dyn Announce>) {
        drop(announce);
    }
}

/// Announces the texts that an [`Editor`] is about to write to a flags file, to others who may have the same file.
pub trait Announce: Send + Sync + std::fmt::Debug {
    /// Announces this text. Blocks for as long as that takes, which has a limit.
    ///
    /// # Errors
    /// [`EditError`], and then the text is not written.
    fn announce(&self, document: &Document) -> Result<(), EditError>;
}
