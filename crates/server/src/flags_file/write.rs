//! Writing a file so that a reader, or a crash, finds either the old text or the new, whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Names of files that are being written.
const PREFIX: &str = ".flagwire-";
const SUFFIX: &str = ".tmp";

/// Whether a file of this name is being written, or was when its writer was killed.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Replaces a file's content; keeps its permissions, and writes through a symbolic link instead of replacing it.
///
/// # Errors
/// What the system says. The file is unchanged then.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let real: PathBuf = fs::canonicalize(path)?;
    let permissions = fs::metadata(&real)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the file is read-only",
        ));
    }
    write_beside(&real, content, Some(permissions))
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`] if it exists by now. Nothing is left behind then.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    // In place: not every file system can give a finished file a name that must be free.
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half of it would be taken for the whole by the next start.
        drop(fs::remove_file(path));
    }
    written
}

/// Writes a file whole, whether it exists or not.
///
/// # Errors
/// What the system says. An existing file is unchanged then.
pub(crate) fn write_beside(
    path: &Path,
    content: &[u8],
    permissions: Option<fs::Permissions>,
) -> io::Result<()> {
    let directory = directory_of(path);
    let mut file = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .tempfile_in(directory)?;
    file.write_all(content)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // Makes the new name last through a power cut; not every file system allows it, and nothing is lost where not.
    if let Ok(directory) = File::open(directory) {
        drop(directory.sync_all());
    }
    Ok(())
}

/// The directory that holds a file; `.` for a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
