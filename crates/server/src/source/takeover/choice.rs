//! Keeps which of the two sources was chosen in the state directory, so that it lasts through a restart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{FileWorker, write};

/// One of the two sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    /// The upstream. It serves as long as nobody has chosen.
    #[default]
    Upstream,
    /// The flags file.
    File,
}

/// The saved choice cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: {reason}. It says which source was chosen, so the server cannot guess: write {{\"serves\":\"file\"}} or {{\"serves\":\"upstream\"}} into it"
)]
pub struct ChoiceError {
    path: String,
    reason: String,
}

/// The JSON on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    serves: Chosen,
}

/// The file that the choice is kept in.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    path: PathBuf,
    worker: FileWorker,
}

impl Choice {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            worker: FileWorker::default(),
        }
    }

    /// Returns the choice of an earlier run; the upstream if there is none.
    ///
    /// # Errors
    /// [`ChoiceError`] if there is a file that cannot be read.
    pub(super) async fn load(&self) -> Result<Chosen, ChoiceError> {
        let path = self.path.clone();
        let what = format!("reading {}", path.display());
        let read = self.worker.run(&what, move |_| fs::read(path)).await;
        let wrong = |reason: String| ChoiceError {
            path: self.path.display().to_string(),
            reason,
        };
        match read.flatten() {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes)
                .map(|kept| kept.serves)
                .map_err(|error| wrong(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Chosen::default()),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Writes the choice whole, or leaves the one before.
    ///
    /// # Errors
    /// The error of the system.
    pub(super) async fn save(&self, serves: Chosen) -> io::Result<()> {
        let path = self.path.clone();
        let what = format!("writing {}", path.display());
        let written = self.worker.run(&what, move |abandoned| {
            let json = serde_json::to_vec(&Kept { serves })?;
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            write::write_if(&path, &json, None, || !abandoned.is_set())
        });
        written.await.flatten().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot keep the choice in {}: {error}", self.path.display()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_choice_lasts_and_a_damaged_one_is_not_guessed() {
        let directory = tempfile::tempdir().unwrap();
        let choice = Choice::new(&directory.path().join("made/source-e.json"));
        assert_eq!(choice.load().await.unwrap(), Chosen::Upstream);
        for serves in [Chosen::File, Chosen::Upstream, Chosen::File] {
            choice.save(serves).await.unwrap();
            let again = Choice::new(&choice.path);
            assert_eq!(again.load().await.unwrap(), serves);
        }
        fs::write(&choice.path, "{\"serves\":\"fi").unwrap();
        let error = choice.load().await.unwrap_err().to_string();
        assert!(error.contains("write {\"serves\":\"file\"} or"), "{error}");
    }
}
