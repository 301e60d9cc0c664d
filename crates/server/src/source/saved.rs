//! Saves the last good configuration of a relay to disk, which it serves after a restart while its upstream is down.
//!
//! A file has two lines of JSON: a head with the checksum of the second, and the configuration. It is written under
//! another name and then renamed, so that there is always either the whole old file or the whole new one. Its time of
//! modification says when the configuration was last known to be current; it is renewed from time to time without
//! writing the content again.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::auth::hex;
use crate::environment::{Configuration, ConfigurationRef};
use crate::files::write;

/// The version of the format, which grows when the format changes. Files of another version are not read.
const FORMAT: u32 = 1;

/// The most bytes that are read of a file; a larger one counts as damaged.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    /// The upstream that the configuration came from; it is not used for another one.
    source: String,
    sha256: String,
}

/// Why a saved configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file does not hold what was written to it.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The configuration came from another upstream.
    #[error("it is a copy of {0}")]
    Foreign(String),
}

/// Returns the path of an environment's file of this kind in the state directory. Different names of environments give
/// different file names.
pub(crate) fn path_in(directory: &Path, kind: &str, environment: &str) -> PathBuf {
    let name: String = environment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    directory.join(format!("{kind}-{name}.json"))
}

/// The file that the last configuration of an environment is saved in, for a restart without the upstream.
#[derive(Clone, Debug)]
pub struct SavedConfiguration {
    path: PathBuf,
    source: String,
}

impl SavedConfiguration {
    /// Returns the file in `directory` for the configuration of `environment` that comes from `source`.
    #[must_use]
    pub fn new(directory: &Path, environment: &str, source: &str) -> Self {
        Self {
            path: path_in(directory, "snapshot", environment),
            source: source.to_owned(),
        }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves a configuration in place of the one before. Blocks.
    ///
    /// # Errors
    /// The error of the system. The file is unchanged then.
    pub fn save(&self, flags: &[FeatureConfig], segments: &[Segment]) -> io::Result<()> {
        self.save_if(flags, segments, || true)
    }

    /// Saves a configuration, unless it is no longer wanted once the file is written.
    pub(crate) fn save_if(
        &self,
        flags: &[FeatureConfig],
        segments: &[Segment],
        wanted: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        let body = serde_json::to_vec(&ConfigurationRef { flags, segments })?;
        let head = Head {
            format: FORMAT,
            source: self.source.clone(),
            sha256: hex(&Sha256::digest(&body)),
        };
        let mut content = serde_json::to_vec(&head)?;
        content.reserve(body.len() + 2);
        content.push(b'\n');
        content.extend_from_slice(&body);
        content.push(b'\n');
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        write::write_if(&self.path, &content, None, wanted)
    }

    /// Notes that the saved configuration is still current. Blocks.
    ///
    /// # Errors
    /// The error of the system.
    pub fn confirm(&self) -> io::Result<()> {
        File::options()
            .append(true)
            .open(&self.path)?
            .set_modified(SystemTime::now())
    }

    /// Removes unfinished files whose writers were killed from the directory. Blocks.
    pub fn sweep(&self) {
        write::sweep(write::directory_of(&self.path));
    }

    /// Returns the saved configuration and when it was last known to be current; `None` if there is no file. Blocks.
    ///
    /// # Errors
    /// [`SavedError`] says why the file cannot be used.
    pub fn load(&self) -> Result<Option<(Configuration, SystemTime)>, SavedError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let at = file.metadata()?.modified()?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(SavedError::Damaged("it has no head"))?;
        let (head, rest) = bytes.split_at(end);
        let head: Head = serde_json::from_slice(head)
            .map_err(|_| SavedError::Damaged("its head cannot be read"))?;
        if head.format != FORMAT {
            return Err(SavedError::Damaged("it was written by another version"));
        }
        let body = rest
            .strip_prefix(b"\n")
            .and_then(|body| body.strip_suffix(b"\n"))
            .ok_or(SavedError::Damaged("its end is missing"))?;
        if hex(&Sha256::digest(body)) != head.sha256 {
            return Err(SavedError::Damaged("its checksum differs"));
        }
        if head.source != self.source {
            return Err(SavedError::Foreign(head.source));
        }
        let configuration = serde_json::from_slice(body)
            .map_err(|_| SavedError::Damaged("it is no configuration"))?;
        Ok(Some((configuration, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Configuration {
        flagwire_flags_file::parse("flags: { a: true, b: { default: { true: 30, false: 70 }, off: false } }\ngroups: { g: { include: [x] } }").unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_whole() {
        let directory = tempfile::tempdir().unwrap();
        let kept = SavedConfiguration::new(&directory.path().join("made"), "a/b", "http://up");
        assert!(kept.load().unwrap().is_none());
        let saved = configuration();
        kept.save(&saved.flags, &saved.segments).unwrap();
        assert_eq!(kept.path().file_name().unwrap(), "snapshot-a%2Fb.json");
        assert_eq!(kept.load().unwrap().unwrap().0, saved);
    }

    #[test]
    fn every_shortened_or_altered_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let kept = SavedConfiguration::new(directory.path(), "e", "http://up");
        let saved = configuration();
        kept.save(&saved.flags, &saved.segments).unwrap();
        let whole = fs::read(kept.path()).unwrap();
        for length in 0..whole.len() {
            fs::write(kept.path(), &whole[..length]).unwrap();
            assert!(
                matches!(kept.load(), Err(SavedError::Damaged(_))),
                "{length}"
            );
        }
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 0x01;
            fs::write(kept.path(), &altered).unwrap();
            assert!(kept.load().is_err(), "{at}");
        }
    }

    #[test]
    fn another_upstreams_copy_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        SavedConfiguration::new(directory.path(), "e", "http://one")
            .save(&[], &[])
            .unwrap();
        let error = SavedConfiguration::new(directory.path(), "e", "http://two")
            .load()
            .unwrap_err();
        assert_eq!(error.to_string(), "it is a copy of http://one");
    }
}
