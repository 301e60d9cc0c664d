//! This replica's copy of the flags file, and how it keeps up with what the replicas share.
//!
//! The text that is in force has a revision in Redis: a time in milliseconds that only grows. A copy that says something
//! else is compared with it. What decides is which text the copy was last known to have in common with the others (its
//! *base*, which a restart does not lose), whether its text was ever in force, and, where neither is known, its time of
//! modification:
//!
//! | the copy | what happens |
//! |---|---|
//! | was edited since it had what is in force now | the edit is for all: the leader takes it over |
//! | goes back to a later revision than the one in Redis, which has lost it | the same |
//! | has a text that was in force before | it is brought up to date |
//! | has a text that nobody knows, and was modified after what is in force | it is for all |
//! | was edited while another text came into force, or is older and unknown | it is refused: kept beside under another name, and brought up to date |
//!
//! A copy is replaced only while it still says what was compared. A file that all replicas share is never replaced, as the
//! leader has written it before the others hear of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::environment::Document;
use crate::files::{Abandoned, Place, write};
use crate::flags_file::MAX_FILE_BYTES;
use crate::time::unix_millis;

/// A text that the replicas share or shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revision {
    /// Hexadecimal SHA-256 of it.
    pub(super) hash: String,
    /// Grows with each text; about the milliseconds since the Unix epoch when it came into force.
    pub(super) number: u64,
}

/// What a copy says, compared with what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Newer,
    Older,
    Conflict,
}

/// What a copy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) hash: String,
    /// In milliseconds since the Unix epoch.
    pub(super) modified: u64,
    /// What it had in common with the others last.
    pub(super) base: Option<Revision>,
}

impl Said {
    /// `known` says whether the text was in force before.
    pub(super) fn compared_with(&self, shared: &Revision, known: bool) -> Verdict {
        if self.hash == shared.hash {
            return Verdict::Same;
        }
        match &self.base {
            Some(base) if base.hash == shared.hash || base.number > shared.number => Verdict::Newer,
            Some(base) if base.hash == self.hash => Verdict::Older,
            _ if known => Verdict::Older,
            Some(_) => Verdict::Conflict,
            None if self.modified > shared.number => Verdict::Newer,
            None => Verdict::Conflict,
        }
    }
}

/// What is kept of a copy through a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    path: PathBuf,
    base: Revision,
}

/// Where a replica has its copy. All methods but [`run`](Self::run) block.
#[derive(Clone, Debug)]
pub(super) struct Copies {
    path: PathBuf,
    /// Where the base is kept.
    state: Option<PathBuf>,
}

impl Copies {
    pub(super) fn new(path: PathBuf, state: Option<PathBuf>) -> Self {
        Self { path, state }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does work on the copy where all work on that file is done, and for no longer than the limit for that.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &Abandoned) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = self.clone();
        let what = format!("comparing {} with other replicas", self.path.display());
        Place::of(&self.path)
            .run(&what, move |abandoned| work(&place, abandoned))
            .await
            .flatten()
    }

    /// What a file has in common with the others, as it was kept.
    pub(super) fn base(&self) -> Option<Revision> {
        let bytes = fs::read(self.state.as_ref()?).ok()?;
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        // Replicas may share a state directory and not a file.
        (kept.path == self.path).then_some(kept.base)
    }

    pub(super) fn keep_base(&self, base: &Revision) {
        let Some(state) = &self.state else { return };
        let kept = Kept {
            path: self.path.clone(),
            base: base.clone(),
        };
        let written = serde_json::to_vec(&kept)
            .map_err(io::Error::from)
            .and_then(|json| write::write_if(state, &json, None, || true));
        if let Err(error) = written {
            tracing::debug!(%error, "cannot keep what the flags file has in common with other replicas");
        }
    }

    /// What tells whether it may have changed, without reading it.
    pub(super) fn look(&self) -> Option<(SystemTime, u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    }

    /// Its text and when it was modified, in milliseconds since the Unix epoch; `None` where there is no file.
    pub(super) fn read(&self) -> io::Result<Option<(Document, u64)>> {
        use std::io::Read as _;
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let modified = unix_millis(file.metadata()?.modified()?);
        let mut text = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut text)?;
        Ok(Some((Document::new(text), modified)))
    }

    /// Brings the copy up to date, unless it does not say `expected` any more. Returns whether it was.
    pub(super) fn replace(
        &self,
        expected: &str,
        document: &Document,
        number: u64,
        abandoned: &Abandoned,
    ) -> io::Result<bool> {
        let is = self.read()?.map(|(is, _)| is.hash);
        if is.as_deref() == Some(&document.hash) {
            return Ok(true);
        }
        if is.as_deref() != Some(expected) {
            return Ok(false);
        }
        write::replace(&self.path, &document.text, || !abandoned.is_set())?;
        // Not an edit: it is as old as what it says.
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(number));
        if let (Some(at), Ok(file)) = (at, File::options().append(true).open(&self.path)) {
            drop(file.set_modified(at));
        }
        Ok(true)
    }

    /// Keeps a text that was refused beside the file. Returns where.
    pub(super) fn set_aside(
        &self,
        refused: &Document,
        abandoned: &Abandoned,
    ) -> io::Result<PathBuf> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(
            ".refused-{}",
            refused.hash.get(..8).unwrap_or_default()
        ));
        let aside = self.path.with_file_name(name);
        write::write_if(&aside, &refused.text, None, || !abandoned.is_set())?;
        Ok(aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(hash: &str, number: u64) -> Revision {
        Revision {
            hash: hash.to_owned(),
            number,
        }
    }

    #[test]
    fn what_is_newer_wins_wherever_it_lies() {
        let shared = revision("now", 100);
        let verdict = |hash: &str, modified, base: Option<(&str, u64)>, known| {
            Said {
                hash: hash.to_owned(),
                modified,
                base: base.map(|(hash, number)| revision(hash, number)),
            }
            .compared_with(&shared, known)
        };
        for (said, expected) in [
            (verdict("now", 1, None, true), Verdict::Same),
            (
                verdict("mine", 1, Some(("now", 100)), false),
                Verdict::Newer,
            ),
            // A text from before, put back by hand.
            (verdict("old", 1, Some(("now", 100)), true), Verdict::Newer),
            (
                verdict("later", 1, Some(("later", 200)), false),
                Verdict::Newer,
            ),
            (verdict("old", 500, Some(("old", 50)), true), Verdict::Older),
            (
                verdict("old", 500, Some(("old", 50)), false),
                Verdict::Older,
            ),
            (verdict("old", 500, None, true), Verdict::Older),
            (
                verdict("mine", 500, Some(("old", 50)), false),
                Verdict::Conflict,
            ),
            (verdict("mine", 500, None, false), Verdict::Newer),
            (verdict("mine", 50, None, false), Verdict::Conflict),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_copy_that_has_changed_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.yaml");
        fs::write(&path, "one").unwrap();
        let copies = Copies::new(path.clone(), None);
        let (one, _) = copies.read().unwrap().unwrap();
        let two = Document::new(b"two".to_vec());
        fs::write(&path, "edited").unwrap();
        assert!(
            !copies
                .replace(&one.hash, &two, 1_000, &Abandoned::default())
                .unwrap()
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
        fs::write(&path, "one").unwrap();
        assert!(
            copies
                .replace(&one.hash, &two, 1_000, &Abandoned::default())
                .unwrap()
        );
        assert_eq!(copies.read().unwrap().unwrap(), (two, 1_000));
    }
}
