//! The secret that tokens are signed with.
//!
//! It must last through a restart: published clients never ask for a second token, so a new secret would lock every
//! open page out until it is reloaded.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

const FILE: &str = "token-secret";
const BYTES: usize = 32;

/// Reads the secret kept in `directory`, or makes one and keeps it there, readable by its owner only.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::InvalidData`] for a file too short to be one.
pub(crate) fn kept_in(directory: &Path) -> io::Result<Vec<u8>> {
    let path = directory.join(FILE);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    fs::create_dir_all(directory)?;
    let secret = random()?;
    let mut file = tempfile::Builder::new()
        .prefix(".secret-")
        .tempfile_in(directory)?;
    file.write_all(&secret)?;
    file.as_file().sync_all()?;
    // A temporary file belongs to its owner alone, and keeps its rights when it gets its name.
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(secret),
        // Another server was faster; both must sign with the same one.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(error.error),
    }
}

/// A secret for this process alone.
///
/// # Errors
/// What the system's random source says.
pub(crate) fn random() -> io::Result<Vec<u8>> {
    let mut secret = vec![0_u8; BYTES];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(secret)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut secret = Vec::new();
    fs::File::open(path)?.take(4096).read_to_end(&mut secret)?;
    if secret.len() < BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} is too short for a secret; delete it to have a new one made",
                path.display()
            ),
        ));
    }
    Ok(secret)
}
