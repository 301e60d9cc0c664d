//! Keeps a log of the changes to the flags of one file: who changed what, when, and what the file had before and after.
//!
//! The log is a file of JSON lines beside the flags file, or in the state directory where the directory of the flags file cannot be
//! written to. Lines are appended with a single write each and synced. Past 4 MiB the oldest lines are dropped. Whoever
//! changes flags never fails because of the log: the change is made first, and what is wrong with the log is reported apart.
//! All work on the disk is done by a `FileWorker`, which waits no longer than its limit.

mod entry;
mod lines;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;

pub(crate) use self::entry::NewChange;
pub use self::entry::{Author, ChangeQuery, ChangesPage, ListedChange, LoggedChange};
#[cfg(test)]
use self::lines::MAX_LOG_BYTES;
use crate::files::FileWorker;
use crate::time::{iso, unix_micros};

/// The most changes that are listed at once, and how many are listed if nothing else is asked for.
const MAX_LISTED: usize = 100;
const LISTED: usize = 50;

/// Longer texts of definitions are not kept, and such a change cannot be undone from the log.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// How many characters of a definition are listed.
const MAX_LISTED_CHARS: usize = 2_000;

/// The log of the changes to one environment.
#[derive(Debug)]
pub struct ChangeLog {
    environment: String,
    /// The file beside the flags file, and the one to use where that cannot be written.
    places: [PathBuf; 2],
    worker: FileWorker,
    /// The number of the last change; each change has a greater one.
    last: Mutex<u64>,
    /// The damaged lines that were reported.
    warned: Mutex<BTreeSet<String>>,
}

impl ChangeLog {
    /// Returns the log for this flags file. `fallback` is used where the directory of the flags file cannot be written to.
    #[must_use]
    pub fn new(environment: &str, flags: &Path, fallback: &Path) -> Self {
        let mut name = flags.file_stem().map_or_else(OsString::new, OsString::from);
        name.push(".changes.jsonl");
        let beside = flags.with_file_name(name);
        Self {
            environment: environment.to_owned(),
            worker: FileWorker::of(&beside),
            places: [beside, fallback.to_owned()],
            last: Mutex::default(),
            warned: Mutex::default(),
        }
    }

    /// Returns the path of the log beside the flags file.
    pub(crate) fn name(&self) -> String {
        let [beside, _] = &self.places;
        beside.display().to_string()
    }

    fn next_id(&self) -> String {
        let mut last = self.last.lock();
        *last = unix_micros(SystemTime::now()).max(last.saturating_add(1));
        format!("{:x}", *last)
    }

    /// Appends changes. Blocks.
    ///
    /// # Errors
    /// The error of the system. None of the changes is in the log then, or the log is longer than it should be.
    pub(crate) fn append(&self, changes: Vec<NewChange>) -> io::Result<()> {
        let mut text = String::new();
        for change in changes {
            let change = change.logged(self.next_id(), iso(SystemTime::now()), &self.environment);
            text.push_str(&serde_json::to_string(&change)?);
            text.push('\n');
        }
        let places = self.places.clone();
        let what = format!("writing {}", self.name());
        self.worker
            .run_blocking(&what, move |_| lines::append(&places, text.as_bytes()))
            .flatten()
    }

    /// Returns all changes of the environment, the oldest first, and the number of damaged lines. Blocks.
    fn all(&self) -> io::Result<(Vec<LoggedChange>, usize)> {
        let places = self.places.clone();
        let what = format!("reading {}", self.name());
        let read = self
            .worker
            .run_blocking(&what, move |_| lines::read(&places));
        let (mut changes, damaged) = read.flatten()?;
        changes.retain(|change| change.environment == self.environment);
        let mut warned = self.warned.lock();
        for line in &damaged {
            if warned.insert(line.clone()) {
                tracing::warn!(
                    environment = self.environment,
                    "{line} is damaged and is skipped"
                );
            }
        }
        Ok((changes, damaged.len()))
    }

    /// Lists changes, the newest first. Returns `None` if there is no change with the identifier `before`. Blocks.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn list(&self, query: &ChangeQuery) -> io::Result<Option<ChangesPage>> {
        let (changes, damaged) = self.all()?;
        let mut newest = changes.into_iter().rev();
        let mut changed = BTreeSet::new();
        if let Some(before) = &query.before {
            let found = newest.by_ref().find(|change| {
                changed.insert(change.what.clone());
                change.id == *before
            });
            if found.is_none() {
                return Ok(None);
            }
        }
        let limit = query.limit.unwrap_or(LISTED).clamp(1, MAX_LISTED);
        let mut listed = Vec::new();
        let mut more = false;
        for change in newest {
            let last = changed.insert(change.what.clone());
            if !query.wants(&change.what) {
                continue;
            }
            if listed.len() == limit {
                more = true;
                break;
            }
            listed.push(ListedChange::of(change, last, MAX_LISTED_CHARS));
        }
        Ok(Some(ChangesPage {
            changes: listed,
            more,
            damaged,
        }))
    }

    /// Returns a change, and the last change of the same flag or group if that is another one; `None` if there is no such change.
    /// Blocks.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn find(
        &self,
        id: &str,
    ) -> io::Result<Option<(LoggedChange, Option<LoggedChange>)>> {
        let (changes, _) = self.all()?;
        let Some(found) = changes.iter().rfind(|change| change.id == id).cloned() else {
            return Ok(None);
        };
        let last = changes
            .into_iter()
            .rfind(|change| change.what == found.what);
        Ok(Some((found, last.filter(|last| last.id != id))))
    }
}

#[cfg(test)]
mod tests;
