//! Reads and saves the secret that tokens are signed with.
//!
//! It must last through a restart: published clients never ask for a second token, so with a new secret every open page
//! would be refused until it is reloaded.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use secrecy::SecretSlice;

use crate::files::write;

const FILE: &str = "token-secret";
const BYTES: usize = 32;

/// The permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Reads the secret that is saved in `directory`, or makes one and saves it there, readable by its owner only.
///
/// # Errors
/// The error of the system, or [`io::ErrorKind::InvalidData`] if the file is too short to be a secret.
pub(crate) fn kept_in(directory: &Path) -> io::Result<SecretSlice<u8>> {
    let path = directory.join(FILE);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let secret = bytes()?;
    let file = written(directory, &secret)?;
    // Only the owner can read a temporary file, and it keeps its permissions when it is renamed.
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(secret.into()),
        // Another server has saved a secret first, and both must sign with the same one.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(error.error),
    }
}

/// Whether a secret is saved in `directory`.
pub(crate) fn is_kept_in(directory: &Path) -> bool {
    directory.join(FILE).exists()
}

/// Saves a secret in `directory`, in place of the one before.
///
/// # Errors
/// The error of the system.
pub(crate) fn keep_in(directory: &Path, secret: &[u8]) -> io::Result<()> {
    let file = written(directory, secret)?;
    file.persist(directory.join(FILE))?;
    Ok(())
}

fn written(directory: &Path, secret: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    // Other files in the directory are private, too.
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

/// Returns a new random secret, which is not saved.
///
/// # Errors
/// The error of the system's random source.
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

/// Removes the permissions of others from a file. Wide permissions do not stop the server: Kubernetes widens those of
/// everything on a volume each time it mounts it for a group, and a server that refused them would not start a second
/// time.
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
