//! What the log has of one change, and what is listed of it.

use std::fmt;
use std::net::IpAddr;

use flagwire_flags_file::edit::{Entry, Written};
use serde::{Deserialize, Serialize};

use super::MAX_TEXT_BYTES;

/// The author of changes that were made in the file itself.
const FILE: &str = "file";

/// Who makes a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The name of the admin token, `local` on a server without tokens, or `file`.
    pub name: String,
    /// The address that the request came from.
    pub address: Option<IpAddr>,
}

impl Author {
    /// Returns the author of changes that a person or another process has made in the file itself.
    pub(crate) fn file() -> Self {
        Self {
            name: FILE.to_owned(),
            address: None,
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} ({address})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A change that is to be logged.
#[derive(Clone, Debug)]
pub(crate) struct NewChange {
    pub(crate) by: Author,
    pub(crate) what: Entry,
    /// Says in words what changes.
    pub(crate) change: String,
    /// What the file has of the definition before and after the change.
    pub(crate) from: Option<Written>,
    pub(crate) to: Option<Written>,
    /// The identifier of the change that this one undoes.
    pub(crate) undoes: Option<String>,
}

impl NewChange {
    pub(super) fn logged(self, id: String, at: String, environment: &str) -> LoggedChange {
        let long = |text: &Option<Written>| {
            text.as_ref()
                .is_some_and(|one| one.text.len() > MAX_TEXT_BYTES)
        };
        // The place of a definition may not be found, as where a map is merged into another one.
        let unknown = self.from.is_none() && self.to.is_none();
        let omitted = unknown || long(&self.from) || long(&self.to);
        let kept = |text: Option<Written>| text.filter(|_| !omitted);
        let from = kept(self.from);
        LoggedChange {
            id,
            at,
            by: self.by.name,
            address: self.by.address,
            environment: environment.to_owned(),
            what: self.what,
            change: self.change,
            after: from.as_ref().and_then(|from| from.after.clone()),
            from: from.map(|from| from.text),
            to: kept(self.to).map(|to| to.text),
            undoes: self.undoes,
            omitted,
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedChange {
    /// Identifies the change.
    pub id: String,
    /// When it was made, in UTC, as ISO 8601 writes it.
    pub at: String,
    /// Who made it: the name of an admin token, `local`, or `file` for changes in the file itself.
    pub by: String,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The name of the environment.
    pub environment: String,
    /// The flag or group.
    pub what: Entry,
    /// Says in words what changed.
    pub change: String,
    /// The text of the definition before and after the change; `None` where there was no such definition.
    pub from: Option<String>,
    /// See `from`.
    pub to: Option<String>,
    /// The name of the flag or group that stood before it in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The identifier of the change that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Whether the texts are left out, as they are too long or were not found in the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub omitted: bool,
}

impl LoggedChange {
    /// Returns what the file had of the definition before the change.
    pub(crate) fn before(&self) -> Option<Written> {
        self.from.clone().map(|text| Written {
            text,
            after: self.after.clone(),
        })
    }
}

/// Which changes to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChangeQuery {
    /// Only those of this flag.
    #[serde(default)]
    pub flag: Option<String>,
    /// Only those of this group.
    #[serde(default)]
    pub group: Option<String>,
    /// How many at most.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Only changes before the one with this identifier.
    #[serde(default)]
    pub before: Option<String>,
}

impl ChangeQuery {
    pub(super) fn wants(&self, what: &Entry) -> bool {
        if self.flag.is_none() && self.group.is_none() {
            return true;
        }
        match what {
            Entry::Flag(name) => self.flag.as_ref() == Some(name),
            Entry::Group(name) => self.group.as_ref() == Some(name),
        }
    }
}

/// A change as it is listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedChange {
    /// The change. Long texts are cut.
    #[serde(flatten)]
    pub change: LoggedChange,
    /// Whether it is the last one of its flag or group, so that it may be undone.
    pub last: bool,
}

impl ListedChange {
    pub(super) fn of(mut change: LoggedChange, last: bool, longest: usize) -> Self {
        for text in [&mut change.from, &mut change.to].into_iter().flatten() {
            if let Some((end, _)) = text.char_indices().nth(longest) {
                text.truncate(end);
                text.push('…');
            }
        }
        let last = last && !change.omitted;
        Self { change, last }
    }
}

/// A part of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangesPage {
    /// The changes, the newest first.
    pub changes: Vec<ListedChange>,
    /// Whether there are older ones.
    pub more: bool,
    /// How many lines of the log are damaged and were skipped.
    pub damaged: usize,
}
