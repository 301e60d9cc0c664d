//! The secret that tokens are signed with.
//!
//! It must last through a restart: published clients never ask for a second token, so a new secret would lock every
//! open page out until it is reloaded.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use secrecy::SecretSlice;

use crate::files::write;

const FILE: &str = "token-secret";
const BYTES: usize = 32;

/// Rights of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Reads the secret kept in `directory`, or makes one and keeps it there, readable by its owner only.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::InvalidData`] for a file too short to be one.
pub(crate) fn kept_in(directory: &Path) -> io::Result<SecretSlice<u8>> {
    let path = directory.join(FILE);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let secret = bytes()?;
    let file = written(directory, &secret)?;
    // A temporary file belongs to its owner alone, and keeps its rights when it gets its name.
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(secret.into()),
        // Another server was faster; both must sign with the same one.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(error.error),
    }
}

/// Whether one is kept in `directory`.
pub(crate) fn is_kept_in(directory: &Path) -> bool {
    directory.join(FILE).exists()
}

/// Keeps a secret in `directory`, in place of another one.
///
/// # Errors
/// What the system says.
pub(crate) fn keep_in(directory: &Path, secret: &[u8]) -> io::Result<()> {
    let file = written(directory, secret)?;
    file.persist(directory.join(FILE))?;
    Ok(())
}

fn written(directory: &Path, secret: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    // Other files there are private, too.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    write::sweep(directory);
    let mut file = write::unfinished_in(directory)?;
    file.write_all(secret)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A secret for this process alone.
///
/// # Errors
/// What the system's random source says.
pub(crate) fn random() -> io::Result<SecretSlice<u8>> {
    bytes().map(Into::into)
}

fn bytes() -> io::Result<Vec<u8>> {
    let mut secret = vec![0_u8; BYTES];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(secret)
}

fn read(path: &Path) -> io::Result<SecretSlice<u8>> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & OTHERS != 0 {
        keep_others_out(&file, mode, path);
    }
    let mut secret = Vec::new();
    file.take(4096).read_to_end(&mut secret)?;
    if secret.len() < BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} is too short for a secret; delete it to have a new one made",
                path.display()
            ),
        ));
    }
    Ok(secret.into())
}

/// Takes the rights of others away. Not a reason to stop: Kubernetes widens the rights of everything on a volume each
/// time it mounts it for a group, and a server that refused would not start a second time.
fn keep_others_out(file: &File, mode: u32, path: &Path) {
    let path = path.display();
    let mode = mode & 0o777;
    match file.set_permissions(Permissions::from_mode(mode & !OTHERS)) {
        Ok(()) => tracing::warn!(
            "{path} could be used by others (mode {mode:o}); its owner alone can now. Whoever may have read it can make tokens: if that is possible, delete it and start again"
        ),
        Err(error) => tracing::warn!(
            "{path} can be used by others (mode {mode:o}), who can make tokens with it, and that cannot be changed: {error}. Run chmod 600 as its owner"
        ),
    }
}
