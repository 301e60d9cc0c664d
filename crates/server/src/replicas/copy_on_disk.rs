//! Reads and replaces the file of a replica's copy of the flags file, and saves which revision it had in common with
//! others.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::revision::Revision;
use crate::environment::Document;
use crate::files::{Abandoned, FileWorker, write};
use crate::time::unix_millis;
use flagwire_flags_file::MAX_FILE_BYTES;

/// The base of a copy, as it is saved in the state directory for a restart.
#[derive(Serialize, Deserialize)]
struct SavedBase {
    path: PathBuf,
    base: Revision,
}

/// The file of a replica's copy. All methods but [`run`](Self::run) block, so they are called in `run`.
#[derive(Clone, Debug)]
pub(super) struct CopyOnDisk {
    path: PathBuf,
    /// The file that the base is saved in; `None` where it is not saved.
    state: Option<PathBuf>,
}

impl CopyOnDisk {
    pub(super) fn new(path: PathBuf, state: Option<PathBuf>) -> Self {
        Self { path, state }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does work on the copy after all other work on that file, and waits for it no longer than the limit for file work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &Abandoned) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let copy = self.clone();
        let what = format!("comparing {} with other replicas", self.path.display());
        FileWorker::of(&self.path)
            .run(&what, move |abandoned| work(&copy, abandoned))
            .await
            .flatten()
    }

    /// Reads the base: the revision that this copy last had in common with the other replicas.
    pub(super) fn base(&self) -> Option<Revision> {
        let bytes = fs::read(self.state.as_ref()?).ok()?;
        let saved: SavedBase = serde_json::from_slice(&bytes).ok()?;
        // Replicas may share a state directory and not a file.
        (saved.path == self.path).then_some(saved.base)
    }

    pub(super) fn save_base(&self, base: &Revision) {
        let Some(state) = &self.state else { return };
        let saved = SavedBase {
            path: self.path.clone(),
            base: base.clone(),
        };
        let written = serde_json::to_vec(&saved)
            .map_err(io::Error::from)
            .and_then(|json| write::write_if(state, &json, None, || true));
        if let Err(error) = written {
            tracing::debug!(%error, "cannot keep what the flags file has in common with other replicas");
        }
    }

    /// Returns the time of modification, the length and the inode, which tell whether the file may have changed.
    pub(super) fn look(&self) -> Option<(SystemTime, u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    }

    /// Reads the text and when it was modified, in milliseconds since the Unix epoch; `None` where there is no file.
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

    /// Replaces the text by that of `document`, unless its hash is no longer `expected`. The file is given the time of the
    /// revision. Returns whether the file has the new text.
    pub(super) fn replace(
        &self,
        expected: &str,
        document: &Document,
        number: u64,
        abandoned: &Abandoned,
    ) -> io::Result<bool> {
        let hash = || Ok::<_, io::Error>(self.read()?.map(|(is, _)| is.hash));
        let is = hash()?;
        if is.as_deref() == Some(&document.hash) {
            return Ok(true);
        }
        if is.as_deref() != Some(expected) {
            return Ok(false);
        }
        let mut changed = false;
        // Somebody may save the file while the new text goes to the disk, which can take seconds.
        let written = write::replace(&self.path, &document.text, || {
            changed = hash().ok().flatten().as_deref() != Some(expected);
            !changed && !abandoned.is_set()
        });
        if changed {
            return Ok(false);
        }
        written?;
        // This is no edit, so the file gets the time of its text.
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(number));
        if let (Some(at), Ok(file)) = (at, File::options().append(true).open(&self.path)) {
            drop(file.set_modified(at));
        }
        Ok(true)
    }

    /// Saves a text that was refused next to the file, under another name. Returns the path.
    pub(super) fn save_refused(
        &self,
        refused: &Document,
        abandoned: &Abandoned,
    ) -> io::Result<PathBuf> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(
            ".refused-{}",
            refused.hash.get(..8).unwrap_or_default()
        ));
        let saved = self.path.with_file_name(name);
        write::write_if(&saved, &refused.text, None, || !abandoned.is_set())?;
        Ok(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_has_changed_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.yaml");
        fs::write(&path, "one").unwrap();
        let copy = CopyOnDisk::new(path.clone(), None);
        let (one, _) = copy.read().unwrap().unwrap();
        let two = Document::new(b"two".to_vec());
        fs::write(&path, "edited").unwrap();
        assert!(
            !copy
                .replace(&one.hash, &two, 1_000, &Abandoned::default())
                .unwrap()
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
        fs::write(&path, "one").unwrap();
        assert!(
            copy.replace(&one.hash, &two, 1_000, &Abandoned::default())
                .unwrap()
        );
        assert_eq!(copy.read().unwrap().unwrap(), (two, 1_000));
    }
}
