//! Writes files so that a reader finds either the whole old text or the whole new one, also after a crash.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

/// The beginning and the end of the names of files that are being written.
const PREFIX: &str = ".flagwire-";
const SUFFIX: &str = ".tmp";

/// Where files cannot be locked, unfinished ones that are older than this are taken for abandoned.
const ABANDONED: Duration = Duration::from_secs(600);

/// Whether a file of this name is being written, or was when its writer was killed.
fn is_unfinished(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Replaces a file's content; keeps its permissions, and writes through a symbolic link instead of replacing it.
/// `wanted` is asked once the new content is on the disk, right before it takes the file's name.
///
/// # Errors
/// The error of the system, or [`io::ErrorKind::TimedOut`] if the content is no longer wanted. The file is unchanged
/// then.
pub(crate) fn replace(
    path: &Path,
    content: &[u8],
    wanted: impl FnOnce() -> bool,
) -> io::Result<()> {
    let real: PathBuf = fs::canonicalize(path)?;
    let permissions = fs::metadata(&real)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the file is read-only",
        ));
    }
    write_if(&real, content, Some(permissions), wanted)
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// The error of the system, or [`io::ErrorKind::AlreadyExists`] if the file exists by now. Nothing is left behind then.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    // This is checked first, so that the error is the same in a directory that cannot be written to.
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // The file gets the permissions of any new file.
    let mode = fs::Permissions::from_mode(0o666);
    let mut file = unfinished(directory_of(path), Some(mode))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(error.error),
        // Not every file system can rename a file on the condition that the new name is free.
        Err(_) => create_in_place(path, content),
    }
}

fn create_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        // The next start would take the incomplete file for a whole one.
        drop(fs::remove_file(path));
    }
    written
}

/// Writes a file whole, whether it exists or not. `wanted` is asked once the content is on the disk, right before it takes
/// the file's name.
///
/// # Errors
/// The error of the system, or [`io::ErrorKind::TimedOut`] if the content is no longer wanted. An existing file is
/// unchanged then.
pub(crate) fn write_if(
    path: &Path,
    content: &[u8],
    permissions: Option<fs::Permissions>,
    wanted: impl FnOnce() -> bool,
) -> io::Result<()> {
    let directory = directory_of(path);
    let mut file = unfinished_in(directory)?;
    file.write_all(content)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    if !wanted() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    file.persist(path).map_err(|error| error.error)?;
    // Makes the new name durable in case of a power cut. Not every file system supports this, so errors are ignored.
    if let Ok(directory) = File::open(directory) {
        drop(directory.sync_all());
    }
    Ok(())
}

/// Creates a file to be written, which its owner alone can read. If its writer ends before the file has its final name,
/// [`sweep`] removes it.
///
/// # Errors
/// The error of the system.
pub(crate) fn unfinished_in(directory: &Path) -> io::Result<NamedTempFile> {
    unfinished(directory, None)
}

fn unfinished(directory: &Path, mode: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    if let Some(mode) = mode {
        builder.permissions(mode);
    }
    loop {
        let file = builder.tempfile_in(directory)?;
        // The lock ends with the process, however that ends.
        match file.as_file().try_lock() {
            // Where locks are not supported, `sweep` goes by the age of the file.
            Err(TryLockError::Error(_)) => return Ok(file),
            Ok(()) if file.path().exists() => return Ok(file),
            // Another process has removed it before it was locked.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
        }
    }
}

/// Removes unfinished files in `directory` whose writers were killed.
pub(crate) fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !is_unfinished(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        let abandoned = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => {
                let age = || file.metadata().ok()?.modified().ok()?.elapsed().ok();
                age().is_some_and(|age| age > ABANDONED)
            }
        };
        if abandoned {
            // The file is removed while it is locked here, as its writer could lock it in between otherwise.
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Sweeps the directory of a file, and that of the file it links to.
pub(crate) fn sweep_beside(path: &Path) {
    sweep(directory_of(path));
    if let Ok(real) = fs::canonicalize(path)
        && fs::canonicalize(directory_of(path)).ok().as_deref() != Some(directory_of(&real))
    {
        sweep(directory_of(&real));
    }
}

/// Returns the directory that holds a file; `.` for a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let written = unfinished_in(directory.path()).unwrap();
        for name in [".flagwire-a.tmp", "other.tmp"] {
            File::create(directory.path().join(name)).unwrap();
        }
        sweep(directory.path());
        let left = |name: &str| directory.path().join(name).exists();
        assert!(!left(".flagwire-a.tmp") && left("other.tmp"));
        assert!(written.path().exists());
        // The file is closed and neither renamed nor removed, as when its process is killed.
        let (file, path) = written.keep().unwrap();
        drop(file);
        sweep(directory.path());
        assert!(!path.exists());
    }

    #[test]
    fn a_new_file_is_whole_has_the_usual_rights_and_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (path, usual) = (directory.path().join("a"), directory.path().join("b"));
        File::create(&usual).unwrap();
        create(&path, b"text").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&usual));
        let error = create(&path, b"other").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"text");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_longer_wanted_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.yaml");
        fs::write(&path, "old").unwrap();
        assert!(replace(&path, b"new", || false).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        replace(&path, b"new", || true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
